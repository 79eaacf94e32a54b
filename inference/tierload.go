package inference

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"path/filepath"

	"repartee/inference/llama"
	"repartee/kvcache/tier"
)

// TierConfig is the size of the tiers below the KV cells.
type TierConfig struct {
	Host int64  // bytes of host memory, 0 = none
	Dir  string // of files, empty = none; each model has a folder of its own in it
	Disk int64  // bytes of files, those of models that are no longer served included
}

// leastHost is what files need in memory on their way.
const leastHost = 64 << 20

// pinned is host memory that a GPU's copies go to and come from directly.
type pinned struct{}

func (pinned) Take(n int) []byte { return llama.PinnedMemory(n) }
func (pinned) Give(b []byte)     { llama.FreePinned(b) }

// open makes the tiers of a context; nil = none are wanted. The cells may lie in a
// GPU's memory: then the host's tier is memory that its driver has pinned, as far
// as it gives any.
func (c TierConfig) open(fingerprint uint64, gpu bool, log *slog.Logger) (*tier.Store, error) {
	files := c.Dir != "" && c.Disk > 0
	if c.Host <= 0 && !files {
		return nil, nil
	}
	cfg := tier.Config{Host: c.Host, Log: log, Fingerprint: sha256.Sum256(fmt.Appendf(nil, "repartee KV %016x", fingerprint))}
	if gpu {
		cfg.Memory = pinned{}
	}
	if files {
		// Others may be served again: they keep up to half of the room.
		own := hex.EncodeToString(cfg.Fingerprint[:8])
		others, err := tier.Sweep(c.Dir, own, c.Disk/2)
		if err != nil {
			return nil, fmt.Errorf("inference: removing old files in %q: %w", c.Dir, err)
		}
		cfg.Host = max(c.Host, leastHost)
		cfg.Dir, cfg.Disk = filepath.Join(c.Dir, own), c.Disk-others
	}
	return tier.Open(cfg)
}
