package storagetest

import (
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
)

// maxTokenBytes is how long a token may be.
const maxTokenBytes = 4 << 10

var pagingChecks = []Check{
	{ID: "ST-PAGE-004", Needs: storage.CanPage, Sentence: "A page has its limit of entries at most, from 1 to 1000.", try: func(t *trial) {
		for i := range 5 {
			t.put(key(fmt.Sprintf("p/%d", i)), nil)
			t.put(key(fmt.Sprintf("p/%d-folder/x", i)), nil)
		}
		for _, limit := range []int{1, 3, storage.MaxPage} {
			objects, folders := t.pages(storage.PageRequest{Prefix: key("p/"), Folders: true, Limit: limit})
			if len(objects) != 5 || len(folders) != 5 {
				t.errorf("by %d: %q, %q", limit, objects, folders)
			}
		}
	}},
	{ID: "ST-PAGE-005", Needs: storage.CanPage, Sentence: "A prefix may end within a name, with folders too.", try: func(t *trial) {
		for _, name := range []string{"f/b", "f/b/1", "f/bc", "f/bd/x/y", "f/c"} {
			if err := t.Put(t.ctx, key(name), storage.Bytes(nil)); fault.KindOf(err) == fault.Conflict {
				continue // a file system keeps not both "b" and "b/1"
			} else if err != nil {
				t.fatalf("Put: %v", err)
			}
		}
		var want, wantFolders []string
		for _, name := range t.list(key("f/b")) {
			if at := strings.IndexByte(name[len(key("f/b")):], '/'); at >= 0 {
				wantFolders = append(wantFolders, name[:len(key("f/b"))+at+1])
			} else {
				want = append(want, name)
			}
		}
		objects, folders := t.pages(storage.PageRequest{Prefix: key("f/b"), Folders: true, Limit: 10})
		slices.Sort(objects)
		slices.Sort(folders)
		if !slices.Equal(objects, want) || !slices.Equal(folders, slices.Compact(wantFolders)) {
			t.errorf("objects %q, want %q; folders %q, want %q", objects, want, folders, wantFolders)
		}
	}},
	{ID: "ST-PAGE-006", Needs: storage.CanPage, Sentence: "A token is at most 4 KiB, whatever the keys are.", try: func(t *trial) {
		long := key(strings.Repeat(strings.Repeat("%", storage.MaxSegmentBytes)+"/", 3))
		var want []string
		for _, end := range []string{"a", "b", "c"} {
			want = append(want, long+end)
			t.put(long+end, nil)
		}
		var got []string
		r := storage.PageRequest{Prefix: key(""), Limit: 1}
		for range 10 {
			page, err := as[storage.Pager](t).Page(t.ctx, r)
			if err != nil {
				t.fatalf("Page: %v", err)
			}
			for _, o := range page.Objects {
				got = append(got, o.Key)
			}
			if r.Token = page.NextToken; len(r.Token) > maxTokenBytes {
				t.errorf("a token has %d bytes", len(r.Token))
			}
			if r.Token == "" {
				break
			}
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			t.errorf("%d entries, want %d", len(got), len(want))
		}
	}},
	{ID: "ST-PAGE-007", Needs: storage.CanPage, Sentence: "What is deleted or put between two pages does not hide others.", try: func(t *trial) {
		var still []string
		for i := range 12 {
			name := key(fmt.Sprintf("p/%02d", i))
			t.put(name, nil)
			if i >= 4 {
				still = append(still, name)
			}
		}
		first, err := as[storage.Pager](t).Page(t.ctx, storage.PageRequest{Prefix: key("p/"), Limit: 4})
		if err != nil || first.NextToken == "" {
			t.fatalf("%d entries, no token, %v", len(first.Objects), err)
		}
		var seen []string
		for _, o := range first.Objects { // those that were told go
			seen = append(seen, o.Key)
			if err := t.Delete(t.ctx, o.Key); err != nil {
				t.fatalf("Delete: %v", err)
			}
		}
		rest, _ := t.pages(storage.PageRequest{Prefix: key("p/"), Limit: 4, Token: first.NextToken})
		for _, name := range still {
			if n := count(append(slices.Clone(seen), rest...), name); n != 1 {
				t.errorf("%q is there %d times", name, n)
			}
		}
	}},
	{ID: "ST-PAGE-008", Needs: storage.CanPage, Sentence: "A token may be used again.", try: func(t *trial) {
		for i := range 6 {
			t.put(key(fmt.Sprintf("p/%d", i)), nil)
		}
		first, err := as[storage.Pager](t).Page(t.ctx, storage.PageRequest{Prefix: key("p/"), Limit: 2})
		if err != nil || first.NextToken == "" {
			t.fatalf("%d entries, no token, %v", len(first.Objects), err)
		}
		var before []string
		for i := range 3 {
			rest, _ := t.pages(storage.PageRequest{Prefix: key("p/"), Limit: 2, Token: first.NextToken})
			if slices.Sort(rest); i > 0 && !slices.Equal(rest, before) {
				t.errorf("%q, and before %q", rest, before)
			}
			before = rest
		}
	}},
	{ID: "ST-PAGE-009", Needs: storage.CanPage, Sentence: "Pages have the objects that List has, whatever their keys are.", try: func(t *trial) {
		for _, name := range strangeKeys {
			t.put(key("k/"+name), nil)
		}
		want := t.list(key("k/"))
		got, _ := t.pages(storage.PageRequest{Prefix: key("k/"), Limit: 3})
		if slices.Sort(got); !slices.Equal(got, want) {
			t.errorf("%q\nwant %q", got, want)
		}
	}},
	{ID: "ST-PAGE-010", Needs: storage.CanPage, Sentence: "A page of what is not there is empty, without a token.", try: func(t *trial) {
		page, err := as[storage.Pager](t).Page(t.ctx, storage.PageRequest{Prefix: key("nothing/"), Folders: true, Limit: 10})
		if err != nil || len(page.Objects)+len(page.Folders) > 0 || page.NextToken != "" {
			t.errorf("%+v, %v", page, err)
		}
	}},
}

