package text

import (
	"regexp"
	"strings"
)

var (
	mdImage   = regexp.MustCompile(`!\[([^\]]*)\]\([^)\s]*(?:\s+"[^"]*")?\)`)
	mdLink    = regexp.MustCompile(`\[([^\]]+)\]\([^)\s]*(?:\s+"[^"]*")?\)`)
	mdRef     = regexp.MustCompile(`\[([^\]]+)\]\[[^\]]*\]|\[\^[^\]]*\]`)
	mdStrong  = regexp.MustCompile(`(\*\*\*|\*\*|__)(\S(?:.*?\S)?)(\*\*\*|\*\*|__)`)
	mdEm      = regexp.MustCompile(`(^|[\s(\["'])([*_])([^\s*_](?:[^*_]*[^\s*_])?)([*_])($|[\s)\]"'.,;:!?])`)
	mdStrike  = regexp.MustCompile(`~~(\S(?:.*?\S)?)~~`)
	mdCode    = regexp.MustCompile("`+([^`]+)`+")
	mdLead    = regexp.MustCompile(`^\s*(?:>\s*)*(?:#{1,6}\s+|[-*+]\s+(?:\[[ xX]\]\s+)?|\|\s*)?`)
	mdNumber  = regexp.MustCompile(`^\s*(\d{1,3})[.)]\s+`)
	mdRule    = regexp.MustCompile(`^\s*(?:[-*_=]\s*){3,}$|^[\s|:+-]+$`)
	htmlTag   = regexp.MustCompile(`(?i)</?(?:a|b|i|u|s|p|q|br|hr|em|strong|code|pre|span|div|h[1-6]|ul|ol|li|dl|dt|dd|table|thead|tbody|tr|td|th|img|sub|sup|blockquote|small|kbd|del|ins|mark|cite|abbr|font|center|section|article|details|summary|think)(?:\s+[a-z-]+\s*=\s*(?:"[^"]*"|'[^']*'|[^\s>]+))*\s*/?>|<!--.*?-->`)
	htmlNamed = strings.NewReplacer("&amp;", "&", "&lt;", "<", "&gt;", ">", "&quot;", `"`, "&#39;", "'", "&apos;", "'", "&nbsp;", " ")
)

// stripMarkdown leaves the words of marked-up text.
func stripMarkdown(s string) string {
	if strings.IndexByte(s, '&') >= 0 {
		s = htmlNamed.Replace(s)
	}
	if strings.IndexByte(s, '<') >= 0 {
		s = htmlTag.ReplaceAllString(s, " ")
	}
	if !strings.ContainsAny(s, "*_`#[]>|~+-=") && !startsWithNumber(s) {
		return s
	}
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		if mdRule.MatchString(line) {
			lines[i] = ""
			continue
		}
		line = mdLead.ReplaceAllString(line, "")
		if m := mdNumber.FindStringSubmatch(line); m != nil {
			line = m[1] + ", " + line[len(m[0]):]
		}
		if strings.Count(line, "|") > 0 && (strings.HasSuffix(strings.TrimSpace(line), "|") || strings.Count(line, " | ") > 0) {
			line = strings.ReplaceAll(strings.TrimRight(line, "| \t"), "|", ",")
		}
		lines[i] = line
	}
	s = strings.Join(lines, "\n")
	if strings.IndexByte(s, '[') >= 0 {
		s = mdImage.ReplaceAllString(s, "$1")
		s = mdLink.ReplaceAllString(s, "$1")
		s = mdRef.ReplaceAllString(s, "$1")
	}
	s = mdCode.ReplaceAllString(s, "$1")
	if strings.ContainsAny(s, "*_~") {
		s = mdStrong.ReplaceAllString(s, "$2")
		s = mdEm.ReplaceAllString(s, "$1$3$5")
		s = mdStrike.ReplaceAllString(s, "$1")
	}
	return s
}

func startsWithNumber(s string) bool {
	t := strings.TrimLeft(s, " ")
	return t != "" && t[0] >= '0' && t[0] <= '9'
}
