//go:build unix && !aix && !solaris

package store

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// unlock takes bbolt's lock from a file. Closing it is not enough while a panic has left
// it mapped.
func unlock(file *os.File) error { return unix.Flock(int(file.Fd()), unix.LOCK_UN) }

// syncDirectory has the name of a new file on disk: without it the file is lost with
// all that was synced into it.
func syncDirectory(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
