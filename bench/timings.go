package bench

import (
	"math"
	"strconv"
	"strings"

	"github.com/goccy/go-json"
)

// ServerTimings is what a server says about one request, milliseconds.
type ServerTimings struct {
	Known    bool    `json:"known"`
	Model    float64 `json:"model_ms"` // time in the model: prompt and generation
	Queue    float64 `json:"queue_ms"`
	Prefill  float64 `json:"prefill_ms"`
	Speech   float64 `json:"speech_ms"` // text processing and inference of speech
	Drafted  int     `json:"drafted"`
	Accepted int     `json:"accepted"`
}

// wireTimings joins the timing fields of the servers that are understood:
// llama-server's prompt_ms and predicted_ms, repartee's queue_ms and so on.
type wireTimings struct {
	PromptMS    *float64 `json:"prompt_ms"`
	PredictedMS *float64 `json:"predicted_ms"`
	QueueMS     *float64 `json:"queue_ms"`
	PrefillMS   *float64 `json:"prefill_ms"`
	FirstMS     *float64 `json:"first_token_ms"`
	TotalMS     *float64 `json:"total_ms"`
	DraftN      int      `json:"draft_n"`
	DraftOK     int      `json:"draft_n_accepted"`
	Drafted     int      `json:"drafted"`
	Accepted    int      `json:"accepted"`
}

// add merges a timings object of an answer's body.
func (s *ServerTimings) add(raw json.RawMessage) {
	var w wireTimings
	if len(raw) == 0 || json.Unmarshal(raw, &w) != nil {
		return
	}
	s.Drafted, s.Accepted = w.DraftN+w.Drafted, w.DraftOK+w.Accepted
	switch {
	case w.PromptMS != nil: // llama-server: reading the prompt, then generating
		s.Known, s.Prefill = true, *w.PromptMS
		s.Model = *w.PromptMS
		if w.PredictedMS != nil {
			s.Model += *w.PredictedMS
		}
	case w.PrefillMS != nil: // repartee: queue | prefill … first token … total
		s.Known, s.Prefill, s.Model = true, *w.PrefillMS, *w.PrefillMS
		if w.QueueMS != nil {
			s.Queue = *w.QueueMS
		}
		if w.TotalMS != nil && w.FirstMS != nil {
			s.Model += max(0, *w.TotalMS-*w.FirstMS)
		}
	}
}

// addHeader merges a Server-Timing header; what a body said goes before it.
func (s *ServerTimings) addHeader(value string) {
	d := ParseServerTiming(value)
	if v, ok := d["tts"]; ok {
		s.Speech = v
	}
	if s.Known {
		return
	}
	if v, ok := d["prefill"]; ok {
		s.Known, s.Prefill, s.Model, s.Queue = true, v, v, d["queue"]
		if total, ok := d["total"]; ok {
			s.Model += max(0, total-d["first"])
		}
	}
}

// ParseServerTiming reads the durations (milliseconds) of a Server-Timing
// header; entries without one are left out.
func ParseServerTiming(value string) map[string]float64 {
	out := map[string]float64{}
	for entry := range strings.SplitSeq(value, ",") {
		name, params, _ := strings.Cut(entry, ";")
		for param := range strings.SplitSeq(params, ";") {
			key, v, ok := strings.Cut(param, "=")
			if !ok || !strings.EqualFold(strings.TrimSpace(key), "dur") {
				continue
			}
			if ms, err := strconv.ParseFloat(strings.Trim(strings.TrimSpace(v), `"`), 64); err == nil && ms >= 0 && !math.IsInf(ms, 1) {
				out[strings.TrimSpace(name)] = ms
			}
		}
	}
	return out
}
