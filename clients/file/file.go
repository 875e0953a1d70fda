// Package file finds clients in a file of JSON lines, which it reads again when it changes.
package file

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-dyndns/dyndns/clients"
	"github.com/caddy-dyndns/dyndns/internal/placeholder"
	"github.com/caddy-dyndns/dyndns/internal/redact"
)

// interval is how often the file is looked at.
const interval = time.Second

// content is a file as it was read.
type content struct {
	lines []byte
	// lists holds where in lines the record with a token is.
	lists map[clients.Digest]span
	// damaged: some lines are no records, so that nobody knows whose a token is that
	// the others do not list. It may be a file that is still being written.
	damaged error
}

type span struct{ from, to int }

// parse reads a file. A line that is no record is told to warn.
func parse(data []byte, warn func(line int, err error)) *content {
	c := &content{lines: data, lists: make(map[clients.Digest]span)}
	names := make(map[string]bool)
	at, number := 0, 0
	for line := range bytes.Lines(data) {
		number++
		place := span{at, at + len(line)}
		at = place.to
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		if err := c.add(line, place, names); err != nil {
			warn(number, err)
			if c.damaged == nil {
				c.damaged = fmt.Errorf("line %d: %v", number, err) // that line is not the record that is asked for
			}
		}
	}
	return c
}

func (c *content) add(line []byte, place span, names map[string]bool) error {
	record, err := clients.ParseRecord(line)
	if err != nil {
		return err
	}
	if names[record.Name] {
		return fmt.Errorf("%w: client %s stands there twice", clients.ErrBadRecord, redact.ClientName(record.Name))
	}
	for _, digest := range record.Digests() {
		if _, taken := c.lists[digest]; taken {
			return fmt.Errorf("%w: client %s: another client has its token %s", clients.ErrBadRecord, redact.ClientName(record.Name), clients.Token{Digest: digest}.ID())
		}
	}
	names[record.Name] = true
	for _, digest := range record.Digests() {
		c.lists[digest] = place
	}
	return nil
}

// file is a file that is looked at from time to time.
type file struct {
	path    string
	changed func()
	logger  func() *zap.Logger
	stop    chan struct{}
	stopped chan struct{}

	mu      sync.Mutex
	content *content
	state   state
	failing bool // the log says so
}

// state is what tells that a file has changed.
type state struct {
	modified time.Time
	size     int64
}

// open reads the file and looks at it until it is closed. changed is called after it was
// read again.
func open(path string, changed func(), logger func() *zap.Logger) (*file, error) {
	f := &file{path: path, changed: changed, logger: logger, stop: make(chan struct{}), stopped: make(chan struct{})}
	if err := f.read(); err != nil {
		return nil, err
	}
	go f.watch()
	return f, nil
}

// Destruct ends the watch.
func (f *file) Destruct() error {
	close(f.stop)
	<-f.stopped
	return nil
}

func (f *file) watch() {
	defer close(f.stopped)
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			f.look()
		case <-f.stop:
			return
		}
	}
}

// look reads the file if it has changed. One that cannot be read leaves the clients as
// they are.
func (f *file) look() {
	info, err := os.Stat(f.path)
	if err == nil {
		if f.state == (state{info.ModTime(), info.Size()}) {
			return
		}
		if err = f.read(); err == nil {
			f.changed()
			f.failing = false
			return
		}
	}
	if !f.failing {
		f.failing = true
		f.logger().Warn("cannot read the file of clients; those of before stay", zap.Error(placeholder.FileError(f.path, err)))
	}
}

func (f *file) read() error {
	info, err := os.Stat(f.path) // before it is read: what is written meanwhile is another state
	if err != nil {
		return placeholder.FileError(f.path, err)
	}
	data, err := placeholder.ReadFile(f.path)
	if err != nil {
		return err
	}
	f.state = state{info.ModTime(), info.Size()}
	read := parse(data, func(line int, err error) {
		f.logger().Warn("a line of the file of clients is no client", zap.Int("line", line), zap.Error(err))
	})
	f.mu.Lock()
	defer f.mu.Unlock()
	f.content = read
	return nil
}

// find returns the record that lists the token.
func (f *file) find(_ context.Context, digest clients.Digest) (*clients.Record, error) {
	f.mu.Lock()
	c := f.content
	f.mu.Unlock()
	place, ok := c.lists[digest]
	if !ok && c.damaged != nil {
		return nil, fmt.Errorf("the file of clients: %w", c.damaged)
	}
	if !ok {
		return nil, nil
	}
	return clients.ParseRecord(c.lines[place.from:place.to])
}
