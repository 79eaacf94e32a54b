//go:build invariants

package invariants

// Enabled is true: structures check themselves after every change.
const Enabled = true
