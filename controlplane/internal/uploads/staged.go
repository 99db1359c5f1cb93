package uploads

import (
	"strconv"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

// stagedName is what a file of an upload is called in the staging folder.
func stagedName(id string, file int) string {
	if file == 0 {
		return id
	}
	return id + "-" + strconv.Itoa(file)
}

// stagedNames returns the names of an upload's files in the staging folder.
func stagedNames(u *fleet.Upload) []string {
	names := make([]string, len(u.Files))
	for i := range names {
		names[i] = stagedName(u.ID, i)
	}
	return names
}

// position returns the file in which the next byte of an upload lies, and how many of its
// bytes are there. Empty files at that place come first: nobody knows whether they have
// been looked at.
func position(u *fleet.Upload) (file int, haveBytes int64) {
	begin := int64(0)
	for i, f := range u.Files {
		if u.OffsetBytes == begin || u.OffsetBytes < begin+f.SizeBytes {
			return i, u.OffsetBytes - begin
		}
		begin += f.SizeBytes
	}
	return len(u.Files), 0
}
