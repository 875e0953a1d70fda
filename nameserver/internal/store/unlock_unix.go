//go:build unix && !aix && !solaris

package store

import (
	"os"

	"golang.org/x/sys/unix"
)

// unlock takes bbolt's lock from a file. Closing it is not enough while a panic has left
// it mapped.
func unlock(file *os.File) error { return unix.Flock(int(file.Fd()), unix.LOCK_UN) }
