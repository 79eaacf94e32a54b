package bench

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"
)

// maxEvent bounds one event, bytes.
const maxEvent = 8 << 20

// Event is one server-sent event.
type Event struct {
	Name string    // the event field, mostly empty
	Data []byte    // data lines joined by \n; valid until the next call
	At   time.Time // when the read that completed the event returned
}

// Events reads a text/event-stream. It belongs to one goroutine.
type Events struct {
	r     *bufio.Reader
	clock func() time.Time
	data  []byte
	line  []byte
	begun bool
}

// NewEvents reads events from r; clock says when r's last bytes arrived.
func NewEvents(r io.Reader, clock func() time.Time) *Events {
	return &Events{r: bufio.NewReaderSize(r, 4<<10), clock: clock}
}

// Next returns the next event that has data. It returns io.EOF at the end of
// the stream; an event cut short by the end is dropped, as the format says.
func (e *Events) Next() (Event, error) {
	var ev Event
	e.data = e.data[:0]
	has := false
	for {
		line, err := e.readLine()
		if err != nil {
			return Event{}, err
		}
		if len(line) == 0 {
			if has {
				ev.Data, ev.At = e.data, e.clock()
				return ev, nil
			}
			ev.Name = ""
			continue
		}
		field, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(field) {
		case "data":
			if has {
				e.data = append(e.data, '\n')
			}
			if len(e.data)+len(value) > maxEvent {
				return Event{}, fmt.Errorf("bench: event longer than %d bytes", maxEvent)
			}
			e.data, has = append(e.data, value...), true
		case "event":
			ev.Name = string(value)
		}
	}
}

// readLine returns a line without its end (\n or \r\n).
func (e *Events) readLine() ([]byte, error) {
	e.line = e.line[:0]
	for {
		part, err := e.r.ReadSlice('\n')
		e.line = append(e.line, part...)
		if errors.Is(err, bufio.ErrBufferFull) {
			if len(e.line) > maxEvent {
				return nil, fmt.Errorf("bench: line longer than %d bytes", maxEvent)
			}
			continue
		}
		if err != nil {
			return nil, err // the unfinished line is dropped
		}
		line := bytes.TrimSuffix(e.line[:len(e.line)-1], []byte("\r"))
		if !e.begun {
			e.begun = true
			line = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf"))
		}
		return line, nil
	}
}
