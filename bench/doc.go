// Package bench is the project's measuring instrument: it drives servers that
// speak the OpenAI API (and this project's own /tts and /ws) with seeded,
// exact-length work and says what a client saw.
//
// A workload is a round that can be repeated; with a peer every round runs
// against both servers in turn (A B A B …), so that whatever else happens on
// the machine hits both. Where the bench starts the servers itself it does so
// several times and reports medians over the starts, because two processes of
// one binary differ for as long as they live.
//
// Times are taken where bytes leave and enter the client's socket: the clock
// is read right after the read that brought an event's last byte. The
// goroutine that waits for an answer is the one that reads the socket; there
// is no hand-over in between. Every report states the client's own cost,
// measured against a listener that answers at once.
//
// Nothing here knows a server's inside; nothing here imports another room.
package bench
