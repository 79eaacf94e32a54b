// Package voicetest gives tests of speech what they need: the places of the
// real parts, and small graphs with the signatures of real voices.
package voicetest
