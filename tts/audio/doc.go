// Package audio turns samples into bytes: encoders that stream, resampling,
// and the handling of silence.
//
// Everything works on one channel. An [Encoder] is fed samples as they are made
// and appends bytes to a slice; what it has appended is final, so it can be sent
// at once. mp3 and opus come from C libraries; without cgo they are refused
// with a clear error. The package knows nothing of text or voices.
package audio
