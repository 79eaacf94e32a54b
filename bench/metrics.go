package bench

import "strings"

// Metric says what a number is.
type Metric struct {
	Name string `json:"name"`
	Unit string `json:"unit"`
	Help string `json:"help"`
	// More tells that a larger value is better.
	More bool `json:"more_is_better"`
}

// Metrics are all that workloads record, in the order of a report.
var Metrics = []Metric{
	{"ttft", "ms", "request sent → first text", false},
	{"gap", "ms", "between two arrivals of text in a stream", false},
	{"total", "ms", "request sent → last byte", false},
	{"rate", "tok/s", "completion tokens ÷ total, one request", true},
	{"rate_share", "×", "rate of a stream beside speech ÷ alone", true},
	{"throughput", "tok/s", "completion tokens of all clients ÷ wall time", true},
	{"model", "ms", "time in the model, by the server's own timings", false},
	{"beside", "ms", "total − model: everything that is not the model", false},
	{"first_turn_ttft", "ms", "TTFT of a conversation's first turn", false},
	{"fresh", "tokens", "prompt tokens that were not cached", false},
	{"cached_share", "share", "cached ÷ prompt tokens", true},
	{"prefilled", "tokens", "prompt tokens read by all requests together", false},
	{"prefill_ideal", "tokens", "the same if every shared token were read once", false},
	{"prefill_ratio", "×", "prefilled ÷ ideal", false},
	{"gap_before", "ms", "gaps of the streams while nobody else asks", false},
	{"gap_during", "ms", "gaps of the streams while the long prompt is read", false},
	{"gap_worst", "ms", "the longest gap of a round while the long prompt is read", false},
	{"ttft_long", "ms", "TTFT of the long prompt", false},
	{"ttft_undisturbed", "ms", "TTFT of a short request on an idle server", false},
	{"ttft_after", "ms", "TTFT of a short request sent when the client of a long prompt has left", false},
	{"ttft_second", "ms", "TTFT of the short request behind that one", false},
	{"wait_added", "ms", "ttft_after − ttft_undisturbed", false},
	{"ttft_cold", "ms", "TTFT of the conversation, nothing cached", false},
	{"ttft_hot", "ms", "TTFT of its next turn", false},
	{"ttft_restored", "ms", "TTFT of its next turn after a restart", false},
	{"restored_share", "×", "ttft_restored ÷ ttft_cold", false},
	{"down", "ms", "SIGTERM → the process has ended", false},
	{"up", "ms", "exec → ready", false},
	{"changed", "texts", "greedy texts that are not those of the first run alone", false},
	{"with_of_without", "×", "time of an answer with guesses ÷ without, first text → last", false},
	{"copied", "share", "words of an answer, without guesses, that stand in its prompt in the same order: in runs of four", true},
	{"drafted", "tokens", "drafted tokens", false},
	{"accepted", "tokens", "drafted tokens that were kept", true},
	{"first_byte", "ms", "request sent → first byte of audio", false},
	{"engine", "ms", "text processing and inference, by the server's Server-Timing", false},
	{"first_share", "×", "first byte ÷ total", false},
	{"whole", "ms", "the same text in one piece, total", false},
	{"first_of_whole", "×", "first byte ÷ the same text in one piece", false},
	{"total_of_whole", "×", "all of the stream ÷ the same text in one piece", false},
	{"clause", "ms", "the first sentence alone in one piece, total", false},
	{"first_of_clause", "×", "first byte ÷ the first sentence alone in one piece", false},
	{"audio", "s", "length of the audio", false},
	{"rtf", "×", "total ÷ length of the audio", false},
	{"dry", "ms", "silence of a player that starts at the first byte", false},
	{"cache_hits", "share", "answers with X-Cache: hit", true},
	{"wall", "ms", "all requests of the round", false},
	{"wall_ratio", "×", "many clients ÷ one client, the same work", false},
	{"mixed_up", "answers", "the same request gave other bytes or texts", false},
	{"first_audio", "ms", "turn sent → first audio frame", false},
	{"cancelled", "ms", "cancel sent → cancelled received", false},
	{"speech_total", "ms", "speech request sent → last byte", false},
	{"prompt", "tokens", "prompt tokens", false},
	{"cached", "tokens", "of them cached", true},
	{"completion", "tokens", "completion tokens", true},
	{"memory", "MiB", "resident set of the server", false},
	{"memory_peak", "MiB", "its peak", false},
}

// MetricOf returns the metric behind a recorded name, label included.
func MetricOf(name string) (m Metric, label string, rank int) {
	base, label, _ := strings.Cut(name, "@")
	for i, m := range Metrics {
		if m.Name == base {
			return m, label, i
		}
	}
	return Metric{Name: base}, label, len(Metrics)
}
