//go:build !unix

package cmd

import "os"

// lockFile takes any file: there is no advisory lock here.
func lockFile(*os.File) error { return nil }
