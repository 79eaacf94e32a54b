// Package web is what all dialects share: errors and their mapping to HTTP,
// decoding of bodies, streamed answers, and noticing that a client has left.
package web
