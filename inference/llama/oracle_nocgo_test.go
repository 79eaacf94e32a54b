//go:build !cgo

package llama

import "testing"

func referenceSampler(tb testing.TB, _ *Model, _ SamplingParams) *Sampler {
	tb.Helper()
	tb.Skip(ErrNotBuilt)
	return nil
}

func withTemplate(tb testing.TB, m *Model, _ string) *Model {
	tb.Helper()
	tb.Skip(ErrNotBuilt)
	return m
}

func trySetTemplate(*Model, string) error { return ErrNotBuilt }

func seal(*Context, []byte, Pos, Pos) {}
