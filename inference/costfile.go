package inference

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"repartee/inference/llama"
)

// savedCost is a cost model on disk.
type savedCost struct {
	Version int            `json:"version"`
	Prices  [costs]float64 `json:"prices"` // seconds for each feature
	Steps   int64          `json:"steps"`
}

// costVersion changes with the features.
const costVersion = 4

// knownTrust is how much more prices from a file are trusted than guessed ones.
const knownTrust = 10

// maxCostFile bounds what is read.
const maxCostFile = 4096

// costFile names the file for a model as it is run here: another file, thread
// count, cache type, processor or build of the library has prices of its own.
func costFile(dir string, cfg LoadConfig, info llama.ModelInfo, kv string) string {
	if dir == "" {
		return ""
	}
	key := fmt.Appendf(nil, "%s|%d|%d|%d|%s|%s|%s", filepath.Base(cfg.Path), info.SizeBytes, cfg.Threads, cfg.GPULayers, kv, processor(), llama.Build())
	if len(cfg.CPUs) > 0 { // cores of another kind, or both threads of one
		key = fmt.Appendf(key, "|%s", cfg.CPUs)
	}
	sum := sha256.Sum256(key)
	return filepath.Join(dir, hex.EncodeToString(sum[:12])+".json")
}

// processor is the name of the first processor, empty where there is no /proc.
func processor() string {
	b, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(b)) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == "model name" {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// load takes over what an earlier process learned; whatever is wrong with the
// file, the model stays as it is.
func (c *costModel) load(path string) {
	st, err := os.Stat(path)
	if err != nil || st.Size() > maxCostFile {
		return
	}
	b, err := os.ReadFile(path)
	var s savedCost
	if err != nil || json.Unmarshal(b, &s) != nil || s.Version != costVersion || s.Steps < knownMachine {
		return
	}
	if !finite(s.Prices) || s.Prices[0] <= 0 {
		return
	}
	c.floor = partsOf(c.prior)
	for i := range c.floor {
		c.floor[i] *= leastPart * min(s.Prices[0]/c.prior[0], 1)
	}
	c.prior, c.now, c.n = s.Prices, s.Prices, s.Steps
	c.trust = knownTrust
}

// save writes what was learned, whole or not at all.
func (c *costModel) save(path string) error {
	if path == "" || c.n < knownMachine {
		return nil
	}
	b, err := json.Marshal(savedCost{costVersion, c.now, c.n})
	if err != nil {
		return fmt.Errorf("inference: step costs: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("inference: step costs: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".cost-*")
	if err != nil {
		return fmt.Errorf("inference: step costs: %w", err)
	}
	_, err = f.Write(b)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return fmt.Errorf("inference: step costs: %w", err)
	}
	return nil
}
