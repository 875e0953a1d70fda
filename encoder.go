package dyndns

import (
	"encoding/json"
	"fmt"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/logging"
	"go.uber.org/zap/buffer"
	"go.uber.org/zap/zapcore"
)

func init() {
	caddy.RegisterModule(new(LogEncoder))
}

// LogEncoder is a log encoder that removes secrets from URIs before another
// encoder writes the entry: from the request's URI and its `Referer`, from the
// `Location` of a redirect, and from any other text that holds such a URI, at
// any depth. It is for what the handler cannot reach: the automatic redirect
// from HTTP to HTTPS, requests for another site, and other modules' messages.
//
// It recognizes a secret by where it stands, as a segment of the path or by the
// name of its parameter, not by its value.
type LogEncoder struct {
	// The encoder that writes the entry. Default: `json`, or `console` if the
	// log goes to a terminal.
	WrappedRaw json.RawMessage `json:"wrap,omitempty" caddy:"namespace=caddy.logging.encoders inline_key=format"`

	// The redacting methods of zapcore.ObjectEncoder.
	redactingObject `json:"-"`

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
	e.wrapped, e.redactingObject = encoder, redactingObject{encoder}
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
func (e *LogEncoder) EncodeEntry(entry zapcore.Entry, fields []zapcore.Field) (*buffer.Buffer, error) {
	clone := e.wrapped.Clone()
	for _, field := range fields {
		field.AddTo(redactingObject{clone})
	}
	// The console encoder writes the message as it is.
	entry.Message = escapeControls(redactText(entry.Message))
	return clone.EncodeEntry(entry, nil)
}

// redactingObject redacts what is added to an object. What it does not override
// holds no text.
type redactingObject struct{ zapcore.ObjectEncoder }

// AddString implements zapcore.ObjectEncoder.
func (o redactingObject) AddString(key, value string) {
	o.ObjectEncoder.AddString(key, redactValue(key, value))
}

// AddByteString implements zapcore.ObjectEncoder.
func (o redactingObject) AddByteString(key string, value []byte) {
	o.ObjectEncoder.AddString(key, redactValue(key, string(value)))
}

// AddObject implements zapcore.ObjectEncoder.
func (o redactingObject) AddObject(key string, value zapcore.ObjectMarshaler) error {
	return o.ObjectEncoder.AddObject(key, zapcore.ObjectMarshalerFunc(func(enc zapcore.ObjectEncoder) error {
		return value.MarshalLogObject(redactingObject{enc})
	}))
}

// AddArray implements zapcore.ObjectEncoder.
func (o redactingObject) AddArray(key string, value zapcore.ArrayMarshaler) error {
	return o.ObjectEncoder.AddArray(key, redactingArrayMarshaler{key, value})
}

// AddReflected implements zapcore.ObjectEncoder.
func (o redactingObject) AddReflected(key string, value any) error {
	redacted, err := redactReflected(key, value)
	if err != nil {
		return err
	}
	return o.ObjectEncoder.AddReflected(key, redacted)
}

// redactingArrayMarshaler redacts the elements of the array with that key: a
// header is one.
type redactingArrayMarshaler struct {
	key   string
	array zapcore.ArrayMarshaler
}

func (m redactingArrayMarshaler) MarshalLogArray(enc zapcore.ArrayEncoder) error {
	return m.array.MarshalLogArray(redactingArray{enc, m.key})
}

type redactingArray struct {
	zapcore.ArrayEncoder
	key string
}

func (a redactingArray) AppendString(value string) {
	a.ArrayEncoder.AppendString(redactValue(a.key, value))
}

func (a redactingArray) AppendByteString(value []byte) {
	a.ArrayEncoder.AppendString(redactValue(a.key, string(value)))
}

func (a redactingArray) AppendObject(value zapcore.ObjectMarshaler) error {
	return a.ArrayEncoder.AppendObject(zapcore.ObjectMarshalerFunc(func(enc zapcore.ObjectEncoder) error {
		return value.MarshalLogObject(redactingObject{enc})
	}))
}

func (a redactingArray) AppendArray(value zapcore.ArrayMarshaler) error {
	return a.ArrayEncoder.AppendArray(redactingArrayMarshaler{a.key, value})
}

func (a redactingArray) AppendReflected(value any) error {
	redacted, err := redactReflected(a.key, value)
	if err != nil {
		return err
	}
	return a.ArrayEncoder.AppendReflected(redacted)
}

// Interface guards
var (
	_ caddy.Provisioner                = (*LogEncoder)(nil)
	_ caddy.ConfiguresFormatterDefault = (*LogEncoder)(nil)
	_ caddyfile.Unmarshaler            = (*LogEncoder)(nil)
	_ zapcore.Encoder                  = (*LogEncoder)(nil)
)
