package dialogue

import (
	"fmt"
	"strings"
)

// FieldError says which field of a request is wrong and what would be right.
type FieldError struct{ Field, Msg string }

func (e *FieldError) Error() string { return e.Field + ": " + e.Msg }

// UnknownModelError is returned for a model that is not resident.
type UnknownModelError struct {
	Name string
	Have []string
}

func (e *UnknownModelError) Error() string {
	return fmt.Sprintf("model %q does not exist; there are: %s", e.Name, strings.Join(e.Have, ", "))
}

// UnknownSessionError is returned for a conversation that is not kept.
type UnknownSessionError struct{ ID string }

func (e *UnknownSessionError) Error() string {
	return fmt.Sprintf("session %q does not exist or has expired", e.ID)
}
