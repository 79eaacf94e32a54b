package llama

import (
	"fmt"
	"os"
)

// checkModelFile refuses files that cannot be models before C sees them.
func checkModelFile(path string, vocabOnly bool) error {
	bad := func(why any) error { return fmt.Errorf("%w: %q: %v", ErrModelFile, path, why) }
	st, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrModelFile, err)
	}
	if !st.Mode().IsRegular() {
		return bad("it is not a file")
	}
	if st.Size() == 0 {
		return bad("it is empty")
	}
	return nil
}
