package storages

import (
	"context"
	"strings"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
)

// Located is what a URL leads to.
type Located struct {
	Storage string
	Files   []File // at least one
	Prefix  string // that their paths have in common; a file alone has its folder
}

// Locate returns the file that a URL names, such as s3://bucket/path, or the files below
// it where it ends with a slash: at most so many. What leads nowhere is fault.NotFound.
func (s *Service) Locate(ctx context.Context, url string, most int) (Located, error) {
	e, path, err := s.byURL(url)
	if err != nil {
		return Located{}, err
	}
	if path != "" && !strings.HasSuffix(path, "/") {
		info, err := e.stat(ctx, path)
		if err != nil {
			return Located{}, err
		}
		return Located{Storage: e.Name, Files: []File{e.file(info)}, Prefix: path[:strings.LastIndex(path, "/")+1]}, nil
	}
	found := Located{Storage: e.Name, Prefix: path}
	for info, err := range e.instance.List(ctx, path) {
		if err != nil {
			return found, explain(e.Name, err)
		}
		if len(found.Files) == most {
			return found, fault.New(fault.Invalid, "there are more than %d files below %q", most, url).On(fault.Caller)
		}
		found.Files = append(found.Files, e.file(info))
	}
	if len(found.Files) == 0 {
		return found, fault.New(fault.NotFound, "there is no file below %q", url).On(fault.Caller)
	}
	return found, nil
}

// byURL returns the storage that a URL is of, the one with the longest address where
// several would do, and what follows its address.
func (s *Service) byURL(url string) (in *entry, path string, err error) {
	for _, e := range s.standingNow() {
		for _, address := range []string{e.address(), "storage://" + e.Name + "/"} {
			if rest, ok := strings.CutPrefix(url, address); ok && (in == nil || len(rest) < len(path)) {
				in, path = e, rest
			}
		}
	}
	if in == nil {
		return nil, "", fault.New(fault.NotFound, "%q is in no storage that is configured here", url).On(fault.Caller)
	}
	if path == "" || strings.HasSuffix(path, "/") {
		return in, path, storage.CheckPrefix(path)
	}
	return in, path, storage.CheckKey(path)
}
