package nameserver

import (
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/miekg/dns"
	"go.uber.org/zap"

	"github.com/caddy-dyndns/dyndns/internal/authority"
	"github.com/caddy-dyndns/dyndns/nameserver/internal/store"
)

// maxWaiting is the greatest number of changes that wait.
const maxWaiting = 10_000

// job is what one caller changes.
type job struct {
	zone *served
	// size is the number of changes.
	size int
	// change makes the changes in an overlay, and tells what the RRsets were before. It
	// may be called several times, the last of which counts.
	change func(*configuration, *authority.Zone) map[authority.RRset][]dns.RR
	// imports tells that secondaries may have serials that stood for other data. The log
	// begins anew, and the serial counts also if nothing else has changed.
	imports bool
	// done is closed when err is set.
	done chan struct{}
	// err is nil if what was changed is on disk. The writer alone uses it before.
	err      error
	finished bool
	// taken: it is in a group. The writer's mutex guards it.
	taken bool
}

// finish tells the caller, unless it was told before.
func (j *job) finish(err error) {
	if !j.finished {
		j.finished, j.err = true, err
		close(j.done)
	}
}

// writer takes all changes of all zones to the disk. What arrives while the disk is
// written goes together with the next write.
type writer struct {
	file  database
	hooks Hooks
	// turn is held by who changes zones. It guards failed.
	turn sync.Mutex
	// failed is why nothing more is written.
	failed error

	mu      sync.Mutex
	idle    *sync.Cond // signalled when running becomes false
	queue   []*job
	waiting int // changes
	running bool
}

func newWriter(file database, hooks Hooks) *writer {
	w := &writer{file: file, hooks: hooks}
	w.idle = sync.NewCond(&w.mu)
	return w
}

// enter puts a job into the queue, unless that is full.
func (w *writer) enter(j *job) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiting > 0 && w.waiting+j.size > maxWaiting {
		return false
	}
	w.queue = append(w.queue, j)
	w.waiting += j.size
	if !w.running {
		w.running = true
		go w.work()
	}
	return true
}

// leave takes a job out of the queue whose caller has gone. It returns false if the job
// is in a group already.
func (w *writer) leave(j *job) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if j.taken {
		return false
	}
	w.queue = slices.DeleteFunc(w.queue, func(o *job) bool { return o == j })
	w.waiting -= j.size
	return true
}

// next takes everything that waits. It returns nil if nothing does: then the caller no
// longer works on the queue.
func (w *writer) next() []*job {
	w.mu.Lock()
	defer w.mu.Unlock()
	jobs := w.queue
	for _, j := range jobs {
		j.taken = true
	}
	w.queue, w.waiting = nil, 0
	if jobs == nil {
		w.running = false
		w.idle.Broadcast()
	}
	return jobs
}

// work writes until nothing waits.
func (w *writer) work() {
	for jobs := w.next(); jobs != nil; jobs = w.next() {
		w.turn.Lock()
		err := w.write(jobs)
		w.turn.Unlock()
		for _, j := range jobs {
			j.finish(err)
		}
	}
}

// write makes the changes of jobs and writes them together. After a defect it is not
// known whether what is served is what is on disk: then nothing more is written.
func (w *writer) write(jobs []*job) (err error) {
	if w.failed != nil {
		return fmt.Errorf("nothing is written since a defect was met, start again: %w", w.failed)
	}
	defer func() {
		if errors.Is(err, errPanic) {
			w.failed, err = err, fmt.Errorf("%w: %w", store.ErrInDoubt, err)
		}
	}()
	defer recovered(w.hooks, &err)
	start := time.Now()
	var groups []store.Group
	shown := make(map[*served][]authority.Difference)
	changes := 0
	for z, overlay := range w.changeAll(jobs) {
		differences := overlay.Differences()
		imported := slices.ContainsFunc(jobs, func(j *job) bool { return j.zone == z && j.imports && !j.finished })
		// Changes may have cancelled each other out.
		if len(differences) <= 1 && !imported {
			continue
		}
		shown[z] = differences
		groups = append(groups, store.Group{
			Zone: z.config.name, From: z.data.SOA().Serial, To: overlay.SOA().Serial, NewLog: imported,
			Differences: slices.DeleteFunc(slices.Clone(differences), func(d authority.Difference) bool { return d.Type == dns.TypeSOA }),
		})
		changes += len(differences) - 1
	}
	if len(groups) == 0 {
		return nil
	}
	err = w.file.Commit(groups)
	if w.hooks.Committed != nil {
		w.hooks.Committed(changes, time.Since(start), err)
	}
	if err != nil {
		return err
	}
	for z, differences := range shown {
		z.publish(differences)
	}
	return nil
}

// changeAll makes the changes of jobs in an overlay for each zone. A job that meets a
// defect is finished with it.
func (w *writer) changeAll(jobs []*job) map[*served]*authority.Zone {
again:
	overlays := make(map[*served]*authority.Zone)
	for _, j := range jobs {
		if j.finished {
			continue
		}
		if overlays[j.zone] == nil {
			overlays[j.zone] = j.zone.data.Overlay()
		}
		if err := w.changeOne(j, overlays[j.zone]); err != nil {
			// What it has changed until then must not stay.
			j.finish(err)
			goto again
		}
	}
	return overlays
}

func (w *writer) changeOne(j *job, overlay *authority.Zone) (err error) {
	defer recovered(w.hooks, &err)
	j.change(j.zone.config, overlay)
	return nil
}

// recovered makes an error of a panic.
func recovered(h Hooks, err *error) {
	if v := recover(); v != nil {
		*err = errPanic
		if h.Panic != nil {
			h.Panic(v, debug.Stack())
		}
	}
}

// configure configures a zone between two groups.
func (w *writer) configure(z *served, c *configuration, log *zap.Logger) error {
	w.turn.Lock()
	defer w.turn.Unlock()
	return z.configure(c, w.file, log)
}

// status returns the number of changes that wait.
func (w *writer) status() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.waiting
}

// close waits for what is written and closes the file.
func (w *writer) close() error {
	w.mu.Lock()
	for w.running {
		w.idle.Wait()
	}
	w.mu.Unlock()
	return w.file.Close()
}
