// Package routers holds the files of routers and programs that update a name, for copying
// and for the page that fills them in. In them the server is https://dyndns.example.com,
// the client's host home.dyn.example.com and its token YOUR-TOKEN.
package routers

import _ "embed"

// OpenWrtProvider says how ddns-scripts of OpenWrt ask, and what a success is.
//
//go:embed openwrt.json
var OpenWrtProvider string

// OpenWrt are the services of ddns-scripts, one for each family.
//
//go:embed openwrt.ddns
var OpenWrt string

// MikroTik is a script for RouterOS 7.
//
//go:embed mikrotik.rsc
var MikroTik string

// Ddclient is the configuration of ddclient.
//
//go:embed ddclient.conf
var Ddclient string

// Inadyn is the configuration of inadyn.
//
//go:embed inadyn.conf
var Inadyn string
