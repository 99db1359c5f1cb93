package main

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"io"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
)

// Put implements [storage.Backend].
func (d *database) Put(ctx context.Context, key string, src storage.Source) error {
	return d.store(ctx, key, src, func(tx *sql.Tx) error { return remove(ctx, tx, key) })
}

// Create implements [storage.Creator].
func (d *database) Create(ctx context.Context, key string, src storage.Source) error {
	return d.store(ctx, key, src, func(tx *sql.Tx) error {
		var there bool
		if err := tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM objects WHERE key = ?)`, []byte(key)).Scan(&there); err != nil {
			return err
		}
		if there {
			return fault.New(fault.Conflict, "there is an object %q already", key)
		}
		return nil
	})
}

// store writes a source piece by piece, where nobody sees it, and makes an object of
// it in one transaction, which before begins.
func (d *database) store(ctx context.Context, key string, src storage.Source, before func(*sql.Tx) error) (err error) {
	in, err := src.Open()
	if err != nil {
		return err
	}
	defer in.Close() // it was only read
	made, err := d.write.ExecContext(ctx, `INSERT INTO contents (touched_ms) VALUES (?)`, time.Now().UnixMilli())
	if err != nil {
		return explained(ctx, err)
	}
	content, err := made.LastInsertId()
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.forget(context.WithoutCancel(ctx), content))
		}
	}()
	size, sum, err := d.fill(ctx, content, in)
	if err != nil {
		return err
	}
	if announced := src.SizeBytes(); announced >= 0 && announced != size {
		return fault.New(fault.Invalid, "%d bytes came, where %d were announced", size, announced).On(fault.Caller)
	}
	return d.within(ctx, func(tx *sql.Tx) error {
		if err := before(tx); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO objects (key, content, size, modified_ms, sha256) VALUES (?, ?, ?, ?, ?)`,
			[]byte(key), content, size, time.Now().UnixMilli(), sum)
		return err
	})
}

// fill writes the pieces of a content, and returns how long it is and its sha256.
func (d *database) fill(ctx context.Context, content int64, in io.Reader) (size int64, sum string, err error) {
	hash, buffer := sha256.New(), make([]byte, pieceBytes)
	for number := 0; ; number++ {
		n, err := readFull(storage.WithContext(ctx, in), buffer)
		if err != nil && err != io.EOF {
			return 0, "", err // of the source, as it is
		}
		if n > 0 {
			hash.Write(buffer[:n])
			size += int64(n)
			if failed := d.writePiece(ctx, content, number, buffer[:n]); failed != nil {
				return 0, "", failed
			}
		}
		if err == io.EOF {
			return size, hex.EncodeToString(hash.Sum(nil)), nil
		}
	}
}

// readFull fills a buffer. The end of a reader is io.EOF, also behind some bytes.
func readFull(in io.Reader, buffer []byte) (n int, err error) {
	for n < len(buffer) && err == nil {
		var more int
		more, err = in.Read(buffer[n:])
		n += more
	}
	return n, err
}

func (d *database) writePiece(ctx context.Context, content int64, number int, piece []byte) error {
	return d.within(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO pieces (content, number, bytes) VALUES (?, ?, ?)`, content, number, piece); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `UPDATE contents SET touched_ms = ? WHERE id = ?`, time.Now().UnixMilli(), content)
		return err
	})
}

// forget removes a content that became no object.
func (d *database) forget(ctx context.Context, content int64) error {
	return d.within(ctx, func(tx *sql.Tx) error { return removeContent(ctx, tx, content) })
}

func removeContent(ctx context.Context, tx *sql.Tx, content int64) error {
	if _, err := tx.ExecContext(ctx, `DELETE FROM pieces WHERE content = ?`, content); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `DELETE FROM contents WHERE id = ?`, content)
	return err
}

// Delete implements [storage.Backend].
func (d *database) Delete(ctx context.Context, key string) error {
	return d.within(ctx, func(tx *sql.Tx) error { return remove(ctx, tx, key) })
}

// remove removes an object, if there is one. Who reads it goes on with what was there.
func remove(ctx context.Context, tx *sql.Tx, key string) error {
	var content int64
	err := tx.QueryRowContext(ctx, `DELETE FROM objects WHERE key = ? RETURNING content`, []byte(key)).Scan(&content)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	return removeContent(ctx, tx, content)
}

// Sweep implements [storage.Sweeper].
func (d *database) Sweep(ctx context.Context, age time.Duration) (swept int, err error) {
	err = d.within(ctx, func(tx *sql.Tx) error {
		const left = `SELECT id FROM contents WHERE touched_ms < ? AND id NOT IN (SELECT content FROM objects)`
		before := time.Now().Add(-age).UnixMilli()
		if _, err := tx.ExecContext(ctx, `DELETE FROM pieces WHERE content IN (`+left+`)`, before); err != nil {
			return err
		}
		gone, err := tx.ExecContext(ctx, `DELETE FROM contents WHERE id IN (`+left+`)`, before)
		if err != nil {
			return err
		}
		n, err := gone.RowsAffected()
		swept = int(n)
		return err
	})
	return swept, err
}
