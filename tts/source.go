package tts

import (
	"context"

	"repartee/tts/text"
)

// source gives the lines of a request's text one after the other.
type source struct {
	r       *resident
	rd      reading
	eager   bool
	spans   []text.Span
	split   *text.Splitter // of the first span; nil before it was begun
	any     bool           // something was said already
	skip    int            // pieces still to be left out
	skipped int            // bytes of those that were
	pieces  int            // taken from the text
}

// open reads the markup of the whole text, if it has one.
func (s *source) open(o *order) error {
	s.r, s.rd.lexicon, s.eager = o.r, o.lexicon, !o.Whole
	s.rd.espeak = o.r.info.Accent(o.speaker)
	s.skip, s.any = o.From, o.From > 0
	if !o.SSML || !text.IsSSML(o.Text) {
		s.spans = []text.Span{{Text: text.Unreserve(o.Text), Manner: text.Natural, End: text.EndParagraph}}
		return nil
	}
	var err error
	s.rd.plain = true
	if s.spans, err = text.SSML(o.Text, &s.rd.table); err != nil {
		return &FieldError{"text", err.Error()}
	}
	return nil
}

// next gives the lines of the next piece that has any; false at the end.
func (s *source) next(ctx context.Context, ph phonemizer) ([]line, bool, error) {
	for len(s.spans) > 0 {
		span := s.spans[0]
		if s.split == nil {
			s.split = &text.Splitter{Eager: s.eager && !s.any}
			s.split.Write(span.Text)
			s.split.Flush()
		}
		p, ok := s.split.Next()
		last := ok && s.split.Pending() == 0
		if last && span.End < p.End {
			p.End = span.End
		}
		s.pieces++
		if s.skip > 0 {
			s.skip--
			s.skipped += len(p.Text)
			if !ok || last {
				s.spans, s.split = s.spans[1:], nil
			}
			continue
		}
		var lines []line
		if ok {
			var err error
			if lines, err = s.r.lines(ctx, ph, &s.rd, p); err != nil {
				return nil, false, err
			}
		}
		if !ok || last {
			s.spans, s.split = s.spans[1:], nil
			if span.Pause > 0 {
				if len(lines) == 0 && s.any {
					lines = []line{{}}
				}
				if n := len(lines); n > 0 {
					lines[n-1].wait = span.Pause
				}
			}
		}
		for !s.any && len(lines) > 0 && lines[0].units == "" {
			lines = lines[1:] // silence before the first word is nothing to say
		}
		if len(lines) == 0 {
			continue
		}
		for i := range lines {
			lines[i].manner, lines[i].piece = span.Manner, s.pieces
		}
		s.any = true
		return lines, true, nil
	}
	return nil, false, nil
}
