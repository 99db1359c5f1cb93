package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/pki"
	"github.com/corral-fleet/corral/controlplane/internal/sqlite"
	"github.com/corral-fleet/corral/sdk/checkup"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/wire"
)

// How much has to be free for the data directory: nothing is stored with less than
// the first, and a day of a large fleet's samples takes more than the second.
const (
	leastFree = 256 << 20
	scantFree = 4 << 30
	// largeJournal is a journal that something keeps from being emptied.
	largeJournal = 256 << 20
)

func (f *Findings) dataDir() checkup.Check {
	const name = "data directory"
	d := &f.DataDir
	evidence := fmt.Sprintf("%s, %s free", d.Path, size(d.FreeBytes))
	switch {
	case d.Writable != nil:
		return failed(name, fmt.Sprintf("%s cannot be written to: %v", d.Path, d.Writable), "run this as the control plane's user, or give the directory to that user")
	case d.FreeBytes < leastFree:
		return failed(name, evidence, "make room on its disk")
	case d.Remote != "":
		return failed(name, fmt.Sprintf("%s is on %s; what locks and maps the databases is not to be relied on there", d.Path, d.Remote), "move it to a disk of this machine")
	case d.Missing:
		return ok(name, d.Path+" is not there yet; it is made at the first start")
	case d.FreeBytes < scantFree:
		return warning(name, evidence, "make room on its disk, which samples and the log of requests fill")
	}
	return ok(name, evidence)
}

func database(f *sqlite.File, running bool) checkup.Check {
	name := "database " + f.Name
	evidence := fmt.Sprintf("schema %d, %s", f.Schema, size(uint64(f.Bytes)))
	switch {
	case f.Missing && running:
		return failed(name, "it is missing, and a server uses it", "stop the server, and restore the data directory from a backup")
	case f.Missing:
		return ok(name, "not there yet; it is made at the next start")
	case fault.KindOf(f.Err) == fault.Corrupt:
		return failed(name, fault.MessageOf(f.Err), "stop the server, keep a copy of the directory, and restore it from a backup")
	case f.Err != nil:
		return failed(name, f.Err.Error(), "run this as the control plane's user; a disk that fails is in the kernel's log")
	case f.Mode.Perm()&0o077 != 0:
		return failed(name, fmt.Sprintf("other users can read it (mode %04o)", f.Mode.Perm()), "chmod 600 "+f.Name)
	case f.Schema > f.Newest:
		return failed(name, fmt.Sprintf("schema %d is of a newer version; this one knows %d", f.Schema, f.Newest), "start that version, or restore a backup from before the upgrade")
	case f.Schema < f.Newest:
		return warning(name, fmt.Sprintf("schema %d; the next start makes it %d", f.Schema, f.Newest), "make a backup before this version is started")
	case f.JournalBytes > largeJournal:
		return warning(name, fmt.Sprintf("%s; its journal has grown to %s", evidence, size(uint64(f.JournalBytes))),
			"look for a program that has the file open, and for a disk that is too slow; a restart empties it")
	case !f.Whole:
		return ok(name, evidence+", whole as far as it was read in some seconds")
	}
	return ok(name, evidence+", whole")
}

// expiresSoon is when a certificate should have been renewed.
const expiresSoon = 30 * 24 * time.Hour

func (f *Findings) authority(now time.Time) checkup.Check {
	const name = "certificate authority"
	if c, done := keyFile(name, &f.Authority, now); done {
		return c
	}
	cert := f.Authority.Certificate
	evidence := fmt.Sprintf("%q until %s", cert.Subject.CommonName, cert.NotAfter.UTC().Format(time.DateOnly))
	if cert.NotAfter.Sub(now) < 12*expiresSoon {
		return warning(name, evidence, "every agent has to join anew when it ends; plan for it")
	}
	return ok(name, evidence)
}

func (f *Findings) certificate(now time.Time) checkup.Check {
	const name = "server certificate"
	if c, done := keyFile(name, &f.Server, now); done {
		return c
	}
	cert := f.Server.Certificate
	evidence := fmt.Sprintf("for %v until %s", cert.DNSNames, cert.NotAfter.UTC().Format(time.DateOnly))
	if ca := f.Authority.Certificate; ca != nil {
		if err := cert.CheckSignatureFrom(ca); err != nil {
			return failed(name, fmt.Sprintf("the authority beside it did not sign it: %v", err), "restore both from one backup, or remove "+f.Server.Path+" to get a new one")
		}
	}
	switch {
	case cert.VerifyHostname(wire.ServerName) != nil:
		return warning(name, evidence+", which is not what agents ask for", "restart the control plane, which makes a new one")
	case cert.NotAfter.Sub(now) < expiresSoon:
		return warning(name, evidence, "a running control plane renews it in time, so look at its log")
	}
	return ok(name, evidence)
}

// keyFile judges what holds for both files; done is that there is nothing to add.
func keyFile(name string, f *pki.File, now time.Time) (c checkup.Check, done bool) {
	switch {
	case errors.Is(f.Err, fs.ErrNotExist):
		return ok(name, "not there yet; it is made at the next start, or with the first token"), true
	case f.Err != nil:
		return failed(name, fault.MessageOf(f.Err), "restore "+f.Path+" from a backup"), true
	case f.Mode&0o077 != 0:
		return failed(name, fmt.Sprintf("other users can read its key (mode %04o)", f.Mode), "chmod 600 "+f.Path), true
	case now.After(f.Certificate.NotAfter):
		return failed(name, "it ended on "+f.Certificate.NotAfter.UTC().Format(time.DateOnly), "check the clock; restart the control plane for a new server certificate, and let every agent join anew for a new authority"), true
	case now.Before(f.Certificate.NotBefore):
		return failed(name, "it begins on "+f.Certificate.NotBefore.UTC().Format(time.DateOnly), "check the clock, now and when it was made"), true
	}
	return checkup.Check{}, false
}

// size is a number of bytes as people read it.
func size(n uint64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%d KiB", (n+1023)/1024)
}
