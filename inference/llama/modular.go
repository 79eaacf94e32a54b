//go:build modular

package llama

// Modular says that backends are modules which UseModules loads.
const Modular = true
