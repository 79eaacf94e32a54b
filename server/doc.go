// Package server is the HTTP side: one listener, middleware around every
// handler, routing to the dialects, health and drain.
//
// It opens before the models are loaded and answers 503 until SetReady. A
// drain refuses new work, lets running answers finish, and then closes.
package server
