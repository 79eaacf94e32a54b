package audio

import (
	"bytes"
	"fmt"

	"github.com/mewkiz/flac"
	"github.com/mewkiz/flac/frame"
	"github.com/mewkiz/flac/meta"
)

// flacEncoder is lossless FLAC, blocks of a fixed size.
type flacEncoder struct {
	enc  *flac.Encoder
	out  bytes.Buffer
	rate int
	rest []int16
	num  uint64
}

const flacBlock = 4096

func newFLAC(o Options) (Encoder, error) {
	e := &flacEncoder{rate: o.SampleRate}
	enc, err := flac.NewEncoder(&e.out, &meta.StreamInfo{
		BlockSizeMin: flacBlock, BlockSizeMax: flacBlock,
		SampleRate: uint32(o.SampleRate), NChannels: 1, BitsPerSample: 16,
		NSamples: uint64(max(o.Samples, 0)),
	})
	if err != nil {
		return nil, fmt.Errorf("audio: flac encoder: %w", err)
	}
	enc.EnablePredictionAnalysis(true)
	e.enc = enc
	return e, nil
}

func (e *flacEncoder) Encode(dst []byte, s []int16) ([]byte, error) {
	e.rest = append(e.rest, s...)
	used := 0
	for len(e.rest)-used >= flacBlock {
		if err := e.block(e.rest[used : used+flacBlock]); err != nil {
			return dst, err
		}
		used += flacBlock
	}
	e.rest = append(e.rest[:0], e.rest[used:]...)
	return e.drain(dst), nil
}

func (e *flacEncoder) block(s []int16) error {
	samples := make([]int32, len(s))
	for i, x := range s {
		samples[i] = int32(x)
	}
	f := &frame.Frame{
		Header: frame.Header{
			HasFixedBlockSize: true, BlockSize: uint16(len(s)), SampleRate: uint32(e.rate),
			Channels: frame.ChannelsMono, BitsPerSample: 16, Num: e.num,
		},
		Subframes: []*frame.Subframe{{
			SubHeader: frame.SubHeader{Pred: frame.PredVerbatim},
			Samples:   samples, NSamples: len(s),
		}},
	}
	e.num++
	if err := e.enc.WriteFrame(f); err != nil {
		return fmt.Errorf("audio: flac encoder: %w", err)
	}
	return nil
}

func (e *flacEncoder) drain(dst []byte) []byte {
	dst = append(dst, e.out.Bytes()...)
	e.out.Reset()
	return dst
}

func (e *flacEncoder) Finish(dst []byte) ([]byte, error) {
	if len(e.rest) > 0 {
		if err := e.block(e.rest); err != nil {
			return dst, err
		}
		e.rest = nil
	}
	return e.drain(dst), nil
}

func (e *flacEncoder) Close() {}
