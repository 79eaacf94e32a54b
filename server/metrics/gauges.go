package metrics

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"repartee/inference"
	"repartee/speculation"
)

// engines reads gauges off the engines when they are scraped.
type engines struct {
	set *inference.Set

	cells, waiting, running, usage, config, guesses  *prometheus.Desc
	hits, bytes, evicted, restored, restoring, saved *prometheus.Desc
	ahead, parts, places, spared, drafting, sampled  *prometheus.Desc
	shifts, shifted                                  *prometheus.Desc
}

// Watch exports the engines' queues and caches, under our names and under
// those that Kubernetes inference gateways read from vLLM.
func (m *Metrics) Watch(set *inference.Set) {
	m.registry.MustRegister(&engines{
		set:       set,
		cells:     prometheus.NewDesc("repartee_kv_cells", "KV cells by tier and state.", []string{"model", "tier", "state"}, nil),
		guesses:   prometheus.NewDesc("repartee_speculation_tokens_total", "Guessed tokens by where they came from and what became of them.", []string{"model", "source", "outcome"}, nil),
		places:    prometheus.NewDesc("repartee_speculation_position_tokens_total", "Guessed tokens by source, by how far behind the known text they stood (1, 2-3, 4-7, 8-15, 16-31), and what became of them.", []string{"model", "source", "position", "outcome"}, nil),
		spared:    prometheus.NewDesc("repartee_speculation_saved_seconds", "Time that guesses have spared the streams, less what they cost them, by the cost model.", []string{"model"}, nil),
		drafting:  prometheus.NewDesc("repartee_draft_model_seconds_total", "Time of the draft model's steps.", []string{"model"}, nil),
		waiting:   prometheus.NewDesc("vllm:num_requests_waiting", "Requests waiting.", []string{"model_name"}, nil),
		running:   prometheus.NewDesc("vllm:num_requests_running", "Requests running.", []string{"model_name"}, nil),
		usage:     prometheus.NewDesc("vllm:kv_cache_usage_perc", "Share of KV cells in use, 0 to 1.", []string{"model_name"}, nil),
		hits:      prometheus.NewDesc("repartee_kv_hits_total", "Requests that took tokens over, by the tier they came from.", []string{"model", "tier"}, nil),
		bytes:     prometheus.NewDesc("repartee_kv_bytes", "Bytes of saved prefixes by tier and state.", []string{"model", "tier", "state"}, nil),
		evicted:   prometheus.NewDesc("repartee_kv_evicted_total", "What left a tier: tokens of cells, pieces of at most 64 tokens of the others.", []string{"model", "tier"}, nil),
		restored:  prometheus.NewDesc("repartee_kv_restored_tokens_total", "Tokens brought back into cells.", []string{"model"}, nil),
		restoring: prometheus.NewDesc("repartee_kv_restore_seconds_total", "Time the scheduler spent bringing tokens back.", []string{"model"}, nil),
		saved:     prometheus.NewDesc("repartee_kv_saved_tokens_total", "Tokens copied out of cells.", []string{"model"}, nil),
		ahead:     prometheus.NewDesc("repartee_prefilled_ahead_tokens_total", "Tokens of turns read before they were complete.", []string{"model"}, nil),
		shifts:    prometheus.NewDesc("repartee_context_shifts_total", "Times that tokens were dropped to make room in a context.", []string{"model"}, nil),
		shifted:   prometheus.NewDesc("repartee_context_shifted_tokens_total", "Tokens dropped to make room in a context, those of prompts that were too long included.", []string{"model"}, nil),
		parts:     prometheus.NewDesc("repartee_step_seconds_total", "Where the time of steps went.", []string{"model", "part"}, nil),
		sampled:   prometheus.NewDesc("repartee_sampled_rows_total", "Rows of logits of models that are sampled on the GPU: list = the tokens that it found decided, whole = all logits were copied.", []string{"model", "from"}, nil),
		config:    prometheus.NewDesc("vllm:cache_config_info", "KV cache size.", []string{"model_name", "block_size", "num_gpu_blocks"}, nil),
	})
}

// Describe lists the gauges.
func (e *engines) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{e.cells, e.waiting, e.running, e.usage, e.config, e.guesses, e.hits, e.bytes, e.evicted, e.restored, e.restoring, e.saved, e.ahead, e.parts, e.places, e.spared, e.drafting, e.shifts, e.shifted, e.sampled} {
		ch <- d
	}
}

