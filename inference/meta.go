package inference

// Meta returns the metadata of the model's file; nil for a model that is not
// loaded from one. The map must not be changed.
func (e *Engine) Meta() map[string]string {
	if m, ok := e.model.(interface{ Meta() map[string]string }); ok {
		return m.Meta()
	}
	return nil
}
