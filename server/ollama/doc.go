// Package ollama speaks the Ollama API, so that its clients can move without a
// change: chats and completions as newline-delimited JSON, and the lists that
// clients look at first. Models stay resident, whatever keep_alive says.
package ollama
