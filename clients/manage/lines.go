package manage

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-dyndns/dyndns/clients"
	"github.com/caddy-dyndns/dyndns/clients/storage"
)

const (
	// importers is how many lines are imported at once: storages spend the time waiting.
	importers = 16
	// maxLineErrors is how many bad lines are described.
	maxLineErrors = 1000
	// lineTime is how long a line may be on its way.
	lineTime = 30 * time.Second
)

// export writes all clients, one on each line.
func (e *endpoint) export() error {
	e.w.Header().Set("Content-Type", "application/x-ndjson")
	e.w.Header().Set("Cache-Control", "no-store")
	encoder := json.NewEncoder(e.w)
	for item, err := range e.store.All(e.ctx, "") {
		if err == nil {
			err = encoder.Encode(listed(item))
		}
		if err != nil {
			logger().Error("the export of clients failed", zap.Error(err))
			// Half an export must not look like a whole one.
			panic(http.ErrAbortHandler)
		}
	}
	return nil
}

// Imported is what became of the lines of an import.
type Imported struct {
	Lines     int `json:"lines"`
	Created   int `json:"created"`
	Replaced  int `json:"replaced"`
	Unchanged int `json:"unchanged"`
	// Failed counts the lines that did not become clients; Errors says why of the first
	// thousand.
	Failed int         `json:"failed"`
	Errors []LineError `json:"errors,omitempty"`
}

// LineError is why a line did not become a client.
type LineError struct {
	Line  int    `json:"line"`
	Error string `json:"error"`
}

// line is one line with its number, from 1.
type line struct {
	number int
	text   []byte
}

// importLines creates or replaces the client of each line. What is wrong with one line
// does not stop the others.
func (e *endpoint) importLines() error {
	result := Imported{}
	var mu sync.Mutex
	lines := make(chan line)
	var workers sync.WaitGroup
	for range importers {
		workers.Go(func() {
			for l := range lines {
				effect, err := e.importLine(l.text)
				mu.Lock()
				result.add(l.number, effect, err)
				mu.Unlock()
			}
		})
	}
	err := e.readLines(lines)
	close(lines)
	workers.Wait()
	slices.SortFunc(result.Errors, func(a, b LineError) int { return cmp.Compare(a.Line, b.Line) })
	logger().Info("clients imported", zap.Int("created", result.Created),
		zap.Int("replaced", result.Replaced), zap.Int("unchanged", result.Unchanged), zap.Int("failed", result.Failed))
	if err != nil {
		return failure(http.StatusBadRequest, err)
	}
	return e.reply(http.StatusOK, "", result)
}

// readLines hands out the lines of the body, of one that is too long the beginning.
func (e *endpoint) readLines(lines chan<- line) error {
	control := http.NewResponseController(e.w)
	reader := bufio.NewReader(e.r.Body)
	var text []byte
	for number := 1; ; {
		// Caddy gives the whole body ten seconds.
		if err := control.SetReadDeadline(time.Now().Add(lineTime)); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return err
		}
		part, err := reader.ReadSlice('\n')
		if len(text) <= clients.MaxRecord {
			text = append(text, part...)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if whole := bytes.TrimSpace(text); len(whole) > 0 && (err == nil || errors.Is(err, io.EOF)) {
			lines <- line{number, whole}
		}
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return err
		}
		number, text = number+1, nil
	}
}

func (e *endpoint) importLine(text []byte) (storage.Effect, error) {
	record, err := clients.ParseRecord(text)
	if err == nil {
		err = e.check(record)
	}
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(e.ctx, opTime)
	defer cancel()
	_, effect, err := e.store.Put(ctx, record, storage.Condition{}, e.flag("shared"))
	if err == nil && effect != storage.Unchanged {
		e.open[0].Changed(record.Name, effect.String())
	}
	return effect, err
}

func (i *Imported) add(number int, effect storage.Effect, err error) {
	i.Lines++
	switch {
	case err != nil:
		i.Failed++
		if len(i.Errors) < maxLineErrors {
			i.Errors = append(i.Errors, LineError{number, err.Error()})
		}
	case effect == storage.Created:
		i.Created++
	case effect == storage.Replaced:
		i.Replaced++
	default:
		i.Unchanged++
	}
}
