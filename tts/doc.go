// Package tts turns text into speech.
//
// A [Service] keeps voices resident. Text is normalised and split into clauses,
// clauses become phonemes, phonemes become samples one clause at a time, and
// an encoder turns samples into bytes while the next clause is being inferred.
// Finished speech is kept in a bounded cache; requests share the voices through
// a fair queue whose unit is one clause, so a short text never waits for a
// long one beside it. The package knows nothing of HTTP or language models.
package tts
