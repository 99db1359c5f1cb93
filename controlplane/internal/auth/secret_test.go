package auth

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"
)

func TestASecretIsNeverShown(t *testing.T) {
	secret := newSecret(keyPrefix)
	record := struct {
		Key   Secret
		Other *Secret
	}{secret, &secret}
	encoded, err := json.Marshal(record)
	if err != nil {
		t.Fatal(err)
	}
	var logged bytes.Buffer
	for _, asJSON := range []bool{false, true} {
		logger := hclog.New(&hclog.LoggerOptions{Output: &logged, JSONFormat: asJSON, Level: hclog.Trace})
		logger.Info("made a key", "key", secret, "pointer", &secret, "record", record, "list", []Secret{secret})
	}
	shown := []string{string(encoded), logged.String(), errors.Join(fmt.Errorf("key %v", secret)).Error()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T %v", "%10.3s", "%c", "%o"} {
		shown = append(shown, fmt.Sprintf(verb, secret), fmt.Sprintf(verb, record), fmt.Sprintf(verb, &secret))
	}
	hidden := []string{secret.text[len(keyPrefix):], fmt.Sprintf("%x", secret.text), fmt.Sprintf("%d", []byte(secret.text)[4])}
	for _, text := range shown {
		if strings.Contains(text, hidden[0]) || strings.Contains(text, hidden[1]) {
			t.Errorf("a secret is shown: %q", text)
		}
	}
	if text := secret.String(); text != redacted {
		t.Errorf("String is %q", text)
	}
}
