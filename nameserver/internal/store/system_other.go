//go:build !unix || aix || solaris

package store

import "os"

// unlock leaves the file locked until the process ends.
func unlock(*os.File) error { return nil }

// syncDirectory does nothing: the system writes names with their files.
func syncDirectory(string) error { return nil }
