package cli

import (
	"io"
	"strings"
)

// textWriter writes text of many lines, less the characters that would steer a
// terminal. Models and Ollamas say whatever they were made to say.
type textWriter struct {
	w       io.Writer
	leading bool // the last byte was leadingC2, which is held back
}

// leadingC2 begins, in UTF-8, the controls U+0080 to U+009F, and some letters.
const leadingC2 = 0xc2

// Write works on bytes, so that a text may be cut anywhere.
func (t *textWriter) Write(p []byte) (int, error) {
	shown := make([]byte, 0, len(p)+1)
	for _, b := range p {
		if t.leading {
			t.leading = false
			if b >= 0x80 && b <= 0x9f {
				continue
			}
			shown = append(shown, leadingC2)
		}
		switch {
		case b == leadingC2:
			t.leading = true
		case b >= ' ' && b != 0x7f, b == '\n', b == '\t':
			shown = append(shown, b)
		}
	}
	if _, err := t.w.Write(shown); err != nil {
		return 0, err
	}
	return len(p), nil
}

// endLine ends a text that may lack its last newline.
func endLine(w io.Writer, text string) error {
	if strings.HasSuffix(text, "\n") {
		return nil
	}
	_, err := io.WriteString(w, "\n")
	return err
}
