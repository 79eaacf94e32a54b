// Package dialogue runs one turn of a conversation: messages become a prompt by
// the model's template, the prompt becomes tokens, tokens come back as text or
// tool calls, and the conversation is kept.
//
// It knows nothing of HTTP: dialects translate their wire types to a Turn and
// the errors here to theirs.
package dialogue
