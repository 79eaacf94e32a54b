// Package openai speaks the OpenAI API: chat completions, completions, models
// and audio speech. It translates wire types and nothing else.
package openai
