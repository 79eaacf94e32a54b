//go:build !modular

package llama

// Modular says that backends are modules which UseModules loads; here the
// processor's is linked in and there is no other.
const Modular = false
