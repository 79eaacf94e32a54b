// Package voice loads voices and makes samples with them.
//
// The family of a voice is told by the inputs, outputs and metadata of its
// graph, never by its file name. Whatever the family, a [Voice] takes a short
// run of phonemes (or characters) and hands out samples in the order they are
// made. The random numbers a family needs come from here, seeded, so that the
// same utterance always gives the same samples. The package knows nothing of
// text processing, formats or queues.
package voice
