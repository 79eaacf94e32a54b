package metrics

import (
	"os"

	"github.com/prometheus/client_golang/prometheus"

	"repartee/gpu"
)

// gpus reads a card when it is scraped.
type gpus struct {
	state   func() gpu.State
	arbiter *gpu.Arbiter

	up, memory, busy, power, clock, heat, throttled *prometheus.Desc
	energy, perToken, process, turns, seconds       *prometheus.Desc
}

// WatchGPU exports what the driver tells of the card, and how decoding and speech
// share it. The label gpu is its UUID.
func (m *Metrics) WatchGPU(state func() gpu.State, arbiter *gpu.Arbiter) {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("repartee_gpu_"+name, help, append([]string{"gpu"}, labels...), nil)
	}
	m.registry.MustRegister(&gpus{
		state: state, arbiter: arbiter,
		up:        desc("up", "1 while the card answers, 0 when it is lost or its last reading failed."),
		memory:    desc("memory_bytes", "Memory of the card: total, free, used.", "state"),
		busy:      desc("utilisation_ratio", "Share of the time with a kernel running (compute), or memory being moved (memory), 0 to 1.", "of"),
		power:     desc("power_watts", "Power drawn, and the most that is allowed.", "state"),
		clock:     desc("clock_hertz", "Clocks: of the multiprocessors, their most, and of the memory.", "of"),
		heat:      desc("temperature_celsius", "Temperature of the chip."),
		throttled: desc("throttled", "1 while the clocks are held down for the reason.", "reason"),
		energy:    desc("energy_joules_total", "Energy since the driver was loaded."),
		perToken:  desc("energy_per_token_joules", "Energy of the card shared by the tokens generated lately."),
		process:   desc("process_memory_bytes", "Memory of this process and of the others on the card together; 0 where the driver does not tell, as in containers.", "of"),
		turns:     desc("turns_total", "Turns on the card by what they were for.", "use"),
		seconds:   desc("turn_seconds_total", "Time on the card (held) and waiting for it (waited).", "use", "state"),
	})
}

// Describe lists the gauges.
func (g *gpus) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{g.up, g.memory, g.busy, g.power, g.clock, g.heat, g.throttled, g.energy, g.perToken, g.process, g.turns, g.seconds} {
		ch <- d
	}
}

// Collect reads the card.
func (g *gpus) Collect(ch chan<- prometheus.Metric) {
	st := g.state()
	s, id := st.Sample, st.Device.UUID
	put := func(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, kind, v, append([]string{id}, labels...)...)
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) { put(d, prometheus.GaugeValue, v, labels...) }
	up := 1.0
	if st.Lost || st.Error != "" {
		up = 0
	}
	gauge(g.up, up)
	if s.At.IsZero() {
		return // not read yet
	}
	gauge(g.memory, float64(s.TotalBytes), "total")
	gauge(g.memory, float64(s.FreeBytes), "free")
	gauge(g.memory, float64(s.TotalBytes-s.FreeBytes), "used")
	gauge(g.busy, s.Utilisation, "compute")
	gauge(g.busy, s.MemoryUtilisation, "memory")
	gauge(g.power, s.PowerWatts, "drawn")
	gauge(g.power, s.PowerLimitWatts, "limit")
	gauge(g.clock, float64(s.ClockMHz)*1e6, "sm")
	gauge(g.clock, float64(s.MaxClockMHz)*1e6, "sm_max")
	gauge(g.clock, float64(s.MemoryClockMHz)*1e6, "memory")
	gauge(g.heat, float64(s.Celsius))
	slow := map[string]bool{}
	for _, r := range s.Throttle {
		slow[r] = true
	}
	for _, r := range gpu.ThrottleReasons() {
		v := 0.0
		if slow[r] {
			v = 1
		}
		gauge(g.throttled, v, r)
	}
	put(g.energy, prometheus.CounterValue, s.EnergyJoules)
	gauge(g.perToken, st.JoulesPerToken)
	var own, bytes uint64
	for _, p := range s.Processes {
		if p.PID == os.Getpid() {
			own = p.Bytes
			continue
		}
		bytes += p.Bytes
	}
	gauge(g.process, float64(own), "own")
	gauge(g.process, float64(bytes), "others")
	a := g.arbiter.Stats()
	for _, u := range []gpu.Use{gpu.Decode, gpu.Speech} {
		put(g.turns, prometheus.CounterValue, float64(a.Turns[u]), u.String())
		put(g.seconds, prometheus.CounterValue, a.Held[u].Seconds(), u.String(), "held")
		put(g.seconds, prometheus.CounterValue, a.Waited[u].Seconds(), u.String(), "waited")
	}
}