func count(all []string, one string) (n int) {
	for _, s := range all {
		if s == one {
			n++
		}
	}
	return n
}

var factChecks = []Check{
	{ID: "ST-LOCATE-003", Needs: storage.CanLocate, Sentence: "The file of an object that was replaced has the new bytes.", try: func(t *trial) {
		for i := range 2 {
			content := pattern(1000+i, byte(i))
			t.put(key("a"), content)
			path, err := as[storage.Locator](t).LocalPath(t.ctx, key("a"))
			if err != nil {
				t.fatalf("LocalPath: %v", err)
			}
			if got, err := os.ReadFile(path); err != nil || string(got) != string(content) {
				t.errorf("%s has %s, %v", path, brief(got), err)
			}
		}
	}},
	{ID: "ST-SWEEP-003", Needs: storage.CanSweep, Sentence: "Sweep returns how much was left: nothing, where nothing was.", try: func(t *trial) {
		b := as[storage.Sweeper](t)
		if _, err := b.Sweep(t.ctx, 0); err != nil { // what others have left
			t.fatalf("Sweep: %v", err)
		}
		t.put(key("a"), pattern(1000, 1))
		if n, err := b.Sweep(t.ctx, 0); n != 0 || err != nil {
			t.errorf("%d, %v", n, err)
		}
	}},
	{ID: "ST-SWEEP-004", Needs: storage.CanSweep, Sentence: "An upload that failed leaves nothing to sweep.", try: func(t *trial) {
		b := as[storage.Sweeper](t)
		if _, err := b.Sweep(t.ctx, 0); err != nil {
			t.fatalf("Sweep: %v", err)
		}
		for _, size := range []int{1000, largeBytes} {
			if err := t.Put(t.ctx, key("a"), &broken{content: pattern(size, 1), size: -1, err: errSource}); err == nil {
				t.errorf("a source that fails is stored")
			}
		}
		if n, err := b.Sweep(t.ctx, 0); n != 0 || err != nil {
			t.errorf("%d, %v", n, err)
		}
	}},
	{ID: "ST-ADDRESS-001", reads: true, Needs: storage.CanAddress, Sentence: "An address is one, to which a key can be added, the same each time.", try: func(t *trial) {
		b := as[storage.Addresser](t)
		address := b.Address()
		if u, err := url.Parse(address); err != nil || u.Scheme == "" || !strings.HasSuffix(address, "/") {
			t.errorf("%q, %v", address, err)
		}
		if again := b.Address(); again != address {
			t.errorf("%q, and before %q", again, address)
		}
	}},
	{ID: "ST-CHECK-001", reads: true, Needs: storage.CanCheck, within: 15 * time.Second, Sentence: "Check returns nil where the service serves, within 10 seconds.", try: func(t *trial) {
		began := time.Now()
		if err := as[storage.Checker](t).Check(t.ctx); err != nil {
			t.errorf("Check: %v", err)
		}
		if took := time.Since(began); took > 10*time.Second {
			t.errorf("it took %v", took)
		}
	}},
	{ID: "ST-CHECK-002", reads: true, Needs: storage.CanCheck, Sentence: "A Check whose context has ended returns with that.", try: func(t *trial) {
		ctx, cancel := withCancel(t.ctx)
		cancel()
		t.wantKind(as[storage.Checker](t).Check(ctx), fault.Canceled, "Check")
	}},
	{ID: "ST-LIMITED-001", Sentence: "What a backend says that it can is the same each time.", try: func(t *trial) {
		first := storage.CapabilitiesOf(t.Backend)
		t.put(key("a"), nil)
		for range 3 {
			if now := storage.CapabilitiesOf(t.Backend); now != first {
				t.errorf("%s, and before %s", now, first)
			}
		}
	}},
}
