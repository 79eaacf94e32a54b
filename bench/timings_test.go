package bench

import (
	"math"
	"testing"
)

func TestParseServerTiming(t *testing.T) {
	f := func(value, name string, want float64, there bool) {
		t.Helper()
		got, ok := ParseServerTiming(value)[name]
		if ok != there || got != want {
			t.Errorf("ParseServerTiming(%q)[%q] = %g, %v; want %g, %v", value, name, got, ok, want, there)
		}
	}
	f("tts;dur=12.5", "tts", 12.5, true)
	f(`queue;dur=0, prefill;dur=9.1;desc="read", first ; dur="11.8"`, "first", 11.8, true)
	f(`queue;dur=0, prefill;desc="read, it";dur=9.1`, "queue", 0, true)
	f("miss", "miss", 0, false)
	f("a;dur=x", "a", 0, false)
	f("a;dur=-1", "a", 0, false)
	f("", "", 0, false)
}

func TestServerTimings(t *testing.T) {
	f := func(body, header string, want ServerTimings) {
		t.Helper()
		var got ServerTimings
		got.add([]byte(body))
		got.addHeader(header)
		got.Model = math.Round(got.Model*1000) / 1000
		if got != want {
			t.Errorf("timings of %s and %q = %+v, want %+v", body, header, got, want)
		}
	}
	f(`{"prompt_n":1,"prompt_ms":9.38,"predicted_n":3,"predicted_ms":19.575,"draft_n":8,"draft_n_accepted":5}`, "",
		ServerTimings{Known: true, Model: 28.955, Prefill: 9.38, Drafted: 8, Accepted: 5})
	f(`{"queue_ms":0.5,"prefill_ms":9,"first_token_ms":9.5,"total_ms":40,"drafted":4,"accepted":2}`, "prefill;dur=1",
		ServerTimings{Known: true, Model: 39.5, Prefill: 9, Queue: 0.5, Drafted: 4, Accepted: 2})
	f(``, "queue;dur=1, prefill;dur=8, first;dur=9", ServerTimings{Known: true, Model: 8, Prefill: 8, Queue: 1})
	f(``, "queue;dur=1, prefill;dur=8, first;dur=9, total;dur=19", ServerTimings{Known: true, Model: 18, Prefill: 8, Queue: 1})
	f(`{}`, "tts;dur=33", ServerTimings{Speech: 33})
	f(`"nonsense"`, "", ServerTimings{})
}

func FuzzServerTiming(f *testing.F) {
	f.Add(`queue;dur=0, prefill;dur=9.1;desc="read"`)
	f.Fuzz(func(t *testing.T, value string) {
		for name, v := range ParseServerTiming(value) {
			if v < 0 || math.IsNaN(v) || math.IsInf(v, 0) {
				t.Fatalf("ParseServerTiming(%q)[%q] = %g", value, name, v)
			}
		}
	})
}
