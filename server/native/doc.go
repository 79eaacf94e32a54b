// Package native speaks Repartee's own dialect: /chat, /tts, /voices and the
// WebSocket protocol repartee.v1. It translates wire types and nothing else.
package native
