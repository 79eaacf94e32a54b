package metrics

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"repartee/gpu"
)

func TestGPUMetrics(t *testing.T) {
	state := gpu.State{
		Device: gpu.Device{UUID: "GPU-1"},
		Sample: gpu.Sample{
			At: time.Now(), TotalBytes: 100, FreeBytes: 30, Utilisation: 0.5, PowerWatts: 118.25, ClockMHz: 1980, EnergyJoules: 12.5,
			Throttle: []string{"thermal"}, Processes: []gpu.Process{{PID: os.Getpid(), Bytes: 40}, {PID: 1, Bytes: 7}},
		},
		JoulesPerToken: 0.5,
	}
	a := gpu.NewArbiter()
	if err := a.Enter(t.Context(), gpu.Speech, time.Now()); err != nil {
		t.Fatal(err)
	}
	a.Leave(gpu.Speech)
	m := New("test")
	m.WatchGPU(func() gpu.State { return state }, a)
	scrape := func() string {
		var ctx fasthttp.RequestCtx
		ctx.Request.SetRequestURI("/metrics")
		m.Write(&ctx)
		return string(ctx.Response.Body())
	}
	text := scrape()
	for _, want := range []string{
		`repartee_gpu_up{gpu="GPU-1"} 1`, `repartee_gpu_memory_bytes{gpu="GPU-1",state="used"} 70`, `repartee_gpu_utilisation_ratio{gpu="GPU-1",of="compute"} 0.5`,
		`repartee_gpu_power_watts{gpu="GPU-1",state="drawn"} 118.25`, `repartee_gpu_clock_hertz{gpu="GPU-1",of="sm"} 1.98e+09`,
		`repartee_gpu_throttled{gpu="GPU-1",reason="thermal"} 1`, `repartee_gpu_throttled{gpu="GPU-1",reason="power cap"} 0`,
		`repartee_gpu_energy_per_token_joules{gpu="GPU-1"} 0.5`, `repartee_gpu_energy_joules_total{gpu="GPU-1"} 12.5`,
		`repartee_gpu_process_memory_bytes{gpu="GPU-1",of="own"} 40`, `repartee_gpu_process_memory_bytes{gpu="GPU-1",of="others"} 7`,
		`repartee_gpu_turns_total{gpu="GPU-1",use="speech"} 1`, `repartee_gpu_turns_total{gpu="GPU-1",use="decode"} 0`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("/metrics has no line %q in:\n%s", want, text)
		}
	}
	state.Lost, state.Error = true, "gone"
	if text := scrape(); !strings.Contains(text, `repartee_gpu_up{gpu="GPU-1"} 0`) {
		t.Error("a lost card is up")
	}
	state = gpu.State{Device: state.Device}
	if text := scrape(); strings.Contains(text, "repartee_gpu_memory_bytes{") {
		t.Error(fmt.Sprint("a card that was never read has memory in ", text))
	}
}
