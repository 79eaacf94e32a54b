package web

import (
	"bytes"
	stdjson "encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// Mismatch is what a type's own UnmarshalJSON returns for a value that it
// cannot take.
type Mismatch struct {
	At   string // where inside the value, "[1].type"; empty = the value itself
	Want string // what would be right, "a string or a list of strings"
}

func (m *Mismatch) Error() string { return "want " + m.Want }

var unmarshaler = reflect.TypeFor[stdjson.Unmarshaler]()

// locate finds the first value of a valid document that does not fit t, and
// names it by its path; nil when all fit.
func locate(raw []byte, t reflect.Type, path string) *Error {
	raw = bytes.TrimSpace(raw)
	if t.Kind() == reflect.Pointer {
		if string(raw) == "null" {
			return nil
		}
		return locate(raw, t.Elem(), path)
	}
	if reflect.PointerTo(t).Implements(unmarshaler) {
		err := reflect.New(t).Interface().(stdjson.Unmarshaler).UnmarshalJSON(raw)
		var m *Mismatch
		switch {
		case err == nil:
			return nil
		case errors.As(err, &m):
			return Bad(path+m.At, "%s: %s", path+m.At, m)
		}
		return Bad(path, "%s: %s", path, err)
	}
	if string(raw) == "null" {
		return nil
	}
	switch t.Kind() {
	case reflect.Struct:
		return locateMembers(raw, path, func(name string) reflect.Type { return field(t, name) })
	case reflect.Map:
		return locateMembers(raw, path, func(string) reflect.Type { return t.Elem() })
	case reflect.Slice:
		var items []stdjson.RawMessage
		if stdjson.Unmarshal(raw, &items) != nil {
			return mismatch(raw, path, "an array")
		}
		for i, item := range items {
			if err := locate(item, t.Elem(), fmt.Sprintf("%s[%d]", path, i)); err != nil {
				return err
			}
		}
		return nil
	}
	if stdjson.Unmarshal(raw, reflect.New(t).Interface()) != nil {
		return mismatch(raw, path, kindName(t))
	}
	return nil
}

// locateMembers walks an object in its own order.
func locateMembers(raw []byte, path string, typeOf func(name string) reflect.Type) *Error {
	if raw[0] != '{' {
		return mismatch(raw, path, "an object")
	}
	d := stdjson.NewDecoder(bytes.NewReader(raw))
	if _, err := d.Token(); err != nil {
		return nil // cannot happen in a scanned document
	}
	for d.More() {
		token, err := d.Token()
		name, ok := token.(string)
		var value stdjson.RawMessage
		if err != nil || !ok || d.Decode(&value) != nil {
			return nil // as above
		}
		t := typeOf(name)
		if t == nil {
			continue
		}
		at := name
		if path != "" {
			at = path + "." + name
		}
		if err := locate(value, t, at); err != nil {
			return err
		}
	}
	return nil
}

// field returns the type of a struct's member on the wire, nil for none.
func field(t reflect.Type, name string) reflect.Type {
	for _, f := range reflect.VisibleFields(t) {
		tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if tag != "" && strings.EqualFold(tag, name) {
			return f.Type
		}
	}
	return nil
}

func mismatch(raw []byte, path, want string) *Error {
	return Bad(path, "%s: %s is not accepted here, want %s", path, article(kindOf(raw)), want)
}

// kindOf names a JSON value's kind by its first byte.
func kindOf(raw []byte) string {
	switch raw[0] {
	case '{':
		return "object"
	case '[':
		return "array"
	case '"':
		return "string"
	case 't', 'f':
		return "boolean"
	case 'n':
		return "null"
	}
	return "number " + string(raw[:min(len(raw), 32)])
}

func article(noun string) string {
	switch noun[0] {
	case 'o', 'a':
		return "an " + noun
	}
	if strings.HasPrefix(noun, "number ") || noun == "null" {
		return "the " + noun
	}
	return "a " + noun
}

// kindName says a Go type in JSON's words.
func kindName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number, at least 0"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "a whole number"
	case reflect.Float32, reflect.Float64:
		return "a number"
	}
	return "another type"
}
