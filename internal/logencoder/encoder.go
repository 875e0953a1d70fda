// Package logencoder is a log encoder for all of Caddy that shows what is known to be harmless.
package logencoder

import (
	"encoding/json"
	"fmt"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/logging"
	"go.uber.org/zap/buffer"
	"go.uber.org/zap/zapcore"

	"github.com/caddy-dyndns/dyndns/internal/logentry"
	"github.com/caddy-dyndns/dyndns/internal/redact"
)

// ownLogger is the name of the handler's logger.
const ownLogger = "http.handlers.dyndns"

func init() {
	caddy.RegisterModule(new(LogEncoder))
}

// LogEncoder is a log encoder that shows what is known to be harmless and hides
// the rest before another encoder writes the entry. It is for what the handler
// cannot reach: the automatic redirect from HTTP to HTTPS, requests for another
// site or a mistyped path, and other modules' messages.
//
// Of a URI it shows the arguments that a router sends, their values where these
// have the form of a name, an address, a number or a flag, and path segments with a
// dot or of fewer than 8 characters. Of headers it shows those that say nothing of
// who sends them. In the text of Caddy's HTTP app it hides paths and arguments
// likewise, and whatever may be a key; in that of other apps only arguments and
// keys in paths.
type LogEncoder struct {
	// The encoder that writes the entry. Default: `json`, or `console` if the
	// log goes to a terminal.
	WrappedRaw json.RawMessage `json:"wrap,omitempty" caddy:"namespace=caddy.logging.encoders inline_key=format"`

	// The redacting methods of zapcore.ObjectEncoder.
	logentry.Object `json:"-"`

	wrapped zapcore.Encoder
}

// CaddyModule returns the Caddy module information.
func (*LogEncoder) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "caddy.logging.encoders.dyndns",
		New: func() caddy.Module { return new(LogEncoder) },
	}
}

// Provision loads the wrapped encoder.
func (e *LogEncoder) Provision(ctx caddy.Context) error {
	if e.WrappedRaw == nil {
		// Without filters it does nothing but choose between json and console.
		encoder := new(logging.FilterEncoder)
		if err := encoder.Provision(ctx); err != nil {
			return fmt.Errorf("provisioning default encoder: %w", err)
		}
		e.wrap(encoder)
		return nil
	}
	loaded, err := ctx.LoadModule(e, "WrappedRaw")
	if err != nil {
		return fmt.Errorf("loading wrapped encoder: %w", err)
	}
	encoder, ok := loaded.(zapcore.Encoder)
	if !ok {
		return fmt.Errorf("%T is not a log encoder", loaded)
	}
	e.wrap(encoder)
	return nil
}

func (e *LogEncoder) wrap(encoder zapcore.Encoder) {
	e.wrapped, e.Object = encoder, logentry.Object{ObjectEncoder: encoder, Kind: logentry.Request}
}

// ConfigureDefaultFormat implements caddy.ConfiguresFormatterDefault.
func (e *LogEncoder) ConfigureDefaultFormat(writer caddy.WriterOpener) error {
	if nested, ok := e.wrapped.(caddy.ConfiguresFormatterDefault); ok {
		return nested.ConfigureDefaultFormat(writer)
	}
	return nil
}

// UnmarshalCaddyfile sets up the encoder from Caddyfile tokens. Syntax:
//
//	format dyndns [<encoder> [{
//		<options of that encoder>
//	}]]
//
// where the encoder is most often `json` or `console`.
func (e *LogEncoder) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if !d.NextArg() {
		if d.NextBlock(0) {
			return d.Err("dyndns: options belong to an encoder, such as dyndns json { ... }")
		}
		return nil
	}
	name := d.Val()
	module, err := caddyfile.UnmarshalModule(d, "caddy.logging.encoders."+name)
	if err != nil {
		return err
	}
	encoder, ok := module.(zapcore.Encoder)
	if !ok {
		return d.Errf("%s is not a log encoder", name)
	}
	e.WrappedRaw = caddyconfig.JSONModuleObject(encoder, "format", name, nil)
	return nil
}

// Clone implements zapcore.Encoder.
func (e *LogEncoder) Clone() zapcore.Encoder {
	clone := new(LogEncoder)
	clone.wrap(e.wrapped.Clone())
	return clone
}

// EncodeEntry implements zapcore.Encoder.
func (e *LogEncoder) EncodeEntry(logged zapcore.Entry, fields []zapcore.Field) (*buffer.Buffer, error) {
	clone := e.wrapped.Clone()
	how := logentry.KindOf(logged.LoggerName, ownLogger)
	for _, field := range fields {
		field.AddTo(logentry.Object{ObjectEncoder: clone, Kind: how})
	}
	// The console encoder writes the message as it is.
	logged.Message = redact.EscapeControls(how.Text(logged.Message))
	return clone.EncodeEntry(logged, nil)
}

// Interface guards
var (
	_ caddy.Provisioner                = (*LogEncoder)(nil)
	_ caddy.ConfiguresFormatterDefault = (*LogEncoder)(nil)
	_ caddyfile.Unmarshaler            = (*LogEncoder)(nil)
	_ zapcore.Encoder                  = (*LogEncoder)(nil)
)
