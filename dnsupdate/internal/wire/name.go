package wire

import "strings"

// Name returns the uncompressed wire form of a canonical name.
func Name(name string) []byte {
	wire := make([]byte, 0, len(name)+1)
	return append(appendLabels(wire, name), 0)
}

// appendLabels appends the labels of a text that is empty or ends with a dot.
func appendLabels(b []byte, labels string) []byte {
	for labels != "" {
		dot := strings.IndexByte(labels, '.')
		b = append(b, byte(dot))
		b = append(b, labels[:dot]...)
		labels = labels[dot+1:]
	}
	return b
}
