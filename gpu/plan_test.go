package gpu

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// small is a model of four layers of 100 MiB, a head of 50, 1 KiB a cell and
// layer.
func small() Load {
	return Load{Name: "small", Layers: []uint64{100 << 20, 100 << 20, 100 << 20, 100 << 20}, Output: 50 << 20, Host: 30 << 20, CellLayer: 1 << 10, Compute: 20 << 20, MaxCells: 32768, GPULayers: -1}
}

func TestFitShrinksCellsThenLayers(t *testing.T) {
	f := func(name string, free uint64, change func(*Load), layers, cells int, want string) {
		t.Helper()
		m := small()
		if change != nil {
			change(&m)
		}
		p, err := Want{Card: "card", Total: 24 << 30, Free: free << 20, Models: []Load{m}, Parts: []Part{{"voice", 60 << 20}}, Reserve: 40 << 20}.Fit()
		if want != "" {
			if !errors.Is(err, ErrFull) || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: Fit = %v, want ErrFull with %q", name, err, want)
			}
			return
		}
		if err != nil || p.Models[0].GPULayers != layers || p.Models[0].Cells != cells {
			t.Errorf("%s: Fit = %d layers, %d cells, %v; want %d, %d", name, p.Models[0].GPULayers, p.Models[0].Cells, err, layers, cells)
		}
	}
	// 450 weights + 20 compute + 60 voice + 40 reserve = 570, KV 128.
	f("room for all", 698, nil, 5, 32768, "")
	f("half the cells", 634, nil, 5, 16384, "")
	f("least cells", 586, nil, 5, 4096, "")
	f("one layer less, and cells again", 585, nil, 4, 32768, "")
	f("only the head", 190, nil, 1, 4096, "")
	f("nothing on the card", 169, nil, 0, 4096, "")
	f("not even the voice", 99, nil, 0, 0, "needs 100 MiB, free 99 MiB of 24576 MiB: 1 MiB too little")
	f("cells fixed: layers go", 634, func(m *Load) { m.Cells = 32768 }, 4, 32768, "")
	f("layers fixed: cells go", 634, func(m *Load) { m.GPULayers = 5 }, 5, 16384, "")
	// A draft of two layers of 10 MiB, a head of 5 and 1 KiB a cell and layer: 25 and 64 more.
	draft := func(m *Load) {
		m.Draft = &Load{Name: "draft", Layers: []uint64{10 << 20, 10 << 20}, Output: 5 << 20, CellLayer: 1 << 10}
	}
	f("room for all and a draft", 787, draft, 5, 32768, "")
	f("half the cells of both", 691, draft, 5, 16384, "")
	f("one layer of the model for a draft", 618, draft, 4, 25088, "")
	f("both fixed, and a draft", 786, func(m *Load) { m.GPULayers, m.Cells = 5, 32768; draft(m) }, 0, 0, "1 MiB too little")
	f("both fixed", 634, func(m *Load) { m.GPULayers, m.Cells = 5, 32768 }, 0, 0, "64 MiB too little")
}

// TestFitNeverLies holds for any models: what fits is within the free memory,
// no byte of a model is lost, and what was fixed stays.
func TestFitNeverLies(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.Uint64Range(0, 1<<30)
		w := Want{Card: "card", Total: 24 << 30, Free: rapid.Uint64Range(0, 24<<30).Draw(t, "free")}
		for range rapid.IntRange(1, 3).Draw(t, "models") {
			m := Load{
				Layers: rapid.SliceOfN(size, 1, 40).Draw(t, "layers"), Output: size.Draw(t, "output"), Host: size.Draw(t, "host"), Compute: size.Draw(t, "compute"),
				CellLayer: rapid.Uint64Range(0, 1<<16).Draw(t, "cell"), MaxCells: rapid.IntRange(256, 131072).Draw(t, "most"), GPULayers: rapid.IntRange(-1, 45).Draw(t, "want"),
			}
			if rapid.Bool().Draw(t, "fixed") {
				m.Cells = rapid.IntRange(256, 131072).Draw(t, "cells")
			}
			if rapid.Bool().Draw(t, "guessed for") {
				m.Draft = &Load{
					Layers: rapid.SliceOfN(size, 1, 4).Draw(t, "draft's layers"), Output: size.Draw(t, "draft's output"), Host: size.Draw(t, "draft's host"),
					Compute: size.Draw(t, "draft's compute"), CellLayer: rapid.Uint64Range(0, 1<<16).Draw(t, "draft's cell"),
				}
			}
			w.Models = append(w.Models, m)
		}
		p, err := w.Fit()
		if (err == nil) != (p.Need() <= w.Free) {
			t.Fatalf("Fit = %v with need %d and free %d", err, p.Need(), w.Free)
		}
		whole := func(i int, m Load, f Fit) {
			t.Helper()
			total := m.Output + m.Host
			for _, b := range m.Layers {
				total += b
			}
			if got := f.Weights + f.HostWeights; got != total {
				t.Fatalf("model %d: weights of %q on card and host are %d bytes, want %d", i, m.Name, got, total)
			}
			if got, want := f.KV+f.HostKV, m.CellLayer*uint64(len(m.Layers))*uint64(f.Cells); got != want {
				t.Fatalf("model %d: KV of %q is %d bytes, want %d", i, m.Name, got, want)
			}
		}
		for i, f := range p.Models {
			m := w.Models[i]
			whole(i, m, f)
			if (f.Draft == nil) != (m.Draft == nil) {
				t.Fatalf("model %d: the plan has draft %v, want %v", i, f.Draft, m.Draft)
			}
			if f.Draft != nil {
				whole(i, *m.Draft, *f.Draft)
				if f.Draft.Cells != f.Cells || f.Draft.GPULayers != min(f.GPULayers, len(m.Draft.Layers)+1) {
					t.Fatalf("model %d of %d cells and %d layers: its draft has %d and %d", i, f.Cells, f.GPULayers, f.Draft.Cells, f.Draft.GPULayers)
				}
			}
			if m.Cells > 0 && f.Cells != m.Cells {
				t.Fatalf("model %d: %d cells, want the %d asked for", i, f.Cells, m.Cells)
			}
			if m.GPULayers >= 0 && f.GPULayers != min(m.GPULayers, len(m.Layers)+1) {
				t.Fatalf("model %d: %d layers, want the %d asked for", i, f.GPULayers, m.GPULayers)
			}
		}
	})
}

func TestPlanTable(t *testing.T) {
	guessed := small()
	guessed.Draft = &Load{Name: "small (draft)", Layers: []uint64{7 << 20}, CellLayer: 1 << 10}
	p, err := Want{Card: "H200", Total: 2 << 30, Free: 1 << 30, Models: []Load{guessed}, Parts: []Part{{"voice joe", 60 << 20}}, Reserve: 40 << 20}.Fit()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := p.Write(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"5 of 5", "32768", "450", "128", "voice joe", "small (draft)", "2 of 2", "39", "reserve", "737", "free of 2048", "1024"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("Write prints no %q:\n%s", want, b.String())
		}
	}
}
