// Package metrics counts what happens and exports it to Prometheus. Labels are
// models and reasons that the server itself chose: nothing a client sends
// becomes one.
package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/fasthttpadaptor"

	"repartee/inference"
)

// Metrics is the registry and an inference.Observer.
type Metrics struct {
	registry *prometheus.Registry
	handler  fasthttp.RequestHandler

	ttft, gap, e2e, queue, rows                  *prometheus.HistogramVec
	prompt, cached, generated, drafted, accepted *prometheus.CounterVec
	rejected                                     *prometheus.CounterVec
	firstAudio, realTime                         *prometheus.HistogramVec
}

var _ inference.Observer = (*Metrics)(nil)

// New makes a registry with all metrics at zero.
func New(version string) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	hist := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
		m.registry.MustRegister(h)
		return h
	}
	count := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
		m.registry.MustRegister(c)
		return c
	}
	wide := prometheus.ExponentialBuckets(0.001, 2, 16)
	m.ttft = hist("repartee_ttft_seconds", "Submitted to first token.", wide, "model")
	m.gap = hist("repartee_inter_token_seconds", "Between two tokens of a stream.", prometheus.ExponentialBuckets(0.0005, 2, 14), "model")
	m.e2e = hist("repartee_e2e_seconds", "Submitted to last token.", prometheus.ExponentialBuckets(0.005, 2, 16), "model")
	m.queue = hist("repartee_queue_seconds", "Submitted to first row in a step.", prometheus.ExponentialBuckets(0.0001, 2, 18), "model")
	m.rows = hist("repartee_batch_rows", "Rows of a step.", prometheus.ExponentialBuckets(1, 2, 11), "model")
	m.firstAudio = hist("repartee_first_audio_seconds", "Request to first audio.", wide, "voice")
	m.realTime = hist("repartee_tts_real_time_factor", "Synthesis time by length of the audio.", prometheus.ExponentialBuckets(0.01, 1.6, 14), "voice")
	m.prompt = count("repartee_prompt_tokens_total", "Prompt tokens.", "model")
	m.cached = count("repartee_cached_tokens_total", "Prompt tokens taken over from the KV cache.", "model")
	m.generated = count("repartee_generated_tokens_total", "Generated tokens.", "model")
	m.drafted = count("repartee_drafted_tokens_total", "Tokens proposed by a drafter.", "model")
	m.accepted = count("repartee_accepted_tokens_total", "Drafted tokens kept.", "model")
	m.rejected = count("repartee_rejected_requests_total", "Requests refused.", "model", "reason")
	info := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "repartee_build_info", Help: "Always 1."}, []string{"version"})
	info.WithLabelValues(version).Set(1)
	m.registry.MustRegister(info)
	m.handler = fasthttpadaptor.NewFastHTTPHandler(promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))
	return m
}

// Write answers GET /metrics.
func (m *Metrics) Write(ctx *fasthttp.RequestCtx) {
	if m == nil {
		return
	}
	m.handler(ctx)
}

// Step is told of every finished step.
func (m *Metrics) Step(engine string, rows int, _ int64) {
	m.rows.WithLabelValues(engine).Observe(float64(rows))
}

// InterToken is told of every gap inside a stream.
func (m *Metrics) InterToken(engine string, micros int64) {
	m.gap.WithLabelValues(engine).Observe(float64(micros) / 1e6)
}

// Rejected is told of every refused request.
func (m *Metrics) Rejected(engine, reason string) { m.rejected.WithLabelValues(engine, reason).Inc() }

// Finished is told of every ended request.
func (m *Metrics) Finished(engine string, r inference.Result) {
	m.queue.WithLabelValues(engine).Observe(r.Timings.Queue.Seconds())
	m.e2e.WithLabelValues(engine).Observe(r.Timings.Total.Seconds())
	if r.CompletionTokens > 0 {
		m.ttft.WithLabelValues(engine).Observe(r.Timings.FirstToken.Seconds())
	}
	m.prompt.WithLabelValues(engine).Add(float64(r.PromptTokens))
	m.cached.WithLabelValues(engine).Add(float64(r.CachedTokens))
	m.generated.WithLabelValues(engine).Add(float64(r.CompletionTokens))
	m.drafted.WithLabelValues(engine).Add(float64(r.Timings.Drafted))
	m.accepted.WithLabelValues(engine).Add(float64(r.Timings.Accepted))
}

// Spoken is told of every finished speech.
func (m *Metrics) Spoken(voice string, firstAudio, synthesis, audio float64) {
	m.firstAudio.WithLabelValues(voice).Observe(firstAudio)
	if audio > 0 {
		m.realTime.WithLabelValues(voice).Observe(synthesis / audio)
	}
}
