package pages

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strings"

	"github.com/caddy-dyndns/dyndns/internal/name"
)

// Visitor is who looks at the usage page.
type Visitor struct {
	// Address is where the visitor comes from; the zero value if that is unknown.
	Address netip.Addr
	// Client is the name of the client whose token was given, empty if none was.
	Client string
	// Hosts are names of that client. The first fills the settings if the visitor typed none.
	Hosts []string
}

// usage is the usage page with everything filled in.
type usage struct {
	Address   string     `json:"address"`
	Family    string     `json:"-"`
	Host      string     `json:"-"` // the visitor's own text
	Error     string     `json:"error,omitempty"`
	Name      string     `json:"host"`
	Filled    bool       `json:"-"`
	Client    string     `json:"client,omitempty"`
	Hosts     []string   `json:"hosts,omitempty"`
	Endpoints []Endpoint `json:"endpoints"`
	Devices   []Device   `json:"settings"`
	// Certificates are the clients of ACME.
	Certificates []Device `json:"certificates"`
}

// Usage is the usage page for a visitor and the host name that they typed.
func Usage(s Site, v Visitor, host string) Page {
	u := usage{Address: "unknown", Host: host, Name: placeholderName, Client: v.Client}
	if v.Address.IsValid() {
		address := v.Address.Unmap().WithZone("")
		u.Address, u.Family = address.String(), "IPv4"
		if address.Is6() {
			u.Family = "IPv6"
		}
	}
	for _, fqdn := range v.Hosts {
		u.Hosts = append(u.Hosts, bare(fqdn))
	}
	if host == "" && len(u.Hosts) > 0 {
		u.Name, u.Filled = u.Hosts[0], true
	}
	if host != "" {
		if normal, err := name.Normalize(strings.TrimSpace(host)); err != nil {
			u.Error = err.Error()
		} else {
			u.Name, u.Filled = bare(normal), true
		}
	}
	fill := filler(s, u.Name)
	for _, e := range endpoints {
		u.Endpoints = append(u.Endpoints, Endpoint{fill(e.Path), fill(e.Use)})
	}
	filled := func(devices []Device) (all []Device) {
		for _, d := range devices {
			if d.rootOnly && s.Base != "" {
				continue
			}
			d.Settings = slices.Clone(d.Settings)
			for i := range d.Settings {
				d.Settings[i].Value = fill(d.Settings[i].Value)
			}
			all = append(all, d)
		}
		return all
	}
	u.Devices, u.Certificates = filled(devices), filled(acmeClients)
	return Page{"usage", PathUsage, "Dynamic DNS", u}
}

// filler puts a site and a name into an endpoint or a setting.
func filler(s Site, name string) func(string) string {
	port := "443"
	if i := strings.LastIndexByte(s.Host, ':'); i > strings.LastIndexByte(s.Host, ']') {
		port = s.Host[i+1:]
	} else if s.Plain {
		port = "80"
	}
	// Texts always encode.
	account, _ := json.Marshal(Accounts(name, placeholderToken, s.URL()))
	return strings.NewReplacer(
		"{account}", string(account), "{url}", s.URL(), "{server}", s.Host, "{base}", s.Base,
		"{bare-server}", strings.TrimSuffix(s.Host, ":"+port), "{port}", port,
		"{name}", name, "{token}", placeholderToken,
	).Replace
}
