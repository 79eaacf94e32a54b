package bench

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"
)

// maxIdle is how long a connection may lie unused before a new one is dialled
// instead: some servers close idle ones after 5 s, and a request that meets
// the close would measure the reconnection.
const maxIdle = 2 * time.Second

// Client sends HTTP/1.1 requests to one server, over kept connections, and
// knows when each byte arrived. It may be used by many goroutines; an Exchange
// belongs to one.
type Client struct {
	base *url.URL
	addr string
	key  string

	mu   sync.Mutex
	idle []*stampedConn
}

// NewClient makes a client for a base URL such as http://127.0.0.1:8080. The
// key, if any, is sent as a bearer token.
func NewClient(base, key string) (*Client, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, fmt.Errorf("bench: server address %q: want http://HOST:PORT", base)
	}
	addr := u.Host
	if u.Port() == "" {
		addr = net.JoinHostPort(u.Hostname(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
	}
	return &Client{base: u, addr: addr, key: key}, nil
}

// Close closes the idle connections.
func (c *Client) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.idle {
		conn.Close()
	}
	c.idle = nil
}

// Exchange is a request that was sent and its answer's head; the body is read
// through it.
type Exchange struct {
	Sent   time.Time // before the connection was taken or dialled
	Head   time.Time // the status line and headers were there
	Status int
	Header http.Header
	resp   *http.Response
	body   *bufio.Reader
	conn   *stampedConn
	client *Client
	stop   func() bool
	ended  bool
}

// Do sends a request and waits for the answer's head. When ctx ends the
// connection is cut, which is how a client leaves. The caller must Close the
// exchange.
func (c *Client) Do(ctx context.Context, method, path, contentType string, body []byte) (*Exchange, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: repartee-bench\r\n", method, c.base.Path+path, c.base.Host)
	if c.key != "" {
		fmt.Fprintf(&b, "Authorization: Bearer %s\r\n", c.key)
	}
	if contentType != "" {
		fmt.Fprintf(&b, "Content-Type: %s\r\n", contentType)
	}
	if body != nil || method == http.MethodPost {
		b.WriteString("Content-Length: " + strconv.Itoa(len(body)) + "\r\n")
	}
	b.WriteString("\r\n")
	b.Write(body)
	for {
		sent := time.Now()
		conn, reused, err := c.take(ctx)
		if err != nil {
			return nil, err
		}
		x, err := c.exchange(ctx, conn, method, b.Bytes(), sent)
		if err == nil {
			return x, nil
		}
		conn.Close()
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		// A kept connection may have been closed by the server meanwhile.
		if !reused || conn.got {
			return nil, fmt.Errorf("bench: %s %s: %w", method, path, err)
		}
	}
}

func (c *Client) exchange(ctx context.Context, conn *stampedConn, method string, request []byte, sent time.Time) (*Exchange, error) {
	conn.got = false
	stop := context.AfterFunc(ctx, func() { conn.Conn.Close() })
	if _, err := conn.Write(request); err != nil {
		stop()
		return nil, err
	}
	resp, err := http.ReadResponse(conn.r, &http.Request{Method: method})
	if err != nil {
		stop()
		return nil, err
	}
	return &Exchange{
		Sent: sent, Head: conn.at, Status: resp.StatusCode, Header: resp.Header,
		resp: resp, body: bufio.NewReader(resp.Body), conn: conn, client: c, stop: stop,
	}, nil
}

// take returns an idle connection or dials one.
func (c *Client) take(ctx context.Context) (conn *stampedConn, reused bool, err error) {
	c.mu.Lock()
	for n := len(c.idle); n > 0; n = len(c.idle) {
		conn, c.idle = c.idle[n-1], c.idle[:n-1]
		if time.Since(conn.at) < maxIdle {
			c.mu.Unlock()
			return conn, true, nil
		}
		conn.Close()
	}
	c.mu.Unlock()
	raw, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, "tcp", c.addr)
	if err != nil {
		return nil, false, fmt.Errorf("bench: connecting to %s: %w", c.addr, err)
	}
	if c.base.Scheme == "https" {
		secure := tls.Client(raw, &tls.Config{ServerName: c.base.Hostname()})
		if err := secure.HandshakeContext(ctx); err != nil {
			raw.Close()
			return nil, false, fmt.Errorf("bench: connecting to %s: %w", c.addr, err)
		}
		raw = secure
	}
	conn = &stampedConn{Conn: raw}
	conn.r = bufio.NewReaderSize(conn, 32<<10)
	return conn, false, nil
}

// Read reads the body. At says when the bytes arrived.
func (x *Exchange) Read(p []byte) (int, error) {
	n, err := x.body.Read(p)
	if errors.Is(err, io.EOF) {
		x.ended = true
	}
	return n, err
}

// At is when the socket last gave bytes.
func (x *Exchange) At() time.Time { return x.conn.at }

// ReadAll reads the rest of the body, at most limit bytes.
func (x *Exchange) ReadAll(limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(x, limit+1))
	if err == nil && int64(len(data)) > limit {
		return nil, fmt.Errorf("bench: answer longer than %d bytes", limit)
	}
	return data, err
}

// Trailer is what followed a chunked body; filled once Read has returned EOF.
func (x *Exchange) Trailer() http.Header { return x.resp.Trailer }

// Close gives the connection back when the body was read to its end, and
// closes it otherwise. It may be called twice.
func (x *Exchange) Close() {
	if x.conn == nil {
		return
	}
	conn, keep := x.conn, x.ended && !x.resp.Close && x.stop()
	x.stop()
	x.conn = &stampedConn{at: conn.at} // At keeps its answer
	if x.client == nil {
		return
	}
	client := x.client
	x.client = nil
	if !keep {
		conn.Close()
		return
	}
	client.mu.Lock()
	client.idle = append(client.idle, conn)
	client.mu.Unlock()
}

// stampedConn notes when each read returned.
type stampedConn struct {
	net.Conn
	r   *bufio.Reader
	at  time.Time
	got bool // bytes of an answer were read
}

// Read reads from the socket and notes the time.
func (c *stampedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.at, c.got = time.Now(), true
	}
	return n, err
}
