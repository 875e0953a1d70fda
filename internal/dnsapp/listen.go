package dnsapp

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"go.uber.org/zap"
)

const port = 53

// checkAddress returns what is wrong with an address to listen at.
func checkAddress(address string) error {
	if kind, number, ok := strings.Cut(address, "/"); ok {
		if n, err := strconv.Atoi(number); err != nil || n < 3 || kind != "fd" && kind != "fdgram" {
			return fmt.Errorf("%s is no socket such as fd/3 or fdgram/4", address)
		}
		return nil
	}
	_, err := parseAddress(address)
	return err
}

// parseAddress reads an IP address with or without a port.
func parseAddress(address string) (netip.AddrPort, error) {
	if a, err := netip.ParseAddr(strings.Trim(address, "[]")); err == nil {
		return netip.AddrPortFrom(a, port), nil
	}
	a, err := netip.ParseAddrPort(address)
	if err != nil {
		return a, fmt.Errorf("%s is no IP address with or without a port", address)
	}
	return a, nil
}

// listen opens the sockets that an app wants and are not open, and closes those that it
// does not want. process's lock is held.
func (r *running) listen(a *App) error {
	wanted, optional := a.listen, map[string]bool{}
	if wanted == nil {
		addresses, err := machineAddresses()
		if err != nil {
			return err
		}
		for _, address := range addresses {
			text := netip.AddrPortFrom(address, port).String()
			wanted = append(wanted, text)
			optional[text] = isInner(address)
		}
	}
	keep := make(map[string]bool)
	var errs []error
	for _, address := range wanted {
		for _, network := range networksOf(address) {
			key := network + " " + address
			keep[key] = true
			if r.sockets[key] != nil {
				continue
			}
			socket, err := r.open(network, address)
			switch {
			case err == nil:
				r.sockets[key] = socket
			case optional[address]:
				a.logger.Warn("not listening at an address of this machine alone, whose port another program has",
					zap.String("network", network), zap.String("address", address), zap.Error(err))
			default:
				errs = append(errs, err)
			}
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for key, socket := range r.sockets {
		if !keep[key] {
			errs = append(errs, socket.Close())
			delete(r.sockets, key)
		}
	}
	return errors.Join(errs...)
}

// networksOf returns by what to listen at an address.
func networksOf(address string) []string {
	switch {
	case strings.HasPrefix(address, "fd/"):
		return []string{"tcp"}
	case strings.HasPrefix(address, "fdgram/"):
		return []string{"udp"}
	}
	return []string{"udp", "tcp"}
}

// open opens a socket and has the server answer what comes.
func (r *running) open(network, address string) (io.Closer, error) {
	if network == "udp" {
		conn, err := openPacketConn(address)
		if err != nil {
			return nil, explain(err, network, address)
		}
		return conn, r.server.AddPacketConn(conn)
	}
	listener, err := openListener(address)
	if err != nil {
		return nil, explain(err, network, address)
	}
	return listener, r.server.AddListener(listener)
}

func openPacketConn(address string) (net.PacketConn, error) {
	if number, ok := strings.CutPrefix(address, "fdgram/"); ok {
		return net.FilePacketConn(handedIn(number))
	}
	at, err := parseAddress(address)
	if err != nil {
		return nil, err
	}
	return net.ListenPacket("udp", at.String())
}

func openListener(address string) (net.Listener, error) {
	if number, ok := strings.CutPrefix(address, "fd/"); ok {
		return net.FileListener(handedIn(number))
	}
	at, err := parseAddress(address)
	if err != nil {
		return nil, err
	}
	return net.Listen("tcp", at.String())
}

// handed are the files of sockets that the service manager handed in. They are never
// closed: a later configuration may want them again.
var handed = make(map[string]*os.File)

// handedIn returns the file of such a socket. process's lock is held.
func handedIn(number string) *os.File {
	if handed[number] == nil {
		n, _ := strconv.Atoi(number) // which was checked
		handed[number] = os.NewFile(uintptr(n), "socket "+number)
	}
	return handed[number]
}

// explain says what to do where a port is taken or forbidden.
func explain(err error, network, address string) error {
	at, _ := parseAddress(address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("another program listens at %s over %s: \"ss -lnp 'sport = :%d'\" says which; end it, or name other addresses with listen", at, network, at.Port())
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("this user may not listen at %s: run Caddy as root or with CAP_NET_BIND_SERVICE", at)
	}
	return fmt.Errorf("listening at %s over %s: %w", address, network, err)
}

// machineAddresses returns the addresses of this machine.
func machineAddresses() (all []netip.Addr, err error) {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("looking for the addresses of this machine: %w", err)
	}
	for _, a := range addresses {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil && !prefix.Addr().IsLinkLocalUnicast() {
			all = append(all, prefix.Addr().Unmap())
		}
	}
	return all, nil
}

// isInner tells whether nobody outside can ask an address: another program may have its port.
func isInner(a netip.Addr) bool { return a.IsLoopback() || a.IsPrivate() }

// publicAddresses returns those of this machine that anybody may ask.
func publicAddresses() []netip.Addr {
	all, _ := machineAddresses() // without them, it is only said less precisely what to enter
	return slices.DeleteFunc(all, isInner)
}
