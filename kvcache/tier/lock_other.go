//go:build !unix

package tier

import (
	"io"
	"os"
)

// lockFile makes the file; nothing holds a second process off here.
func lockFile(name string) (io.Closer, error) {
	return os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
}
