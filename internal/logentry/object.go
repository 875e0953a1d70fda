package logentry

import "go.uber.org/zap/zapcore"

// Object redacts what is added to an object. What it does not override
// holds no text.
type Object struct {
	zapcore.ObjectEncoder
	Kind Kind
}

// key returns the key under which a value is added: in an object of header
// fields the client has chosen it.
func (o Object) key(key string) string {
	if o.Kind == Headers {
		return o.Kind.Text(key)
	}
	return key
}

// AddString implements zapcore.ObjectEncoder.
func (o Object) AddString(key, value string) {
	o.ObjectEncoder.AddString(o.key(key), o.Kind.value(key, value))
}

// AddByteString implements zapcore.ObjectEncoder.
func (o Object) AddByteString(key string, value []byte) { o.AddString(key, string(value)) }

// AddObject implements zapcore.ObjectEncoder.
func (o Object) AddObject(key string, value zapcore.ObjectMarshaler) error {
	return o.ObjectEncoder.AddObject(o.key(key), objectMarshaler{value, o.Kind.inside(key)})
}

// AddArray implements zapcore.ObjectEncoder.
func (o Object) AddArray(key string, value zapcore.ArrayMarshaler) error {
	return o.ObjectEncoder.AddArray(o.key(key), arrayMarshaler{key, value, o.Kind.inside(key)})
}

// AddReflected implements zapcore.ObjectEncoder.
func (o Object) AddReflected(key string, value any) error {
	redacted, err := o.Kind.inside(key).reflected(key, value)
	if err != nil {
		return err
	}
	return o.ObjectEncoder.AddReflected(o.key(key), redacted)
}

type objectMarshaler struct {
	object zapcore.ObjectMarshaler
	Kind   Kind
}

func (m objectMarshaler) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	return m.object.MarshalLogObject(Object{enc, m.Kind})
}

// arrayMarshaler redacts the elements of the array with that key: a
// header field is one.
type arrayMarshaler struct {
	key   string
	array zapcore.ArrayMarshaler
	Kind  Kind
}

func (m arrayMarshaler) MarshalLogArray(enc zapcore.ArrayEncoder) error {
	return m.array.MarshalLogArray(array{enc, m.key, m.Kind})
}

type array struct {
	zapcore.ArrayEncoder
	key  string
	Kind Kind
}

func (a array) AppendString(value string) {
	a.ArrayEncoder.AppendString(a.Kind.value(a.key, value))
}

func (a array) AppendByteString(value []byte) { a.AppendString(string(value)) }

func (a array) AppendObject(value zapcore.ObjectMarshaler) error {
	return a.ArrayEncoder.AppendObject(objectMarshaler{value, a.Kind})
}

func (a array) AppendArray(value zapcore.ArrayMarshaler) error {
	return a.ArrayEncoder.AppendArray(arrayMarshaler{a.key, value, a.Kind})
}

func (a array) AppendReflected(value any) error {
	redacted, err := a.Kind.reflected(a.key, value)
	if err != nil {
		return err
	}
	return a.ArrayEncoder.AppendReflected(redacted)
}
