package systemd

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
)

const (
	// maxEntry is the longest entry of the journal that is read.
	maxEntry = 4 << 20
	// firstEntries are how many entries of before are read without a place to go on.
	firstEntries = "1000"
)

// Entry is a line of the journal.
type Entry struct {
	Message    string
	Invocation string // the unit's life that it is of; empty where it isn't known
	Cursor     string // the place after it
}

// Follow calls told with what the unit has printed and what systemd says of it
// after a place in the journal, in order, and waits for more until ctx is done or
// told fails. Without a place, or with one that is gone, it begins with the latest.
func (u *Unit) Follow(ctx context.Context, cursor string, told func(Entry) error) error {
	args := []string{
		"--follow", "--output=json", "--all", "--quiet", "--unit=" + u.Name,
		"--output-fields=MESSAGE,_SYSTEMD_INVOCATION_ID,INVOCATION_ID", "--lines=" + firstEntries,
	}
	if cursor != "" {
		args = append(args[:len(args)-1], "--lines=all", "--after-cursor="+cursor)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := exec.CommandContext(ctx, cmp.Or(u.Journalctl, "journalctl"), args...)
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("follow the journal: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("follow the journal: %w", err)
	}
	err = read(out, told)
	cancel()
	ended := cmd.Wait()
	if err == nil {
		err = errors.Join(ended, errors.New(strings.TrimSpace(complaint.String())))
	}
	return fmt.Errorf("follow the journal: %w", err)
}

// read reads entries until there are no more, which is no error.
func read(r io.Reader, told func(Entry) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 64<<10), maxEntry)
	for lines.Scan() {
		entry, ok := parse(lines.Bytes())
		if !ok {
			continue
		}
		if err := told(entry); err != nil {
			return err
		}
	}
	return lines.Err()
}

// parse reads one entry, which journalctl writes as a line of JSON. A message that
// is no text comes as an array of bytes.
func parse(line []byte) (Entry, bool) {
	var in struct {
		Cursor   string          `json:"__CURSOR"`
		Message  json.RawMessage `json:"MESSAGE"`
		Printed  string          `json:"_SYSTEMD_INVOCATION_ID"`
		ToldOfIt string          `json:"INVOCATION_ID"` // by systemd
	}
	if json.Unmarshal(line, &in) != nil || in.Cursor == "" {
		return Entry{}, false
	}
	entry := Entry{Cursor: in.Cursor, Invocation: cmp.Or(in.ToldOfIt, in.Printed)}
	var text string
	var raw []uint16 // a []byte would be base64
	switch {
	case json.Unmarshal(in.Message, &text) == nil:
		entry.Message = text
	case json.Unmarshal(in.Message, &raw) == nil:
		bytes := make([]byte, len(raw))
		for i, b := range raw {
			bytes[i] = byte(b)
		}
		entry.Message = strings.ToValidUTF8(string(bytes), "\uFFFD")
	}
	return entry, true
}
