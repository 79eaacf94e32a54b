package web

import "fmt"

// maxDepth is how deep a body may nest. Schemas of tools go to a few dozen.
const maxDepth = 256

// scan checks that b is exactly one JSON value, nested at most maxDepth deep.
// It keeps no state on the call stack, so that no nesting can overflow it, and
// reads every byte once: the decoder behind it is fast because it trusts its
// input.
func scan(b []byte) error {
	var closers [maxDepth]byte // of the open objects and arrays
	depth := 0
	i := skipSpace(b, 0)
	for {
		// A value starts here.
		if i >= len(b) {
			return errEnd
		}
		switch c := b[i]; c {
		case '{', '[':
			if depth == maxDepth {
				return fmt.Errorf("it nests deeper than %d levels", maxDepth)
			}
			closers[depth] = c + 2 // '{' + 2 = '}', '[' + 2 = ']'
			depth++
			i = skipSpace(b, i+1)
			if i < len(b) && b[i] == c+2 {
				break // empty: closed below
			}
			if c == '{' {
				var err error
				if i, err = scanKey(b, i); err != nil {
					return err
				}
			}
			continue
		default:
			var err error
			if i, err = scanScalar(b, i); err != nil {
				return err
			}
		}
		// A value has ended here, or an empty container is about to.
		for {
			i = skipSpace(b, i)
			if depth == 0 {
				if i < len(b) {
					return fmt.Errorf("something follows the value at offset %d", i)
				}
				return nil
			}
			if i >= len(b) {
				return errEnd
			}
			closer := closers[depth-1]
			if b[i] == closer {
				depth--
				i++
				continue
			}
			if b[i] != ',' {
				return unexpected(b, i, "a comma or a closing bracket")
			}
			i = skipSpace(b, i+1)
			if closer == '}' {
				var err error
				if i, err = scanKey(b, i); err != nil {
					return err
				}
			}
			break
		}
	}
}

var errEnd = fmt.Errorf("it ends too early")

func unexpected(b []byte, i int, want string) error {
	if i >= len(b) {
		return errEnd
	}
	return fmt.Errorf("%q at offset %d where %s is due", rune(b[i]), i, want)
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// scanKey passes over a member's name and colon, up to its value.
func scanKey(b []byte, i int) (int, error) {
	if i >= len(b) || b[i] != '"' {
		return i, unexpected(b, i, "a member's name")
	}
	i, err := scanString(b, i+1)
	if err != nil {
		return i, err
	}
	if i = skipSpace(b, i); i >= len(b) || b[i] != ':' {
		return i, unexpected(b, i, "a colon")
	}
	return skipSpace(b, i+1), nil
}

// scanScalar passes over a string, number or word.
func scanScalar(b []byte, i int) (int, error) {
	word := ""
	switch c := b[i]; {
	case c == '"':
		return scanString(b, i+1)
	case c == '-' || c >= '0' && c <= '9':
		return scanNumber(b, i)
	case c == 't':
		word = "true"
	case c == 'f':
		word = "false"
	case c == 'n':
		word = "null"
	default:
		return i, unexpected(b, i, "a value")
	}
	for k := range len(word) {
		if i+k >= len(b) || b[i+k] != word[k] {
			return i, unexpected(b, i+k, word)
		}
	}
	return i + len(word), nil
}

// scanString passes over the rest of a string, its closing quote included.
func scanString(b []byte, i int) (int, error) {
	for i < len(b) {
		switch c := b[i]; {
		case c == '"':
			return i + 1, nil
		case c < ' ':
			return i, fmt.Errorf("a control character inside a string at offset %d", i)
		case c != '\\':
			i++
			continue
		}
		if i++; i >= len(b) {
			return i, errEnd
		}
		switch b[i] {
		case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			i++
		case 'u':
			for k := 1; k <= 4; k++ {
				if i+k >= len(b) || !isHex(b[i+k]) {
					return i, unexpected(b, i+k, "a hexadecimal digit")
				}
			}
			i += 5
		default:
			return i, unexpected(b, i, "an escape")
		}
	}
	return i, errEnd
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f'
}

// scanNumber passes over a number as JSON writes it.
func scanNumber(b []byte, i int) (int, error) {
	digits := func() error {
		from := i
		for i < len(b) && b[i] >= '0' && b[i] <= '9' {
			i++
		}
		if i == from {
			return unexpected(b, i, "a digit")
		}
		return nil
	}
	if b[i] == '-' {
		i++
	}
	if i < len(b) && b[i] == '0' {
		i++
	} else if err := digits(); err != nil {
		return i, err
	}
	if i < len(b) && b[i] == '.' {
		i++
		if err := digits(); err != nil {
			return i, err
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		if err := digits(); err != nil {
			return i, err
		}
	}
	return i, nil
}
