package inference

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"path/filepath"

	"repartee/kvcache/tier"
)

// TierConfig is the size of the tiers below the KV cells.
type TierConfig struct {
	Host int64  // bytes of host memory, 0 = none
	Dir  string // of files, empty = none; each model has a folder of its own in it
	Disk int64  // bytes of files
}

// leastHost is what files need in memory on their way.
const leastHost = 64 << 20

// open makes the tiers of a context; nil = none are wanted.
func (c TierConfig) open(fingerprint uint64, log *slog.Logger) (*tier.Store, error) {
	files := c.Dir != "" && c.Disk > 0
	if c.Host <= 0 && !files {
		return nil, nil
	}
	cfg := tier.Config{Host: c.Host, Log: log, Fingerprint: sha256.Sum256(fmt.Appendf(nil, "repartee KV %016x", fingerprint))}
	if files {
		cfg.Host = max(c.Host, leastHost)
		cfg.Dir, cfg.Disk = filepath.Join(c.Dir, hex.EncodeToString(cfg.Fingerprint[:8])), c.Disk
	}
	return tier.Open(cfg)
}
