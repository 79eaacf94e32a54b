package bench

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// Sentences are made from seeded parts, so that no two requests of a run are
// the same text and no cache answers, and the length stays where it should be.
var (
	subjects = strings.Split("the old captain,a young painter,our neighbour,the night train,the small museum,a quiet river,the first winter storm,my grandmother,the village school,a friendly dog", ",")
	verbs    = strings.Split("remembers,has never forgotten,waits beside,slowly walks past,is looking for,passes,dreams of,returns to,keeps,watches", ",")
	objects  = strings.Split("the white lighthouse,a garden full of roses,the narrow bridge,an empty market square,the blue mountains,a letter from abroad,the last harbour lamp,an open window,the wooden boat,a song of the sea", ",")
	times    = strings.Split("every morning,at the end of the day,in the middle of the night,when the rain begins,before the others wake up,on quiet Sundays,in early spring,after a long journey", ",")
)

func part(rng *rand.Rand, list []string) string { return list[rng.IntN(len(list))] }

// clause is about 2 to 3 seconds of speech.
func clause(rng *rand.Rand) string {
	return fmt.Sprintf("%s %s %s", part(rng, subjects), part(rng, verbs), part(rng, objects))
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// ShortText is about 1.5 to 2.5 seconds of speech.
func ShortText(rng *rand.Rand) string { return capital(clause(rng)) + "." }

// MediumText is two sentences, about 6 to 7 seconds of speech.
func MediumText(rng *rand.Rand) string {
	return capital(part(rng, times)) + ", " + clause(rng) + ". " + ShortText(rng)
}

// LongText is about 600 characters, 34 seconds of speech.
func LongText(rng *rand.Rand) string {
	var b strings.Builder
	for b.Len() < 540 {
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(MediumText(rng))
	}
	return b.String()
}

// OneSentence is a single sentence of about 12 seconds of speech.
func OneSentence(rng *rand.Rand) string {
	return capital(clause(rng)) + " and " + clause(rng) + " while " + clause(rng) + " and " + clause(rng) + " " + part(rng, times) + "."
}
