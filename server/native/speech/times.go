package speech

import (
	"encoding/base64"
	"strconv"
	"time"

	"repartee/server/web"
	"repartee/tts"
)

// withTimes is the answer to a request with timestamps: the audio in base64 and
// when what is heard in it, in seconds.
func withTimes(audio []byte, info tts.SpeechInfo, length time.Duration, c tts.Captions) []byte {
	b := make([]byte, 0, base64.StdEncoding.EncodedLen(len(audio))+64*(len(c.Phonemes)+len(c.Words))+512)
	b = append(b, `{"audio":"`...)
	b = base64.StdEncoding.AppendEncode(b, audio)
	b = web.AppendString(append(b, `","voice":`...), info.Voice)
	b = web.AppendString(append(b, `,"format":`...), info.Format)
	b = web.AppendString(append(b, `,"content_type":`...), info.ContentType)
	b = strconv.AppendInt(append(b, `,"sample_rate":`...), int64(info.SampleRate), 10)
	b = appendSeconds(append(b, `,"duration":`...), length)
	b = appendSpans(append(b, `,"clauses":`...), "text", c.Clauses)
	b = appendSpans(append(b, `,"words":`...), "word", c.Words)
	b = appendSpans(append(b, `,"phonemes":`...), "phoneme", c.Phonemes)
	return append(b, '}')
}

func appendSpans(b []byte, name string, spans []tts.Span) []byte {
	b = append(b, '[')
	for i, s := range spans {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, `{"`...), name...), `":`...)
		b = appendSeconds(append(web.AppendString(b, s.Text), `,"start":`...), s.Start)
		b = append(appendSeconds(append(b, `,"end":`...), s.End), '}')
	}
	return append(b, ']')
}

func appendSeconds(b []byte, d time.Duration) []byte {
	return strconv.AppendFloat(b, d.Seconds(), 'f', 3, 64)
}
