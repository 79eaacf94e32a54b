// Package e2e runs the built server with the default model and voice against
// clients that nobody here wrote: the OpenAI libraries for Go, Python and
// JavaScript, Ollama's for Python, WebSocket libraries, nginx, and the decoders
// that people play audio with. It is a module of its own, so that none of them
// becomes a dependency of the server. Run it with "make e2e".
package e2e
