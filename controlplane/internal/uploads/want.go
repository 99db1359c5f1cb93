package uploads

import (
	"math"
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

// The longest words that are taken, in bytes.
const (
	maxFilenameBytes    = 255
	maxDescriptionBytes = 4096
	maxQuantizeBytes    = 32
	maxHostBytes        = 253
	maxHosts            = 1000
)

// maxFiles is how many files a model may come in.
const maxFiles = 1000

// checkImport brings what is wanted of a model into one form, and says what is wrong
// with it. The name may be empty.
func checkImport(want fleet.Import) (fleet.Import, error) {
	want.Name, want.From = strings.TrimSpace(want.Name), strings.TrimSpace(want.From)
	switch {
	case want.Name != "" && !fleet.ValidModel(want.Name):
		return want, invalid("name", "is no name of a model; such a name has letters, digits, dots, hyphens and underscores, at most 80 of them, and may have a namespace before a slash and a tag behind a colon")
	case len(want.Description) > maxDescriptionBytes || !isText(want.Description, "\n\t"):
		return want, invalid("description", "has to be a text of at most %d bytes", maxDescriptionBytes)
	case want.Storage != "" && !fleet.GoodStorageName(want.Storage):
		return want, invalid("storage", "is no name of a storage")
	case len(want.Quantize) > maxQuantizeBytes || strings.Trim(strings.ToLower(want.Quantize), "abcdefghijklmnopqrstuvwxyz0123456789_") != "":
		return want, invalid("quantize", "is no quantisation, such as q4_K_M")
	case want.From != "" && !fleet.ValidModel(want.From):
		return want, invalid("from", "is no name of a model")
	case len(want.Hosts) > maxHosts:
		return want, invalid("hosts", "names more than %d hosts", maxHosts)
	}
	for _, h := range want.Hosts {
		if h == "" || len(h) > maxHostBytes || !isText(h, "") {
			return want, invalid("hosts", "has a host without a name, or with one that can't be")
		}
	}
	if want.Name != "" {
		want.Name = fleet.ShownModel(want.Name)
	}
	if len(want.Hosts) == 0 {
		want.Hosts = nil // none, in whatever way it was said
	}
	return want, nil
}

// checkFiles brings the files of a model into one form, and says what is wrong with them.
// A single one without a name has that of the model.
func checkFiles(files []fleet.UploadFile, model string) ([]fleet.UploadFile, error) {
	switch {
	case len(files) == 0:
		return nil, invalid("files", "has no file")
	case len(files) > maxFiles:
		return nil, errTooManyFiles()
	}
	files = slices.Clone(files)
	names := map[string]bool{}
	var total int64
	for i := range files {
		f := &files[i]
		if f.Name == "" && len(files) == 1 {
			f.Name = strings.NewReplacer("/", "-", ":", "-").Replace(model)
		}
		var err error
		if f.Name, err = checkFilename(f.Name); err != nil {
			return nil, err
		}
		if f.SHA256, err = checkDigest(f.SHA256); err != nil {
			return nil, err
		}
		switch {
		case names[f.Name]:
			return nil, errNamedTwice(f.Name)
		case f.SizeBytes < 0:
			return nil, fault.New(fault.Invalid, "the file %q can't have %d bytes", f.Name, f.SizeBytes).On(fault.Caller)
		case f.SizeBytes > math.MaxInt64-1-total:
			return nil, fault.New(fault.TooLarge, "the files have more bytes than can be counted").On(fault.Caller)
		}
		names[f.Name] = true
		total += f.SizeBytes
	}
	return files, nil
}

func errTooManyFiles() error {
	return fault.New(fault.Invalid, "a model has at most %d files", maxFiles).On(fault.Caller)
}

func errNamedTwice(name string) error {
	return fault.New(fault.Invalid, "two files are named %q", name).On(fault.Caller)
}

// checkFilename returns the name of a file without the folders before it.
func checkFilename(name string) (string, error) {
	base := path.Base(strings.ReplaceAll(name, `\`, "/"))
	if name == "" || base == "." || base == ".." || base == "/" || len(base) > maxFilenameBytes || !isText(base, "") {
		return "", invalid("filename", "is no name of a file, or one of more than %d bytes", maxFilenameBytes)
	}
	return base, nil
}

// nameAfter returns a name for a model that comes as a file and has none: that of the
// file, in letters that a model may have.
func nameAfter(filename string) (string, error) {
	stem := strings.TrimSuffix(filename, path.Ext(filename))
	if stem == "" {
		stem = filename
	}
	name := strings.Map(func(r rune) rune {
		switch {
		case r < utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsDigit(r)), r == '.', r == '_', r == '-':
			return r
		}
		return '-'
	}, stem)
	if name = strings.Trim(name, "-."); !fleet.ValidModel(name) {
		return "", invalid("name", "is missing, and the name of the file can't be one of a model")
	}
	return fleet.ShownModel(name), nil
}

// checkDigest returns a sha256 in the form in which they are compared.
func checkDigest(sum string) (string, error) {
	sum = strings.ToLower(strings.TrimPrefix(strings.TrimSpace(sum), "sha256:"))
	if sum != "" && (len(sum) != 64 || strings.Trim(sum, "0123456789abcdef") != "") {
		return "", invalid("sha256", "has to be 64 hexadecimal digits")
	}
	return sum, nil
}

// isText reports whether a string is one that can be shown: without control characters
// but those that are allowed.
func isText(s, allowed string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if unicode.IsControl(r) && !strings.ContainsRune(allowed, r) {
			return false
		}
	}
	return true
}

func invalid(field, format string, args ...any) error {
	return fault.New(fault.Invalid, "the field %q "+format, append([]any{field}, args...)...).On(fault.Caller)
}