// Collect reads the engines.
func (e *engines) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	count := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
	}
	for _, engine := range e.set.Engines() {
		s, name := engine.Stats(), engine.Name()
		gauge(e.cells, float64(s.Cache.Used), name, "primary", "used")
		gauge(e.cells, float64(s.Cache.Cells), name, "primary", "total")
		for i := range s.Speculation.Drafted {
			count := func(n int64, outcome string) {
				ch <- prometheus.MustNewConstMetric(e.guesses, prometheus.CounterValue, float64(n), name, speculation.Source(i).String(), outcome)
			}
			right := s.Speculation.Accepted[i]
			count(right, "accepted")
			count(s.Speculation.Drafted[i]-right, "rejected")
			e.byPlace(ch, name, speculation.Source(i), &s.Speculation)
		}
		gauge(e.spared, s.Speculation.Saved.Seconds(), name)
		count(e.drafting, s.Speculation.Model.Time.Seconds(), name)
		t := s.Tiers
		gauge(e.cells, float64(t.HostTokens), name, "host", "used")
		gauge(e.cells, float64(t.DiskTokens), name, "disk", "used")
		gauge(e.bytes, float64(t.HostBytes), name, "host", "used")
		gauge(e.bytes, float64(t.HostCap), name, "host", "total")
		gauge(e.bytes, float64(t.DiskBytes), name, "disk", "used")
		gauge(e.bytes, float64(t.DiskCap), name, "disk", "total")
		count(e.hits, float64(t.PrimaryHits), name, "primary")
		count(e.hits, float64(t.HostHits), name, "host")
		count(e.hits, float64(t.DiskHits), name, "disk")
		count(e.evicted, float64(s.Cache.EvictedTokens), name, "primary")
		count(e.evicted, float64(t.HostEvicted), name, "host")
		count(e.evicted, float64(t.DiskEvicted), name, "disk")
		count(e.restored, float64(t.RestoredTokens), name)
		count(e.restoring, t.RestoreTime.Seconds(), name)
		count(e.saved, float64(t.SavedTokens), name)
		count(e.ahead, float64(s.AheadTokens), name)
		count(e.shifts, float64(s.Shifts), name)
		count(e.shifted, float64(s.Shifted), name)
		count(e.parts, s.Parts.Plan.Seconds(), name, "plan")
		count(e.parts, s.Parts.Decode.Seconds(), name, "decode")
		count(e.parts, s.Parts.Sample.Seconds(), name, "sample")
		count(e.parts, s.Parts.Border.Seconds(), name, "border")
		count(e.parts, s.Parts.Deliver.Seconds(), name, "deliver")
		count(e.parts, s.Parts.Save.Seconds(), name, "save")
		if s.Parts.Listed+s.Parts.Whole > 0 {
			count(e.sampled, float64(s.Parts.Listed), name, "list")
			count(e.sampled, float64(s.Parts.Whole), name, "whole")
		}
		gauge(e.bytes, float64(t.PinnedBytes), name, "host", "pinned")
		gauge(e.waiting, float64(s.Waiting), name)
		gauge(e.running, float64(s.Running), name)
		gauge(e.usage, float64(s.Cache.Used)/float64(max(s.Cache.Cells, 1)), name)
		gauge(e.config, 1, name, "1", strconv.Itoa(s.Cache.Cells))
	}
}

// byPlace exports a source's guesses by their distance from the known text.
func (e *engines) byPlace(ch chan<- prometheus.Metric, model string, from speculation.Source, s *inference.SpeculationStats) {
	for _, p := range []struct {
		name     string
		low, end int
	}{{"1", 0, 1}, {"2-3", 1, 3}, {"4-7", 3, 7}, {"8-15", 7, 15}, {"16-31", 15, speculation.MaxDraft}} {
		drafted, accepted := int64(0), int64(0)
		for _, at := range s.ByPlace[from][p.low:p.end] {
			drafted, accepted = drafted+at.Drafted, accepted+at.Accepted
		}
		for outcome, n := range map[string]int64{"accepted": accepted, "rejected": drafted - accepted} {
			ch <- prometheus.MustNewConstMetric(e.places, prometheus.CounterValue, float64(n), model, from.String(), p.name, outcome)
		}
	}
}
