package cli

import (
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/corral-fleet/corral/sdk/client"
	"github.com/corral-fleet/corral/sdk/fault"
)

// maxQuestion bounds what is read from standard input, in bytes.
const maxQuestion = 4 << 20

func (s *session) chatCommand() *cobra.Command {
	return &cobra.Command{
		Use: "chat MODEL [TEXT]", Short: "Ask a model, on whichever host has it", Args: atLeast("MODEL"), ValidArgsFunction: s.completeArgs(s.modelNames, nil),
		Long: `Ask a model one question, on whichever host has it. The answer is printed as it
comes. Without TEXT the question is read from standard input.`,
		Example: `  corral chat llama3 "Why is the sky blue?"
  corral chat llama3 < question.txt`,
		RunE: func(cmd *cobra.Command, args []string) error {
			question, err := s.question(args[1:])
			if err != nil {
				return err
			}
			c, err := s.client()
			if err != nil {
				return err
			}
			if s.output == outputJSON {
				reply, err := c.Chat(cmd.Context(), args[0], question)
				if err != nil {
					return err
				}
				return s.json(replyJSON(reply))
			}
			shown := &textWriter{w: s.Stdout}
			reply, err := c.ChatStream(cmd.Context(), args[0], question, func(piece client.Piece) error {
				_, err := io.WriteString(shown, piece.Text)
				return err
			})
			if err != nil {
				return err
			}
			return endLine(s.Stdout, reply.Message)
		},
	}
}

// question is the text on the command line, or else all of standard input.
func (s *session) question(words []string) (string, error) {
	if len(words) > 0 {
		return strings.Join(words, " "), nil
	}
	text, err := io.ReadAll(io.LimitReader(s.Stdin, maxQuestion+1))
	switch {
	case err != nil:
		return "", fault.Wrap(fault.Invalid, err, "the question could not be read from standard input").On(fault.Caller)
	case len(text) > maxQuestion:
		return "", fault.New(fault.Invalid, "the question is over %d MiB", maxQuestion>>20).On(fault.Caller)
	case strings.TrimSpace(string(text)) == "":
		return "", fault.New(fault.Invalid, "there is no question; give it behind the model or on standard input").On(fault.Caller)
	}
	return string(text), nil
}

// answer is a reply in the API's own form.
type answer struct {
	Message        string `json:"message"`
	Model          string `json:"model"`
	Tokens         int    `json:"tokens"`
	ResponseMillis int64  `json:"response_time"`
}

func replyJSON(r *client.Reply) answer {
	return answer{Message: r.Message, Model: r.Model, Tokens: r.Tokens, ResponseMillis: r.ResponseTime.Milliseconds()}
}
