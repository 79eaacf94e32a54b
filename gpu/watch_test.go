//go:build cgo

package gpu

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestWatcherReadsAndSharesEnergy(t *testing.T) {
	tel := open(t, standIn(t))
	synctest.Test(t, func(t *testing.T) {
		tokens := int64(0)
		w := Watch(tel, 0, time.Second, func() int64 { tokens += 3; return tokens }, func(err error) { t.Errorf("lost: %v", err) })
		time.Sleep(25 * time.Second)
		synctest.Wait()
		s := w.State()
		w.Close()
		if s.Lost || s.Error != "" || s.Device.UUID == "" || s.Sample.PowerWatts != 118.25 {
			t.Errorf("State = %+v, want the recorded readings", s)
		}
		// The stand-in counts 1.5 J a reading, and three tokens come in each.
		if s.JoulesPerToken != 0.5 {
			t.Errorf("JoulesPerToken = %v, want 0.5", s.JoulesPerToken)
		}
	})
}

func TestWatcherTellsOnceThatTheCardIsLost(t *testing.T) {
	tel := open(t, standIn(t, "-DVANISH=3"))
	synctest.Test(t, func(t *testing.T) {
		var told []error
		w := Watch(tel, 0, time.Second, nil, func(err error) { told = append(told, err) })
		time.Sleep(time.Minute)
		synctest.Wait()
		w.Close()
		if len(told) != 1 || !errors.Is(told[0], ErrGone) {
			t.Errorf("told %v, want ErrGone once", told)
		}
		if s := w.State(); !s.Lost || s.Error == "" || s.Sample.TotalBytes == 0 {
			t.Errorf("State = %+v, want it lost, with the reason and the last reading", s)
		}
	})
}
