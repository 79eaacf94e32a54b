package gpu

import (
	"context"
	"sync"
	"time"
)

// KeepAlive lets a little work run on an idle card, so that its clocks do not
// drop between requests: from idle clocks the first steps are several times
// slower. It has one goroutine, which Stop ends.
type KeepAlive struct {
	cancel context.CancelFunc
	done   sync.WaitGroup
}

// StartKeepAlive calls work every interval in which used tells no newer moment
// of real work. work gets a context that Stop ends; its errors are counted, and
// after three in a row the tick is given up: a card that is gone stays gone.
func StartKeepAlive(interval time.Duration, used func() time.Time, work func(context.Context) error) *KeepAlive {
	ctx, cancel := context.WithCancel(context.Background())
	k := &KeepAlive{cancel: cancel}
	k.done.Go(func() {
		tick := time.NewTicker(interval)
		defer tick.Stop()
		failed := 0
		for failed < 3 {
			select {
			case <-ctx.Done():
				return
			case now := <-tick.C:
				if now.Sub(used()) < interval {
					continue
				}
				if err := guarded(ctx, work); err != nil {
					failed++
				} else {
					failed = 0
				}
			}
		}
	})
	return k
}

// guarded keeps a panic in the work from ending the process for a tick.
func guarded(ctx context.Context, work func(context.Context) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = ErrGone
		}
	}()
	return work(ctx)
}

// Stop ends the tick and waits for work that is under way.
func (k *KeepAlive) Stop() {
	if k != nil {
		k.cancel()
		k.done.Wait()
	}
}
