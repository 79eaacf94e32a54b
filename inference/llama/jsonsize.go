package llama

import (
	"encoding/json"
	"errors"
)

// measureJSON counts the values of a JSON text and how deep they nest. The depth
// is looked at first, so that a hostile text costs one pass and no recursion;
// past limit the text is not checked further.
func measureJSON(s string, limit int) (values, depth int, err error) {
	open, inString := 0, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case inString:
			if c == '\\' {
				i++
			} else if c == '"' {
				inString = false
			}
		case c == '"':
			inString = true
		case c == '{' || c == '[':
			open++
			values++
			depth = max(depth, open)
		case c == '}' || c == ']':
			open--
		case c == ',' || c == ':':
			values++
		}
	}
	if depth > limit {
		return values, depth, nil
	}
	if !json.Valid([]byte(s)) {
		return values, depth, errors.New("it is not JSON")
	}
	return values, depth, nil
}
