package sqlite

import (
	"database/sql"
	"net/url"
	"strconv"
	"time"

	_ "modernc.org/sqlite" // the driver
)

// journalLimit is the size that the journal is cut back to when it starts over.
const journalLimit = 64 << 20 // bytes

// connect returns a pool of at most n connections to the file, all of them kept.
// Nothing is opened before it is used.
func connect(path string, options url.Values, n int) *sql.DB {
	// With a host, empty as it is, a relative path would begin with its name.
	dsn := url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: options.Encode()}
	// Open fails for a driver that is not there alone, and it is linked in.
	pool, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		panic(err)
	}
	pool.SetMaxOpenConns(n)
	pool.SetMaxIdleConns(n)
	return pool
}

// writing are the options of a connection that writes. Its transactions take
// the write lock at once: one that took it later could find that another
// process wrote since it began to read, and no waiting would help.
func writing(busy time.Duration) url.Values {
	return url.Values{
		"mode":          {"rw"}, // never make a file: that is ensureFile's
		"_busy_timeout": {strconv.FormatInt(busy.Milliseconds(), 10)},
		"_synchronous":  {"FULL"},
		"_txlock":       {"immediate"},
		"_pragma":       {"journal_size_limit(" + strconv.Itoa(journalLimit) + ")"},
	}
}

// reading are the options of a connection that only reads.
func reading(busy time.Duration) url.Values {
	return url.Values{
		"mode":          {"rw"}, // a reader of a WAL file writes its index
		"_busy_timeout": {strconv.FormatInt(busy.Milliseconds(), 10)},
		"_query_only":   {"1"},
	}
}
