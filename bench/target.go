package bench

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-json"
)

// Kind is what a server turned out to be; it decides how its own timings are
// read and how speech is asked for.
type Kind string

// The kinds that are told apart. Any OpenAI-compatible server is KindOther.
const (
	KindRepartee Kind = "repartee"
	KindLlama    Kind = "llama-server"
	KindOllama   Kind = "ollama"
	KindOther    Kind = "openai"
)

// Side describes one of the two servers before it is reached.
type Side struct {
	Label  string         // in reports: "repartee", "llama-server", …
	URL    string         // base address; empty when Launch chooses one
	Launch *Launch        // how to start it; nil when it runs already
	Key    string         // API key
	Model  string         // model name; empty = the first the server lists
	Voice  string         // voice name; empty = the server's default
	Speech SpeechAPI      // how speech is asked for; empty = found out
	Extra  map[string]any // fields added to every request body
}

// Target is a server that answers.
type Target struct {
	Side
	Client *Client
	Kind   Kind
	Proc   *Process // nil when the bench did not start it
	Calib  Calibration
	// Version is what the server says of itself, may be empty.
	Version string
}

// Loopback returns an error unless the address names this machine.
func Loopback(base string) error {
	u, err := url.Parse(base)
	if err != nil {
		return fmt.Errorf("bench: server address %q: %w", base, err)
	}
	host := u.Hostname()
	if strings.EqualFold(host, "localhost") {
		return nil
	}
	if ip, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil && net.IP(ip.AsSlice()).IsLoopback() {
		return nil
	}
	return fmt.Errorf("bench: %q is not on this machine: load is sent to loopback addresses only, unless --allow-remote is given", base)
}

// Probe fills in what the server says of itself: kind, version, model.
func (t *Target) Probe(ctx context.Context, needModel bool) error {
	ctx, stop := context.WithTimeout(ctx, 10*time.Second)
	defer stop()
	t.Kind = KindOther
	if head, body, err := t.get(ctx, "/health"); err == nil && strings.HasPrefix(head.Get("Server"), "llama.cpp") {
		t.Kind = KindLlama
	} else if err == nil {
		var h struct {
			Versions map[string]string `json:"versions"`
			Version  string            `json:"version"`
			Models   json.RawMessage   `json:"models"`
			Voices   json.RawMessage   `json:"voices"`
			Kind     string            `json:"kind"`
		}
		if json.Unmarshal(body, &h) == nil && (len(h.Versions) > 0 || h.Voices != nil) {
			t.Kind, t.Version = KindRepartee, h.Version
			for _, k := range slices.Sorted(maps.Keys(h.Versions)) {
				t.Version = strings.TrimSpace(t.Version + " " + k + " " + h.Versions[k])
			}
		}
		if h.Kind != "" {
			t.Kind = Kind(h.Kind)
		}
	}
	if t.Kind == KindOther {
		if _, body, err := t.get(ctx, "/api/version"); err == nil {
			var v struct {
				Version string `json:"version"`
			}
			if json.Unmarshal(body, &v) == nil && v.Version != "" {
				t.Kind, t.Version = KindOllama, v.Version
			}
		}
	}
	if t.Kind == KindLlama {
		if _, body, err := t.get(ctx, "/props"); err == nil {
			var p struct {
				Build string `json:"build_info"`
			}
			_ = json.Unmarshal(body, &p)
			t.Version = p.Build
		}
	}
	if t.Model != "" || !needModel {
		return nil
	}
	_, body, err := t.get(ctx, "/v1/models")
	if err != nil {
		return fmt.Errorf("bench: asking %s for its models: %w", t.Label, err)
	}
	var list struct {
		Data []struct {
			ID string `json:"id"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &list); err != nil || len(list.Data) == 0 {
		return fmt.Errorf("bench: %s lists no model under /v1/models; name one", t.Label)
	}
	t.Model = list.Data[0].ID
	return nil
}

func (t *Target) get(ctx context.Context, path string) (http.Header, []byte, error) {
	return t.call(ctx, http.MethodGet, path, nil)
}

// call sends a request and returns the answer of a success; anything else is
// an error with the beginning of the body.
func (t *Target) call(ctx context.Context, method, path string, body []byte) (http.Header, []byte, error) {
	kind := ""
	if body != nil {
		kind = "application/json"
	}
	x, err := t.Client.Do(ctx, method, path, kind, body)
	if err != nil {
		return nil, nil, err
	}
	defer x.Close()
	answer, err := x.ReadAll(64 << 20)
	if err != nil {
		return nil, nil, err
	}
	if x.Status != http.StatusOK {
		return nil, nil, statusError(x.Status, answer)
	}
	return x.Header, answer, nil
}

// errStatus is an answer other than 200.
var errStatus = errors.New("bench: refused")

func statusError(status int, body []byte) error {
	text := strings.Join(strings.Fields(string(body)), " ")
	if len(text) > 300 {
		text = text[:300] + "…"
	}
	return fmt.Errorf("%w: status %d: %s", errStatus, status, text)
}
