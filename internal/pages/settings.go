package pages

import (
	"strings"

	"github.com/caddy-dyndns/dyndns/example/routers"
)

// What the settings show where the visitor has to put in a value of their own.
// The page never asks for the token.
const (
	placeholderName  = "home.example.com"
	placeholderToken = "YOUR-TOKEN"
)

// Endpoint is an address of the service and what it is for.
type Endpoint struct {
	Path string `json:"path"`
	Use  string `json:"use"`
}

// Device is a router or program and what to put into its settings.
type Device struct {
	ID       string    `json:"id"`
	Name     string    `json:"name"`
	Where    string    `json:"where"`
	Settings []Setting `json:"settings"`
	Notes    []string  `json:"notes,omitempty"`

	// rootOnly: it always asks for /nic/update and cannot use a path prefix.
	rootOnly bool
}

// Setting is one field of a form, or a whole file if it has several lines.
type Setting struct {
	Label string `json:"label"`
	Value string `json:"value"`
}

var endpoints = []Endpoint{
	{"{base}/nic/update?hostname={name}&myip=192.0.2.1,2001:db8::1", "The dyndns2 protocol of most routers. Also /v2/update and /v3/update. The token is the password of HTTP Basic authentication; any user name will do. Answers good or nochg."},
	{"{base}/update?domains={name}&token={token}&ip=192.0.2.1", "The DuckDNS protocol. Answers OK or KO."},
	{"{base}/update-by-query?secret={token}&fqdn={name}&ipv4=192.0.2.1&ipv6=2001:db8::1", "Says in plain words what changed. The token may stand in a Bearer header instead, then it is in no log on the way. Without an address, the one you come from."},
	{"{base}/update-by-path/{token}/{name}/192.0.2.1", "The same for devices that can only call a fixed address. One address, two or none."},
	{"{base}/delete-by-path/{token}/{name}", "Removes the IPv4 and the IPv6 address."},
	{"{base}/check", "Tests every zone, for a token that may change all of them."},
	{"{base}/ip", "The address that you come from, as plain text."},
}

// fromFile turns a file for copying into the value of a setting.
var fromFile = strings.NewReplacer(
	"https://dyndns.example.com/nic/update", "{url}/nic/update", "https://dyndns.example.com", "{url}",
	"dyndns.example.com/nic/update", "{server}{base}/nic/update", "/nic/update", "{base}/nic/update",
	"home.dyn.example.com", "{name}", "dyndns.example.com", "{server}", placeholderToken, "{token}",
).Replace

