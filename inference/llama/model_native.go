//go:build cgo

package llama

// #include "shim.h"
// #include <stdlib.h>
import "C"

import (
	"fmt"
	"runtime/cgo"
	"sync"
	"unsafe"
)

// nativeModel guards the C handle: calls hold the read lock, Close the other.
type nativeModel struct {
	mu sync.RWMutex
	c  *C.rp_model
}

// use runs f with the handle, or says that the model is closed.
func (n *nativeModel) use(f func(c *C.rp_model) error) error {
	n.mu.RLock()
	defer n.mu.RUnlock()
	if n.c == nil {
		return fmt.Errorf("%w: the model is closed", ErrArgument)
	}
	return f(n.c)
}

// LoadModel loads a GGUF file. The weights are mapped, so that several models of
// one file share memory with the page cache. A file that is no usable model is
// refused with an error that wraps ErrModelFile and names the reason; when
// Progress returned false the error wraps ErrLoadCancelled too.
func LoadModel(p ModelParams) (*Model, error) {
	if err := checkModelFile(p.Path, p.VocabOnly); err != nil {
		return nil, err
	}
	defer drainLog()

	var cancelled bool
	var handle cgo.Handle
	if p.Progress != nil {
		handle = cgo.NewHandle(func(f float32) bool {
			drainLog()
			goOn := p.Progress(f)
			cancelled = cancelled || !goOn
			return goOn
		})
		defer handle.Delete()
	}
	path := C.CString(p.Path)
	defer C.free(unsafe.Pointer(path))
	cp := (*C.rp_model_params)(C.calloc(1, C.sizeof_rp_model_params))
	defer C.free(unsafe.Pointer(cp))
	cp.path = path
	cp.gpu_layers = C.int32_t(p.GPULayers)
	cp.vocab_only = C.bool(p.VocabOnly)
	cp.mlock = C.bool(p.MLock)
	cp.heads = C.bool(p.Heads)
	cp.progress = C.uintptr_t(handle)

	m := &Model{}
	var msg message
	if code := C.rp_model_load(cp, &m.native.c, msg.ptr(), msg.size()); code != C.RP_OK {
		if cancelled {
			return nil, fmt.Errorf("%w: %w: loading %q", ErrModelFile, ErrLoadCancelled, p.Path)
		}
		return nil, failure(code, ErrModelFile, fmt.Sprintf("loading %q", p.Path), &msg)
	}
	if err := m.describe(p.Path); err != nil {
		m.Close()
		return nil, err
	}
	if !p.VocabOnly { // what a template implies is learned by using it; not in the first request
		_, _ = m.Render(TemplateInput{Messages: []Message{{Role: "user", Content: "x"}}})
	}
	return m, nil
}

// Close frees the model once every context, sampler and grammar made from it is
// closed too. It waits for calls that are under way.
func (m *Model) Close() {
	m.native.mu.Lock()
	defer m.native.mu.Unlock()
	if m.native.c != nil {
		C.rp_model_free(m.native.c)
		m.native.c = nil
	}
}

// describe fills what never changes: info, metadata, the piece table.
func (m *Model) describe(path string) error {
	c := m.native.c
	var ci C.rp_model_info
	C.rp_model_get_info(c, &ci)
	m.meta = map[string]string{}
	for i := C.int32_t(0); ; i++ {
		var k, v *C.char
		if C.rp_model_meta(c, i, &k, &v) != C.RP_OK {
			break
		}
		m.meta[C.GoString(k)] = C.GoString(v)
		C.rp_free(unsafe.Pointer(k))
		C.rp_free(unsafe.Pointer(v))
	}
	m.info = ModelInfo{
		Path:          path,
		Name:          m.meta["general.name"],
		Architecture:  m.meta["general.architecture"],
		Description:   C.GoString(&ci.description[0]),
		FileType:      C.GoString(&ci.file_type[0]),
		SizeBytes:     uint64(ci.size_bytes),
		Parameters:    uint64(ci.parameters),
		ContextTrain:  int(ci.context_train),
		Embedding:     int(ci.embedding),
		Layers:        int(ci.layers),
		Heads:         int(ci.heads),
		HeadsKV:       int(ci.heads_kv),
		VocabSize:     int(ci.vocab_size),
		BOS:           Token(ci.bos),
		EOS:           Token(ci.eos),
		EOT:           Token(ci.eot),
		AddBOS:        bool(ci.add_bos),
		SlidingWindow: int(ci.sliding_window),
		Recurrent:     bool(ci.recurrent),
		Hybrid:        bool(ci.hybrid),
		Encoder:       bool(ci.encoder) || !bool(ci.decoder),
	}
	if t := C.rp_model_template(c); t != nil {
		m.info.ChatTemplate = C.GoString(t)
		C.rp_free(unsafe.Pointer(t))
	}
	eog := make([]Token, 256)
	var n C.int32_t
	if C.rp_model_eog(c, (*C.int32_t)(&eog[0]), C.int32_t(len(eog)), &n) == C.RP_SMALL {
		eog = make([]Token, n)
		C.rp_model_eog(c, (*C.int32_t)(&eog[0]), n, &n)
	}
	m.info.EOG = eog[:n:n]

	m.pieces.offset = make([]int64, m.info.VocabSize+1)
	m.pieces.attr = make([]uint8, m.info.VocabSize)
	var text *C.char
	var msg message
	code := C.rp_model_pieces(c, &text, (*C.int64_t)(&m.pieces.offset[0]), (*C.uint8_t)(&m.pieces.attr[0]), msg.ptr(), msg.size())
	if code != C.RP_OK {
		return failure(code, ErrModelFile, fmt.Sprintf("reading the vocabulary of %q", path), &msg)
	}
	m.pieces.text = taken(text, C.size_t(m.pieces.offset[m.info.VocabSize]))
	return nil
}

// Tokenize appends the tokens of text to dst. addSpecial adds what the
// vocabulary wants around a text (BOS, as a rule); parseSpecial reads control
// tokens in the text as such, which is right for rendered templates and wrong
// for what a user typed.
func (m *Model) Tokenize(dst []Token, text string, addSpecial, parseSpecial bool) ([]Token, error) {
	if len(text) > maxTokenizeBytes {
		return dst, fmt.Errorf("%w: tokenizing %d bytes: at most %d are taken", ErrArgument, len(text), maxTokenizeBytes)
	}
	err := m.native.use(func(c *C.rp_model) error {
		// No vocabulary makes more tokens than bytes, a few specials apart.
		room := len(text)/2 + 16
		for {
			at := len(dst)
			if cap(dst)-at < room {
				grown := make([]Token, at, at+room)
				copy(grown, dst)
				dst = grown
			}
			free := dst[at:cap(dst)]
			var n C.int32_t
			var msg message
			code := C.rp_tokenize(c, (*C.char)(unsafe.Pointer(unsafe.StringData(text))), C.int32_t(len(text)),
				C.bool(addSpecial), C.bool(parseSpecial), (*C.int32_t)(unsafe.SliceData(free)), C.int32_t(len(free)),
				&n, msg.ptr(), msg.size())
			switch code {
			case C.RP_OK:
				dst = dst[:at+int(n)]
				return nil
			case C.RP_SMALL:
				room = int(n)
			default:
				return failure(code, ErrArgument, "tokenizing", &msg)
			}
		}
	})
	return dst, err
}
