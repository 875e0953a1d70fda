package nameserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/miekg/dns"
	"go.uber.org/zap"

	"github.com/caddy-dyndns/dyndns/internal/authority"
)

// secondary is a nameserver that is told of changes.
type secondary struct {
	address netip.AddrPort
	key     authority.Signer
}

func newSecondary(address string, key authority.Signer) (secondary, error) {
	addr, err := netip.ParseAddrPort(address)
	if err != nil {
		return secondary{}, fmt.Errorf("the secondary %q is not an IP address with a port", address)
	}
	return secondary{addr, key}, nil
}

const (
	// notifyTries is how often a NOTIFY is sent without an answer, the time for which
	// doubles (RFC 1996 section 3.6).
	notifyTries = 6
	notifyTime  = time.Second
	// notifyPause is how long a secondary that was told is not told again.
	notifyPause = time.Second
)

// notifier tells the secondaries of a zone that it has changed (RFC 1996).
type notifier struct {
	zone   *served
	logger *zap.Logger
	hooks  Hooks

	mu     sync.Mutex
	cancel context.CancelFunc
	// news has a signal for each secondary that has to be told.
	news    []chan struct{}
	running sync.WaitGroup
}

func newNotifier(z *served, o Options) *notifier {
	return &notifier{zone: z, logger: o.Logger, hooks: o.Hooks, cancel: func() {}}
}

// configure tells other secondaries from now on. They are told at once: it is not known
// what they have.
func (n *notifier) configure(secondaries []secondary) {
	n.close()
	ctx, cancel := context.WithCancel(context.Background())
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cancel = cancel
	for _, s := range secondaries {
		news := make(chan struct{}, 1)
		news <- struct{}{}
		n.news = append(n.news, news)
		n.running.Go(func() { n.run(ctx, s, news) })
	}
}

// changed has the secondaries told.
func (n *notifier) changed() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, news := range n.news {
		select {
		case news <- struct{}{}:
		default: // it will be told of this, too
		}
	}
}

// close tells nobody any more.
func (n *notifier) close() {
	n.mu.Lock()
	n.cancel()
	n.news = nil
	n.mu.Unlock()
	n.running.Wait()
}

// run tells a secondary of all changes.
func (n *notifier) run(ctx context.Context, s secondary, news <-chan struct{}) {
	for {
		select {
		case <-news:
		case <-ctx.Done():
			return
		}
		err := n.tell(ctx, s)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			n.logger.Warn("a secondary does not acknowledge that the zone has changed", zap.String("zone", n.zone.name()),
				zap.Stringer("secondary", s.address), zap.Error(err))
		}
		if n.hooks.Notified != nil {
			n.hooks.Notified(n.zone.name(), s.address, err)
		}
		select {
		case <-time.After(notifyPause):
		case <-ctx.Done():
		}
	}
}

// tell sends a NOTIFY until it is acknowledged.
func (n *notifier) tell(ctx context.Context, s secondary) (err error) {
	for wait, try := notifyTime, 0; try < notifyTries && ctx.Err() == nil; wait, try = 2*wait, try+1 {
		deadline, cancel := context.WithTimeout(ctx, wait)
		if err = n.exchange(deadline, s); err == nil {
			cancel()
			return nil
		}
		// A refusal may come at once.
		<-deadline.Done()
		cancel()
	}
	return err
}

// exchange sends a NOTIFY and waits for its acknowledgement.
func (n *notifier) exchange(ctx context.Context, s secondary) (err error) {
	defer recovered(n.hooks, &err)
	query := new(dns.Msg)
	n.zone.read(func(c *configuration, data *authority.Zone) {
		query.SetNotify(c.name)
		query.Answer = []dns.RR{data.SOA()}
	})
	wire, err := query.Pack()
	if err != nil {
		return err
	}
	wire = s.key.Sign(wire, authority.Stamp{Time: time.Now(), Fudge: authority.Fudge}, nil)
	request, err := authority.FindSignature(wire)
	if err != nil {
		return err
	}
	conn, err := new(net.Dialer).DialContext(ctx, "udp", s.address.String())
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := conn.Write(wire); err != nil {
		return err
	}
	for buffer := make([]byte, dns.MaxMsgSize); ; {
		size, err := conn.Read(buffer)
		if err != nil {
			return err
		}
		if ours, err := acknowledgement(buffer[:size], query.Id, s.key, request.MAC()); ours {
			return err
		}
	}
}

// acknowledgement reads the reply to a NOTIFY. It returns false if it is none.
func acknowledgement(wire []byte, id uint16, key authority.Signer, requestMAC []byte) (ours bool, err error) {
	reply := new(dns.Msg)
	if reply.Unpack(wire) != nil || reply.Id != id || !reply.Response || reply.Opcode != dns.OpcodeNotify {
		return false, nil
	}
	sig, err := authority.FindSignature(wire)
	switch {
	case err != nil:
		return false, nil
	case reply.Rcode != dns.RcodeSuccess:
		return true, fmt.Errorf("it answers %s", dns.RcodeToString[reply.Rcode])
	case sig == nil:
		return true, errors.New("its answer is not signed")
	}
	if _, tsigError := sig.Authenticate(wire, map[string]authority.Signer{key.Name: key}, requestMAC, time.Now()); tsigError != 0 {
		return true, errors.New("the signature of its answer is not good")
	}
	return true, nil
}
