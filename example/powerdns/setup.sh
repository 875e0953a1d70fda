#!/bin/sh
# Makes the database, the zone dyn.example.com and the TSIG key that may change
# it, and prints the key. Run once, as the user that PowerDNS runs as:
#
#   runuser -u pdns -- sh setup.sh
set -eu
cd "$(dirname "$0")"

database=/var/lib/powerdns/pdns.sqlite3
pdnsutil="pdnsutil --config-dir=/etc/powerdns"

if [ ! -e "$database" ]; then
	sqlite3 "$database" < /usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql
fi
$pdnsutil load-zone dyn.example.com dyn.example.com.zone
$pdnsutil set-kind dyn.example.com primary
$pdnsutil generate-tsig-key dyn.example.com hmac-sha512
# Without this line everybody whom allow-dnsupdate-from lets in may change the
# zone, with or without a key.
$pdnsutil set-meta dyn.example.com TSIG-ALLOW-DNSUPDATE dyn.example.com
$pdnsutil set-meta dyn.example.com SOA-EDIT-DNSUPDATE INCREASE
$pdnsutil set-meta dyn.example.com NOTIFY-DNSUPDATE 1
