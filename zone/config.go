package zone

// Opener is what a guest module of http.handlers.dyndns.zones implements, beside
// decoding its own configuration.
type Opener interface {
	// OpenZone returns the zone. It touches no network. What the zone holds ends with
	// the module's Cleanup.
	OpenZone(Config) (Zone, error)
}

// Config is what a handler says of a zone, whatever its backend.
type Config struct {
	// Name is the zone's canonical name.
	Name string
	// Nameservers are the addresses of its primary as host:port, those of the handler
	// if the zone has none of its own.
	Nameservers []string
	// TTL is that of a record in seconds where a request gives none. A change has its own.
	TTL uint32
}
