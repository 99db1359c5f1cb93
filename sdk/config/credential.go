package config

import (
	"errors"
	"io/fs"
	"reflect"
	"strings"
)

// setCredential sets a secret from a systemd credential, where there is one.
func setCredential(f Field, path string, set Origins, faults *Faults) {
	origin := Origin{Layer: Environment, Source: path}
	text, err := readSecret(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		faults.add(origin, f.Path, "%v", err)
	default:
		f.value.Set(reflect.ValueOf(NewSecret(text)))
		set[f.Path] = origin
	}
}

// readSecret reads a file that holds one secret, without the line end that
// editors and echo leave.
func readSecret(path string) (string, error) {
	data, err := readCapped(path, maxSecretSize)
	if err != nil {
		return "", err
	}
	text := strings.TrimRight(string(data), "\r\n")
	if text == "" {
		return "", errors.New("the file holds no secret")
	}
	return text, nil
}
