package manage

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddy-dyndns/dyndns/clients"
	"github.com/caddy-dyndns/dyndns/clients/storage"
)

// pageTime is how long a page of the list is gathered.
const pageTime = opTime / 2

// Page is a part of the list of clients.
type Page struct {
	Clients []Listed `json:"clients"`
	// Next is what the next page begins after, empty if this is the last.
	Next string `json:"next,omitempty"`
}

// Listed is a client, or why it cannot be read.
type Listed struct {
	*clients.Record
	// LastSeen is when it asked last, give or take six hours; zero if that is not known.
	LastSeen time.Time `json:"last_seen,omitzero"`
	// Expires is when the first of its addresses is removed if nobody confirms it, zero if
	// none is.
	Expires time.Time `json:"expires,omitzero"`
	Error   string    `json:"error,omitempty"`
}

func listed(i storage.Item) Listed {
	if i.Err != nil {
		return Listed{Error: i.Err.Error()}
	}
	return Listed{Record: i.Record}
}

func (e *endpoint) list(ctx context.Context, _ []string) error {
	size := defaultPage
	if text := e.query.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxPage {
			return failure(http.StatusBadRequest, fmt.Errorf("limit: it is not between 1 and %d", maxPage))
		}
		size = n
	}
	var unused time.Duration
	if text := e.query.Get("unused"); text != "" {
		d, err := clients.ParseDuration(text)
		if err != nil {
			return failure(http.StatusBadRequest, fmt.Errorf("unused: %w", err))
		}
		unused = d
	}
	sightings := e.store.Sightings()
	page := Page{Clients: []Listed{}}
	began, last := time.Now(), ""
	for item, err := range e.store.All(ctx, e.query.Get("after")) {
		if err != nil {
			return err
		}
		// Where the storage is slow, a page is what there was time for, perhaps nothing.
		if last != "" && (len(page.Clients) >= size || time.Since(began) > pageTime) {
			page.Next = last
			break
		}
		l := listed(item)
		if item.Record != nil {
			var idle time.Duration
			if l.LastSeen, idle, err = sightings.Last(ctx, item.Record.Name); err != nil {
				return err
			}
			l.Expires = e.expires(ctx, item.Record.Names())
			last = item.Record.Name
			if min(idle, age(item.Record)) < unused {
				continue
			}
		}
		page.Clients = append(page.Clients, l)
	}
	return e.reply(http.StatusOK, "", page)
}

// expires returns when the first address of the names expires by any of the handlers.
func (e *endpoint) expires(ctx context.Context, names []string) (first time.Time) {
	for _, o := range e.open {
		if o.Config.Expires == nil {
			continue
		}
		if at := o.Config.Expires(ctx, names); !at.IsZero() && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	return first
}

// age is how long ago the newest token was made: a client that is new has not been unused
// for long. It is very long if that is not known.
func age(r *clients.Record) time.Duration {
	age := time.Duration(math.MaxInt64)
	for _, t := range slices.Concat(r.Tokens, r.Owner) {
		if !t.Created.IsZero() {
			age = min(age, time.Since(t.Created))
		}
	}
	return age
}

func (e *endpoint) get(ctx context.Context, path []string) error {
	record, tag, err := e.store.Get(ctx, path[0])
	if err != nil {
		return err
	}
	return e.reply(http.StatusOK, tag, record)
}

func (e *endpoint) put(ctx context.Context, path []string) error {
	condition, err := e.condition()
	if err != nil {
		return err
	}
	body, err := e.body()
	if err != nil {
		return err
	}
	record, err := clients.DecodeRecord(body)
	if err != nil {
		return err
	}
	if record.Name == "" {
		record.Name = path[0]
	}
	if record.Name != path[0] {
		return failure(http.StatusBadRequest, errors.New("the body has another name than the path"))
	}
	if err := e.check(record); err != nil {
		return err
	}
	_, effect, err := e.store.Put(ctx, record, condition, e.flag("shared"))
	if err != nil {
		return err
	}
	if effect != storage.Unchanged {
		e.changed(record.Name, effect.String())
	}
	stored, tag, err := e.store.Get(ctx, record.Name)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if effect == storage.Created {
		status = http.StatusCreated
	}
	return e.reply(status, tag, stored)
}

// check returns what is wrong with a record here.
func (e *endpoint) check(record *clients.Record) error {
	err := record.Check()
	if err == nil && (record.Name == "import" || record.Name == "export") {
		err = fmt.Errorf("%w: %s is the name of a part of this API", clients.ErrBadRecord, record.Name)
	}
	if err != nil {
		return err
	}
	if err := record.Outside(e.zones); err != nil {
		return fmt.Errorf("%w: %w", clients.ErrBadRecord, err)
	}
	return nil
}

// Removed is what a removal leaves behind.
type Removed struct {
	// Hosts are the names that the client had, by name or behind its router, and no other
	// client has. What stands there leads to whoever gets the address next.
	Hosts []string `json:"hosts"`
	// Purged tells that their records were removed.
	Purged bool `json:"purged"`
	// Errors say of which names they were not.
	Errors map[string]string `json:"errors,omitempty"`
}

func (e *endpoint) delete(ctx context.Context, path []string) error {
	condition, err := e.condition()
	if err != nil {
		return err
	}
	record, err := e.store.Delete(ctx, path[0], condition)
	if err != nil {
		return err
	}
	e.changed(path[0], "removed")
	removed := Removed{Hosts: []string{}}
	if record != nil {
		if removed.Hosts, err = e.store.Unclaimed(ctx, record.Names()); err != nil {
			return err
		}
	}
	if e.flag("purge") {
		removed.Purged, removed.Errors = true, make(map[string]string)
		done := make(map[string]bool) // several handlers may have the same zones
		for _, o := range e.open {
			zones := strings.Join(o.Config.Zones(), " ")
			if o.Config.Purge == nil || done[zones] {
				continue
			}
			done[zones] = true
			for name, err := range o.Config.Purge(ctx, removed.Hosts) {
				removed.Errors[name] = err.Error()
			}
		}
	}
	return e.reply(http.StatusOK, "", removed)
}
