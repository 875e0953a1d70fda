// Package certificates holds the files of ACME clients, for copying and for the page that
// fills them in. In them the server is https://dyndns.example.com, the client's host
// home.dyn.example.com and its token YOUR-TOKEN.
package certificates

import _ "embed"

// Hook is a script for certbot, dehydrated and uacme.
//
//go:embed dyndns-hook
var Hook string

// Caddyfile is that of a Caddy whose name another Caddy changes.
//
//go:embed home.caddyfile
var Caddyfile string

// Traefik is its static configuration.
//
//go:embed traefik.yml
var Traefik string

// CertManager are an issuer of cert-manager and its secret.
//
//go:embed cert-manager.yml
var CertManager string
