// Package text prepares written text for speaking.
//
// A [Splitter] takes text in pieces of any size, even inside a word, and gives
// clauses and sentences as soon as they are surely complete. A [Normaliser]
// writes a clause out the way it is said: numbers, dates, money, units,
// abbreviations, addresses. [Segments] cuts the result at its punctuation. The
// package is pure Go and knows nothing of phonemes or voices.
package text
