package text

import (
	"regexp"
	"strings"
)

var (
	reURL   = regexp.MustCompile(`(?i)\b(?:(?:https?|ftp|file)://|www\.)[^\s<>"']*[^\s<>"'.,;:!?)\]}]`)
	reEmail = regexp.MustCompile(`(?i)\b(?:mailto:)?([a-z0-9._%+-]+@[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,})\b`)
	reHost  = regexp.MustCompile(`(?i)\b([a-z0-9-]+(?:\.[a-z0-9-]+)*\.(?:com|org|net|io|dev|edu|gov|ai|app|uk|de|fr|eu|info|tv|me|co|us|ca|au|nl|ch))((?:/[\w./%~?=&#+-]*)?)\b`)
	reFile  = regexp.MustCompile(`(?i)\b([\w-]+)\.(txt|go|py|js|ts|json|ya?ml|md|html?|css|sh|cpp|[ch]|rs|java|pdf|png|jpe?g|gif|svg|mp[34]|wav|zip|gz|tar|exe|so|onnx|gguf|csv|xml|toml|ini|cfg|log|sql|db)\b`)
)

// addresses writes out URLs, e-mail addresses, host and file names.
func addresses(s string) string {
	if strings.Contains(s, "://") || strings.Contains(s, "www.") || strings.Contains(s, "WWW.") {
		s = reURL.ReplaceAllStringFunc(s, func(u string) string {
			if i := strings.Index(u, "://"); i >= 0 {
				u = u[i+3:]
			}
			if i := strings.IndexAny(u, "?#"); i >= 0 { // queries are noise to the ear
				u = u[:i]
			}
			if len(u) > 4 && strings.EqualFold(u[:4], "www.") {
				u = u[4:]
			}
			return spellAddress(strings.TrimRight(u, "/"))
		})
	}
	if strings.IndexByte(s, '@') >= 0 {
		s = reEmail.ReplaceAllStringFunc(s, func(m string) string {
			return spellAddress(reEmail.FindStringSubmatch(m)[1])
		})
	}
	if strings.IndexByte(s, '.') >= 0 {
		s = reHost.ReplaceAllStringFunc(s, spellAddress)
		s = reFile.ReplaceAllStringFunc(s, spellAddress)
	}
	return s
}

// spellAddress says the marks inside an address.
func spellAddress(a string) string {
	r := strings.NewReplacer(".", " dot ", "/", " slash ", "@", " at ", "-", " dash ", "_", " underscore ",
		":", " colon ", "~", " tilde ", "%20", " ", "+", " plus ", "=", " equals ", "&", " and ")
	return " " + r.Replace(a) + " "
}
