package main

import (
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"io"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
)

const columns = `SELECT key, content, size, modified_ms, sha256 FROM objects `

// scan reads the columns of an object.
func scan(row interface{ Scan(...any) error }) (info storage.Info, content int64, err error) {
	var modified int64
	var key []byte
	err = row.Scan(&key, &content, &info.SizeBytes, &modified, &info.SHA256)
	info.Key, info.ModifiedAt, info.Version = string(key), time.UnixMilli(modified).UTC(), strconv.FormatInt(content, 10)
	return info, content, err
}

// find returns an object, as a connection or a transaction sees it.
func find(ctx context.Context, in interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}, key string,
) (storage.Info, int64, error) {
	info, content, err := scan(in.QueryRowContext(ctx, columns+`WHERE key = ?`, []byte(key)))
	if errors.Is(err, sql.ErrNoRows) {
		return storage.Info{}, 0, fault.New(fault.NotFound, "there is no object %q", key)
	}
	return info, content, explained(ctx, err)
}

// Stat implements [storage.Backend].
func (d *database) Stat(ctx context.Context, key string) (storage.Info, error) {
	info, _, err := find(ctx, d.read, key)
	return info, err
}

// Get implements [storage.Backend]. The transaction that the reader holds shows it one
// version of the object.
func (d *database) Get(ctx context.Context, key string, r storage.Range) (io.ReadCloser, error) {
	tx, err := d.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, explained(ctx, err)
	}
	info, content, err := find(ctx, tx, key)
	if err == nil {
		var offset, length int64
		if offset, length, err = r.Of(info.SizeBytes); err == nil {
			return &reader{ctx: ctx, tx: tx, content: content, offset: offset, left: length}, nil
		}
	}
	return nil, errors.Join(err, rollback(tx))
}

// rollback ends a transaction, which the end of its context may have done.
func rollback(tx *sql.Tx) error {
	if err := tx.Rollback(); err != nil && !errors.Is(err, sql.ErrTxDone) {
		return err
	}
	return nil
}

// reader reads a content piece by piece.
type reader struct {
	ctx          context.Context // of the Get, which lasts as long as the reader
	tx           *sql.Tx
	content      int64
	offset, left int64
	piece        []byte
}

// Read implements io.Reader.
func (r *reader) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	if len(r.piece) == 0 {
		if err := r.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.piece)
	r.piece = r.piece[n:]
	r.offset, r.left = r.offset+int64(n), r.left-int64(n)
	return n, nil
}

// next reads the piece that the offset is in.
func (r *reader) next() error {
	err := r.tx.QueryRowContext(r.ctx, `SELECT bytes FROM pieces WHERE content = ? AND number = ?`, r.content, r.offset/pieceBytes).Scan(&r.piece)
	if err != nil {
		return explained(r.ctx, err)
	}
	within := r.offset % pieceBytes
	if within >= int64(len(r.piece)) {
		return fault.New(fault.Corrupt, "a piece of the object is shorter than it was").On(fault.Service)
	}
	r.piece = r.piece[within:min(within+r.left, int64(len(r.piece)))]
	return nil
}

// Close implements io.Closer.
func (r *reader) Close() error { return rollback(r.tx) }

// behind returns the first key that no longer begins with prefix. None ends in 0xff,
// which UTF-8 does not have.
func behind(prefix string) []byte {
	if prefix == "" {
		return []byte{0xff}
	}
	next := []byte(prefix)
	next[len(next)-1]++
	return next
}

// List implements [storage.Backend], in the order of the keys.
func (d *database) List(ctx context.Context, prefix string) iter.Seq2[storage.Info, error] {
	return func(yield func(storage.Info, error) bool) {
		rows, err := d.read.QueryContext(ctx, columns+`WHERE key >= ? AND key < ? ORDER BY key`, []byte(prefix), behind(prefix))
		if err != nil {
			yield(storage.Info{}, explained(ctx, err))
			return
		}
		defer rows.Close() // it was only read
		for rows.Next() {
			info, _, err := scan(rows)
			if !yield(info, explained(ctx, err)) || err != nil {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(storage.Info{}, explained(ctx, err))
		}
	}
}

// tokenPrefix is what a token begins with; behind it is the key to go on with.
const tokenPrefix = "from:"

// Page implements [storage.Pager]. It jumps over what is in a folder.
func (d *database) Page(ctx context.Context, r storage.PageRequest) (page storage.Page, err error) {
	from := []byte(r.Prefix)
	if r.Token != "" {
		text, ok := strings.CutPrefix(r.Token, tokenPrefix)
		if from, err = base64.RawURLEncoding.DecodeString(text); err != nil || !ok {
			return page, fault.New(fault.Invalid, "no page has told the token %q", r.Token).On(fault.Caller)
		}
	}
	for entries := 0; ; entries++ {
		info, _, err := scan(d.read.QueryRowContext(ctx, columns+`WHERE key >= ? AND key < ? ORDER BY key LIMIT 1`, from, behind(r.Prefix)))
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return page, nil
		case err != nil:
			return page, explained(ctx, err)
		case entries == r.Limit:
			page.NextToken = tokenPrefix + base64.RawURLEncoding.EncodeToString([]byte(info.Key))
			return page, nil
		}
		name, _, inFolder := strings.Cut(info.Key[len(r.Prefix):], "/")
		if r.Folders && inFolder {
			folder := r.Prefix + name + "/"
			page.Folders, from = append(page.Folders, folder), behind(folder)
			continue
		}
		page.Objects, from = append(page.Objects, info), append([]byte(info.Key), 0)
	}
}
