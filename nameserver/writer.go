package nameserver

import (
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
	// done is closed when err is set.
	done chan struct{}
	// err is nil if what was changed is on disk.
	err error
	// taken: it is in a group. The writer's mutex guards it.
	taken bool
}

// writer takes all changes of all zones to the disk. What arrives while the disk is
// written goes together with the next write.
type writer struct {
	file  database
	hooks Hooks
	// turn is held by who changes zones.
	turn sync.Mutex

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
		w.write(jobs)
		w.turn.Unlock()
	}
}

// write makes the changes of jobs and writes them together.
func (w *writer) write(jobs []*job) {
	start := time.Now()
	overlays, jobs := w.changeAll(jobs)
	var groups []store.Group
	shown := make(map[*served][]authority.Difference)
	changes := 0
	for z, overlay := range overlays {
		differences := overlay.Differences()
		// Changes may have cancelled each other out.
		if len(differences) <= 1 {
			continue
		}
		shown[z] = differences
		groups = append(groups, store.Group{
			Zone: z.config.name, From: z.data.SOA().Serial, To: overlay.SOA().Serial,
			Differences: slices.DeleteFunc(slices.Clone(differences), func(d authority.Difference) bool { return d.Type == dns.TypeSOA }),
		})
		changes += len(differences) - 1
	}
	var err error
	if len(groups) > 0 {
		err = w.file.Commit(groups)
		if w.hooks.Committed != nil {
			w.hooks.Committed(changes, time.Since(start), err)
		}
	}
	if err == nil {
		for z, differences := range shown {
			z.publish(differences)
		}
	}
	for _, j := range jobs {
		j.err = err
		close(j.done)
	}
}

// changeAll makes the changes of jobs in an overlay for each zone. It returns the jobs
// without those that met a defect, which have their error then.
func (w *writer) changeAll(jobs []*job) (map[*served]*authority.Zone, []*job) {
again:
	overlays := make(map[*served]*authority.Zone)
	for i, j := range jobs {
		if overlays[j.zone] == nil {
			overlays[j.zone] = j.zone.data.Overlay()
		}
		if j.err = w.changeOne(j, overlays[j.zone]); j.err != nil {
			// What it has changed until then must not stay.
			close(j.done)
			jobs = slices.Delete(jobs, i, i+1)
			goto again
		}
	}
	return overlays, jobs
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
