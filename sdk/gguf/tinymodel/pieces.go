package tinymodel

import "slices"

// pieces cuts a reply into words that keep the space before them. No two pieces
// are equal, since a piece is what tells the model where it is: a word that was
// there before is joined with what follows it, or at the end with what precedes.
func pieces(reply string) []string {
	var out []string
	start := 0
	for i := 1; i <= len(reply); i++ {
		atCut := i == len(reply) || reply[i] == ' '
		if atCut && !slices.Contains(out, reply[start:i]) {
			out = append(out, reply[start:i])
			start = i
		}
	}
	// This ends: a piece as long as the whole reply is equal to no other.
	for start < len(reply) {
		last := len(out) - 1
		start -= len(out[last])
		out = out[:last]
		if !slices.Contains(out, reply[start:]) {
			out = append(out, reply[start:])
			break
		}
	}
	return out
}