// devices are in the order of the page. In the values {url}, {server}, {base},
// {bare-server}, {port}, {name} and {token} are filled in.
var devices = []Device{
	{
		ID: "fritzbox", Name: "FRITZ!Box",
		Where: "Internet › Permit Access › DynDNS, provider “User-defined”",
		Settings: []Setting{
			{"Update URL", "{url}/nic/update?hostname=<domain>&myip=<ipaddr>,<ip6addr>&ip6lanprefix=<ip6lanprefix>"},
			{"Domain name", "{name}"},
			{"User name", "dyndns"},
			{"Password", "{token}"},
			{"Update URL, one request for each family", "{url}/nic/update?hostname=<domain>&myip=<ipaddr> {url}/nic/update?hostname=<domain>&myipv6=<ip6addr>&ip6lanprefix=<ip6lanprefix>"},
		},
		Notes: []string{
			"The words in angle brackets stay as they are: the box fills them in. The user name may be anything but empty.",
			"Use the second form, two addresses with a space between them, if your box does not manage both families in one request. The prefix moves the names of hosts behind the box, if such are configured for your token.",
		},
	},
	{
		ID: "openwrt", Name: "OpenWrt",
		Where: "Two files, with the packages ddns-scripts, ca-bundle, and curl or wget-ssl",
		Settings: []Setting{
			{"/usr/share/ddns/custom/dyndns.json", fromFile(routers.OpenWrtProvider)},
			{"/etc/config/ddns", fromFile(routers.OpenWrt)},
			{"Once, so that the name exists", `curl -u dyndns "{url}/nic/update?hostname={name}"`},
			{"Then", "service ddns restart"},
		},
	},
	{
		ID: "unifi", Name: "UniFi",
		Where: "Settings › Internet › your WAN › Dynamic DNS",
		Settings: []Setting{
			{"Service", "custom"},
			{"Hostname", "{name}"},
			{"Username", "dyndns"},
			{"Password", "{token}"},
			{"Server", "{server}{base}/nic/update?hostname=%h&myip=%i"},
		},
		Notes: []string{"The server is written without https:// in front; the gateway uses TLS by itself."},
	},
	{
		ID: "pfsense", Name: "pfSense",
		Where: "Services › Dynamic DNS › Dynamic DNS Clients › Add",
		Settings: []Setting{
			{"Service Type", "Custom"},
			{"Username", "dyndns"},
			{"Password", "{token}"},
			{"Update URL", "{url}/nic/update?hostname={name}&myip=%IP%"},
			{"Result Match", "good %IP%|nochg %IP%"},
		},
		Notes: []string{"For IPv6 add a second client of the type “Custom (v6)” with the same values."},
	},
	{
		ID: "opnsense", Name: "OPNsense",
		Where: "Services › Dynamic DNS › Settings (plugin os-ddclient, backend “native”)",
		Settings: []Setting{
			{"Service", "Custom"},
			{"Protocol", "Custom GET"},
			{"Server", "{url}/update-by-query?fqdn=__HOSTNAME__&ip_1=__MYIP__"},
			{"Username", "dyndns"},
			{"Password", "{token}"},
			{"Hostname(s)", "{name}"},
			{"Check ip method", "Interface [IPv4]"},
			{"Force SSL", "on"},
		},
		Notes: []string{"For IPv6 add a second account with “Interface [IPv6]”. OPNsense reads nothing but the HTTP status: this address says with it what went wrong, that of the dyndns2 protocol would not. Without “Force SSL” the token goes out unencrypted first."},
	},
	{
		ID: "mikrotik", Name: "MikroTik",
		Where: "System › Scripts, a script named dyndns, for RouterOS 7",
		Settings: []Setting{
			{"Source; put your own interface for ether1", fromFile(routers.MikroTik)},
			{"Then, in a terminal", "/system scheduler add name=dyndns interval=5m on-event=dyndns"},
		},
	},
	{
		ID: "synology", Name: "Synology DSM",
		Where: "Control Panel › External Access › DDNS › Customize Provider, then Add",
		Settings: []Setting{
			{"Service Provider", "dyndns"},
			{"Query URL", "{url}/nic/update?hostname=__HOSTNAME__&myip=__MYIP__&system=dyndns&wildcard=NOCHG&mx=NOCHG&backmx=NOCHG"},
			{"Hostname", "{name}"},
			{"Username/Email", "dyndns"},
			{"Password/Key", "{token}"},
		},
		Notes: []string{"The first two belong to the provider, the others to the entry that you add with it."},
	},
	{
		ID: "qnap", Name: "QNAP",
		Where: "Control Panel › Network & Virtual Switch › DDNS › Add, server “Customized”",
		Settings: []Setting{
			{"URL", "{url}/nic/update?user=%USER%&pass=%PASS%&hostname=%HOST%&myip=%IP%"},
			{"Host name", "{name}"},
			{"Username", "dyndns"},
			{"Password", "{token}"},
		},
		Notes: []string{"The words between percent signs stay as they are."},
	},
	{
		ID: "draytek", Name: "DrayTek",
		Where: "Applications › Dynamic DNS Setup, service provider “User-Defined”",
		Settings: []Setting{
			{"Provider Host", "{server}"},
			{"Service API", "{base}/nic/update?hostname={name}&myip=###IP###"},
			{"Auth Type", "basic"},
			{"Connection Type", "Https"},
			{"Login Name", "dyndns"},
			{"Password", "{token}"},
		},
		Notes: []string{"###IP### stays as it is."},
	},
	{
		ID: "speedport", Name: "Speedport", rootOnly: true,
		Where: "Internet › Dynamic DNS, provider “Other”",
		Settings: []Setting{
			{"Domain name", "{name}"},
			{"User name", "dyndns"},
			{"Password", "{token}"},
			{"Update server", "{bare-server}"},
			{"Protocol", "HTTPS"},
			{"Port", "{port}"},
		},
	},
	{
		ID: "ddclient", Name: "ddclient",
		Where: "/etc/ddclient.conf, version 3.10 or later",
		Settings: []Setting{
			{"/etc/ddclient.conf", fromFile(routers.Ddclient)},
		},
	},
	{
		ID: "inadyn", Name: "inadyn",
		Where: "/etc/inadyn.conf, version 2.10 or later",
		Settings: []Setting{
			{"/etc/inadyn.conf", fromFile(routers.Inadyn)},
		},
	},
	{
		ID: "curl", Name: "curl",
		Where: "Any shell",
		Settings: []Setting{
			{"The address that you come from", `curl -u dyndns "{url}/nic/update?hostname={name}"`},
			{"An address of your choice", `curl -u dyndns "{url}/nic/update?hostname={name}&myip=192.0.2.1,2001:db8::1"`},
		},
		Notes: []string{"curl asks for the password: that is your token. So it stands in no shell history."},
	},
	{
		ID: "cron", Name: "cron",
		Where: "Any machine with curl that runs all the time",
		Settings: []Setting{
			{"~/.config/dyndns.curl, readable by you alone (chmod 600)", `user = "dyndns:{token}"
url = "{url}/nic/update?hostname={name}"
fail
silent
show-error
write-out = "\n"
`},
			{"crontab -e", `*/5 * * * * curl -4 -K ~/.config/dyndns.curl | grep -v "^nochg"
*/5 * * * * curl -6 -K ~/.config/dyndns.curl | grep -v "^nochg"
`},
		},
		Notes: []string{"cron mails you when the address changed or something went wrong, and is silent otherwise. Leave out the line of the family that you do not have."},
	},
}
