// Package espeak turns text into IPA phonemes with espeak-ng.
//
// espeak-ng crashes on some input and has a licence of its own, so it runs in
// a small helper program (directory helper) behind a pipe. A [Client] keeps a
// few helpers, hands each request to an idle one, bounds it in time and size,
// starts a helper anew when it dies, and remembers recent answers.
package espeak
