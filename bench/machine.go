package bench

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// Machine is where a report was made.
type Machine struct {
	CPU     string    `json:"cpu"`
	Cores   int       `json:"cores"`
	Memory  float64   `json:"memory_mib"`
	Kernel  string    `json:"kernel"`
	Go      string    `json:"go"`
	Load    []float64 `json:"load_average"` // 1, 5, 15 minutes, before the run
	LoadEnd []float64 `json:"load_average_end"`
	// ClientCost is the bench's own share of a TTFT: the median against a
	// listener in this process that answers at once, milliseconds.
	ClientCost float64   `json:"client_cost_ms"`
	Started    time.Time `json:"started"`
	Seconds    float64   `json:"seconds"`
}

// ReadMachine describes this machine; fields that cannot be read stay empty.
func ReadMachine() Machine {
	m := Machine{Cores: runtime.NumCPU(), Go: runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH, Load: loadAverage(), Started: time.Now().UTC()}
	m.CPU = procField("/proc/cpuinfo", "model name")
	if kib, err := strconv.ParseFloat(strings.TrimSuffix(procField("/proc/meminfo", "MemTotal"), " kB"), 64); err == nil {
		m.Memory = kib / 1024
	}
	if b, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.Kernel = strings.TrimSpace(string(b))
	}
	return m
}

func procField(file, name string) string {
	f, err := os.Open(file)
	if err != nil {
		return ""
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if key, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func loadAverage() []float64 {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return nil
	}
	var out []float64
	for _, f := range strings.Fields(string(b))[:3] {
		v, _ := strconv.ParseFloat(f, 64)
		out = append(out, v)
	}
	return out
}

// instant is an answer with one word, one event to a chunk.
const instant = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 76\r\n\r\n" +
	"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"}}]}\n\n" + "data: [DONE]\n\n    "

// ClientCost measures the client against a listener that answers at once and
// returns the median TTFT in milliseconds; 0 when it cannot be measured.
func ClientCost(ctx context.Context) float64 {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		r := bufio.NewReader(conn)
		for {
			q, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			if _, err := r.Discard(int(q.ContentLength)); err != nil {
				return
			}
			if _, err := conn.Write([]byte(instant)); err != nil {
				return
			}
		}
	}()
	client, err := NewClient("http://"+l.Addr().String(), "")
	if err != nil {
		return 0
	}
	t := &Target{Side: Side{Label: "instant", Model: "m"}, Client: client}
	var costs []float64
	for range 60 {
		r, err := t.Chat(ctx, ChatRequest{Messages: User("Hi"), MaxTokens: 1})
		if err != nil {
			break
		}
		costs = append(costs, r.TTFT())
	}
	client.Close()
	l.Close()
	<-done
	if len(costs) < 20 {
		return 0
	}
	return Median(costs[10:])
}
