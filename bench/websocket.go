package bench

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// maxFrame bounds one message, bytes.
const maxFrame = 16 << 20

// Frame is one message of a WebSocket.
type Frame struct {
	Binary bool
	Data   []byte // valid until the next Read
	At     time.Time
}

// Socket is a WebSocket client (RFC 6455) of the bench: text and binary
// messages, pings answered, no extensions. One goroutine reads and writes.
type Socket struct {
	conn *stampedConn
	r    *bufio.Reader
	stop func() bool
	data []byte
	mask [4]byte
}

// Dial opens a WebSocket at path. The connection is cut when ctx ends.
func (c *Client) Dial(ctx context.Context, path, protocol string) (*Socket, error) {
	conn, _, err := (&Client{base: c.base, addr: c.addr}).take(ctx)
	if err != nil {
		return nil, err
	}
	var nonce [16]byte
	_, _ = rand.Read(nonce[:])
	key := base64.StdEncoding.EncodeToString(nonce[:])
	request := fmt.Sprintf("GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\nSec-WebSocket-Protocol: %s\r\n", c.base.Path+path, c.base.Host, key, protocol)
	if c.key != "" {
		request += "Authorization: Bearer " + c.key + "\r\n"
	}
	s := &Socket{conn: conn, r: conn.r, stop: context.AfterFunc(ctx, func() { conn.Conn.Close() })}
	_, _ = rand.Read(s.mask[:])
	fail := func(err error) (*Socket, error) {
		s.Close()
		return nil, fmt.Errorf("bench: opening a WebSocket at %s: %w", path, err)
	}
	if _, err := conn.Write([]byte(request + "\r\n")); err != nil {
		return fail(err)
	}
	resp, err := http.ReadResponse(conn.r, &http.Request{Method: http.MethodGet})
	if err != nil {
		return fail(err)
	}
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	if resp.StatusCode != http.StatusSwitchingProtocols {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 1024))
		return fail(statusError(resp.StatusCode, body))
	}
	if resp.Header.Get("Sec-WebSocket-Accept") != base64.StdEncoding.EncodeToString(sum[:]) {
		return fail(errors.New("wrong Sec-WebSocket-Accept"))
	}
	return s, nil
}

// Close cuts the connection.
func (s *Socket) Close() {
	s.stop()
	s.conn.Close()
}

// WriteText sends a text message.
func (s *Socket) WriteText(data []byte) error { return s.write(1, data) }

func (s *Socket) write(op byte, data []byte) error {
	frame := []byte{0x80 | op}
	switch n := len(data); {
	case n < 126:
		frame = append(frame, 0x80|byte(n))
	case n < 1<<16:
		frame = binary.BigEndian.AppendUint16(append(frame, 0x80|126), uint16(n))
	default:
		frame = binary.BigEndian.AppendUint64(append(frame, 0x80|127), uint64(n))
	}
	frame = append(frame, s.mask[:]...)
	start := len(frame)
	frame = append(frame, data...)
	for i := range data {
		frame[start+i] ^= s.mask[i%4]
	}
	_, err := s.conn.Write(frame)
	return err
}

// Read returns the next message. A close from the server is io.EOF when it was
// a normal one, else an error with its code.
func (s *Socket) Read() (Frame, error) {
	s.data = s.data[:0]
	var f Frame
	first := true
	for {
		var head [2]byte
		if _, err := io.ReadFull(s.r, head[:]); err != nil {
			return f, err
		}
		size := uint64(head[1] & 0x7f)
		var ext [8]byte
		switch size {
		case 126:
			if _, err := io.ReadFull(s.r, ext[:2]); err != nil {
				return f, err
			}
			size = uint64(binary.BigEndian.Uint16(ext[:2]))
		case 127:
			if _, err := io.ReadFull(s.r, ext[:]); err != nil {
				return f, err
			}
			size = binary.BigEndian.Uint64(ext[:])
		}
		op := head[0] & 0x0f
		switch {
		case head[0]&0x70 != 0 || head[1]&0x80 != 0:
			return f, errors.New("bench: WebSocket frame with reserved bits or a mask")
		case op >= 8 && (size > 125 || head[0]&0x80 == 0):
			return f, errors.New("bench: WebSocket control frame too long or split")
		case size > maxFrame || uint64(len(s.data))+size > maxFrame:
			return f, fmt.Errorf("bench: WebSocket message longer than %d bytes", maxFrame)
		}
		at := len(s.data)
		s.data = append(s.data, make([]byte, size)...)
		if _, err := io.ReadFull(s.r, s.data[at:]); err != nil {
			return f, err
		}
		payload := s.data[at:]
		switch op {
		case 9: // ping
			if err := s.write(10, payload); err != nil {
				return f, err
			}
			s.data = s.data[:at]
			continue
		case 10:
			s.data = s.data[:at]
			continue
		case 8:
			return f, closeError(payload)
		case 0, 1, 2:
			if (op == 0) == first {
				return f, errors.New("bench: WebSocket fragments out of order")
			}
		default:
			return f, fmt.Errorf("bench: WebSocket frame of unknown kind %d", op)
		}
		if first {
			f.Binary, first = op == 2, false
		}
		if head[0]&0x80 != 0 {
			f.Data, f.At = s.data, s.conn.at
			return f, nil
		}
	}
}

func closeError(payload []byte) error {
	if len(payload) < 2 {
		return io.EOF
	}
	code := binary.BigEndian.Uint16(payload)
	if code == 1000 || code == 1001 {
		return io.EOF
	}
	return fmt.Errorf("bench: the server closed with %d %q", code, payload[2:])
}
