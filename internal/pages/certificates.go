package pages

import (
	"strings"

	"github.com/caddy-dyndns/dyndns/example/certificates"
)

// Account is one of acme-dns, as its clients keep it.
type Account struct {
	FullDomain string   `json:"fulldomain"`
	Subdomain  string   `json:"subdomain"`
	Username   string   `json:"username"`
	Password   string   `json:"password"`
	ServerURL  string   `json:"server_url,omitempty"`
	AllowFrom  []string `json:"allowfrom"`
}

// Accounts returns the file of acme-dns' clients for one host: nobody has to register, and
// the values stand where authorities look, without a CNAME.
func Accounts(fqdn, token, url string) map[string]Account {
	host := strings.TrimPrefix(bare(fqdn), "*.")
	return map[string]Account{host: {
		FullDomain: "_acme-challenge." + host, Subdomain: host, Username: "dyndns", Password: token, ServerURL: url, AllowFrom: []string{},
	}}
}

// acmeClients get certificates for a name and its wildcard. They are filled in like devices.
var acmeClients = []Device{
	{
		ID: "caddy", Name: "Caddy",
		Where: "A Caddy with this module (xcaddy build --with github.com/caddy-dyndns/dyndns)",
		Settings: []Setting{
			{"Caddyfile", fromFile(certificates.Caddyfile)},
			{"/etc/caddy/dyndns.env, read by the service (EnvironmentFile=)", "DYNDNS_TOKEN={token}"},
		},
		Notes: []string{"In the Caddy that runs this service, “dns dyndns” alone will do. caddy-dynamicdns and Encrypted ClientHello (the global option ech) take the same provider."},
	},
	{
		ID: "lego", Name: "lego",
		Where: "Any shell; certimate has the same under “ACME HTTP Request”",
		Settings: []Setting{
			{"Command", `HTTPREQ_ENDPOINT={url} HTTPREQ_USERNAME=dyndns HTTPREQ_PASSWORD={token} \
  lego --email you@example.com --dns httpreq -d {name} -d '*.{name}' run
`},
		},
	},
	{
		ID: "certbot", Name: "certbot, dehydrated, uacme",
		Where: "One hook for all three, with curl",
		Settings: []Setting{
			{"/usr/local/bin/dyndns-hook (chmod 755)", certificates.Hook},
			{"/etc/dyndns-hook.conf, readable by root alone (chmod 600)", `DYNDNS_URL={url}
DYNDNS_TOKEN={token}
`},
			{"certbot", `certbot certonly --manual --preferred-challenges dns \
  --manual-auth-hook 'dyndns-hook present' --manual-cleanup-hook 'dyndns-hook cleanup' \
  -d {name} -d '*.{name}'
`},
			{"dehydrated", `dehydrated --cron --challenge dns-01 --hook /usr/local/bin/dyndns-hook --domain '{name} *.{name}'`},
			{"uacme", `uacme --hook /usr/local/bin/dyndns-hook issue {name} '*.{name}'`},
		},
	},
	{
		ID: "acmesh", Name: "acme.sh, OPNsense, pfSense, Proxmox",
		Where: "DNS API “acmeproxy”: OPNsense and pfSense have fields for it, Proxmox takes the lines as data",
		Settings: []Setting{
			{"Environment", `ACMEPROXY_ENDPOINT={url}
ACMEPROXY_USERNAME=dyndns
ACMEPROXY_PASSWORD={token}
`},
			{"acme.sh", "acme.sh --issue --dns dns_acmeproxy --dnssleep 1 -d {name} -d '*.{name}'"},
		},
	},
	{
		ID: "traefik", Name: "Traefik",
		Where: "Static configuration and environment",
		Settings: []Setting{
			{"traefik.yml", fromFile(certificates.Traefik)},
			{"Environment", `HTTPREQ_ENDPOINT={url}
HTTPREQ_USERNAME=dyndns
HTTPREQ_PASSWORD={token}
`},
		},
	},
	{
		ID: "cert-manager", Name: "cert-manager",
		Where: "An issuer with the solver acmeDNS",
		Settings: []Setting{
			{"Secret and issuer", fromFile(certificates.CertManager)},
		},
	},
	{
		ID: "npm", Name: "Nginx Proxy Manager",
		Where: "SSL Certificates › Add › DNS challenge, provider “ACME-DNS”",
		Settings: []Setting{
			{"Credentials File Content", `dns_acmedns_api_url = {url}
dns_acmedns_registration_file = /data/acme-dns.json
`},
			{"/data/acme-dns.json", "{account}"},
		},
	},
}
