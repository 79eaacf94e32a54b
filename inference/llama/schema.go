package llama

import (
	"encoding/json"
	"fmt"
	"strings"
)

// checkSchema refuses schemas that are too large, too deep or too costly for the
// library. It translates by recursion, names every rule after the whole path to
// it, and takes time cubed in the optional properties of an object.
func checkSchema(s string, b Budget) error {
	w := schemaWalk{budget: b}
	return w.check(s)
}

// schemaWalk adds up what the translation of the schemas of one request costs.
type schemaWalk struct {
	budget Budget
	cubes  float64 // over the objects: their optional properties, cubed
	names  int     // bytes of all rule names
}

func (w *schemaWalk) check(s string) error {
	b := &w.budget
	refuse := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s", ErrSchema, fmt.Sprintf(format, args...))
	}
	if len(s) > b.SchemaBytes {
		return refuse("%d bytes, at most %d are taken", len(s), b.SchemaBytes)
	}
	n, depth, err := measureJSON(s, b.SchemaDepth)
	switch {
	case err != nil:
		return refuse("%v", err)
	case depth > b.SchemaDepth:
		return refuse("nested deeper than %d", b.SchemaDepth)
	case n > b.SchemaNodes:
		return refuse("%d values, at most %d are taken", n, b.SchemaNodes)
	}
	var v any
	if err := json.Unmarshal([]byte(s), &v); err != nil {
		return refuse("%v", err)
	}
	if err := w.value(v, 0, false); err != nil {
		return fmt.Errorf("%w: %w", ErrSchema, err)
	}
	return nil
}

// otherName stands for what the library adds to a rule's name where no property
// gives it one, "-alternative-12" for instance.
const otherName = 16

// value walks one value. path is the length of the rule's name so far; named
// says that the keys of an object are property names.
func (w *schemaWalk) value(v any, path int, named bool) error {
	if w.names += path; w.names > w.budget.GrammarBytes {
		return fmt.Errorf("the names of its properties, from the root to each, take more than %d bytes", w.budget.GrammarBytes)
	}
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			if err := w.value(x, path+otherName, false); err != nil {
				return err
			}
		}
	case map[string]any:
		if !named {
			if err := w.object(v); err != nil {
				return err
			}
		}
		for k, x := range v {
			longer := otherName
			if named {
				if len(k) > w.budget.SchemaName {
					return fmt.Errorf("a property's name has %d bytes, at most %d are taken", len(k), w.budget.SchemaName)
				}
				longer = len(k) + 1
			}
			if err := w.value(x, path+longer, !named && (k == "properties" || k == "$defs" || k == "definitions")); err != nil {
				return err
			}
		}
	}
	return nil
}

// object looks at one schema's own words.
func (w *schemaWalk) object(v map[string]any) error {
	if p, ok := v["pattern"].(string); ok {
		if len(p) > w.budget.SchemaPattern {
			return fmt.Errorf("a pattern has %d bytes, at most %d are taken", len(p), w.budget.SchemaPattern)
		}
		if n := strings.Count(p, "("); n > w.budget.SchemaDepth {
			return fmt.Errorf("a pattern has %d groups, at most %d are taken", n, w.budget.SchemaDepth)
		}
	}
	properties, _ := v["properties"].(map[string]any)
	optional := len(properties)
	if required, ok := v["required"].([]any); ok {
		for _, r := range required {
			if name, ok := r.(string); ok && properties[name] != nil {
				optional--
			}
		}
	}
	n := float64(max(optional, 0))
	limit := float64(w.budget.Optional)
	if w.cubes += n * n * n; w.cubes > limit*limit*limit {
		return fmt.Errorf("too many optional properties: an object may have %d of them, several objects fewer each; name them in \"required\"", w.budget.Optional)
	}
	return nil
}
