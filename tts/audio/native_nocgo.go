//go:build !cgo

package audio

func newMP3(Options) (Encoder, error) { return nil, ErrNoEncoder }

// LameVersion is empty in a build without cgo.
func LameVersion() string { return "" }

type codec struct{}

func newCodec(rate, bitrate int) (*codec, int, error) { return nil, 0, ErrNoEncoder }

func (c *codec) packet(buf []byte, s []int16) ([]byte, error) { return nil, ErrNoEncoder }

func (c *codec) close() {}
