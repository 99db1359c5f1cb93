package controlplane

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/corral-fleet/corral/controlplane/internal/doctor"
	"github.com/corral-fleet/corral/controlplane/internal/pki"
	"github.com/corral-fleet/corral/controlplane/internal/settings"
	"github.com/corral-fleet/corral/controlplane/internal/sqlite"
	"github.com/corral-fleet/corral/sdk/checkup"
	"github.com/corral-fleet/corral/sdk/config"
	"github.com/corral-fleet/corral/sdk/wire"
)

// answerTimeout is how long the server may take to show its certificate.
const answerTimeout = 10 * time.Second

// Examine looks at the control plane and its data directory, and judges what it
// finds. It changes nothing, and works beside a server that runs.
func (c *ControlPlane) Examine(ctx context.Context) []checkup.Check {
	dir := c.loaded.Config.DataDir
	f := doctor.Findings{DataDir: dataDirOf(dir), Clock: clock()}
	stored := sqlite.Inspect(ctx, dir)
	f.Files, f.Hosts = stored.Files, stored.Hosts
	for i := range f.Hosts {
		if at := f.Hosts[i].HeardAt; at.After(f.Clock.Newest) {
			f.Clock.Newest = at
		}
	}
	f.Authority, f.Server = pki.Inspect(filepath.Join(dir, PKIFolder))
	last := readRun(dir)
	pid := holderOfClaim(dir)
	f.Run = doctor.Run{Running: pid != 0, PID: pid, Program: c.version}
	if last != nil {
		addRun(&f.Run, last)
	}
	if f.Run.Running {
		f.OpenFiles = openFiles(strconv.Itoa(pid))
	} else {
		f.OpenFiles = openFiles("self")
	}
	manager := settings.New(c.loaded, readOnly(stored.Saved))
	f.Settings.Saved = manager.Load(ctx)
	f.Settings.MaxConnections = manager.Current().Server.MaxConnections
	if f.Run.Running && last != nil && last.PID == pid {
		f.Settings.Pending = pendingOf(manager, last.AtStart)
		f.Address = answer(ctx, last.Address, f.Authority.Certificate)
	} else {
		f.Address = free(ctx, manager.Current().Server)
	}
	return doctor.Examine(&f, c.now())
}

// addRun adds what was noted of the last run, which may be the present one. One that
// is not there any more and has no end was killed.
func addRun(r *doctor.Run, last *run) {
	if last.Broken != nil {
		r.Killed, r.KilledRun = last.Broken.FoundAt, last.Broken.StartedAt
	}
	switch {
	case last.PID == r.PID:
		r.Version, r.StartedAt = last.Version, last.StartedAt
	case last.EndedAt.IsZero():
		r.Killed, r.KilledRun = time.Now(), last.StartedAt
	}
}

// readOnly has settings that were saved, and keeps none.
type readOnly []byte

// LoadSettings implements [fleet.SettingsStore].
func (r readOnly) LoadSettings(context.Context) ([]byte, error) { return r, nil }

// SaveSettings implements [fleet.SettingsStore].
func (readOnly) SaveSettings(context.Context, []byte) error { return nil }

// pendingOf returns the settings that were saved since the server started and that
// it does not follow. Those of its file, environment and flags need not be ours.
func pendingOf(manager *settings.Manager, atStart map[string]string) []doctor.Pending {
	origins, next := manager.Origins(), manager.Current().AtStart()
	var list []doctor.Pending
	for _, path := range slices.Sorted(maps.Keys(next)) {
		now, known := atStart[path]
		if known && now != next[path] && origins.Of(path).Layer == config.Saved {
			list = append(list, doctor.Pending{Path: path, Now: now, Next: next[path]})
		}
	}
	return list
}

// answer asks the server for its certificate, which the authority has to have signed.
func answer(ctx context.Context, address string, authority *x509.Certificate) doctor.Address {
	a := doctor.Address{HostPort: address}
	if host, port, err := net.SplitHostPort(address); err == nil {
		if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
			address = net.JoinHostPort("localhost", port)
		}
	}
	roots := x509.NewCertPool()
	if authority != nil {
		roots.AddCert(authority)
	}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	began := time.Now()
	dialer := tls.Dialer{Config: &tls.Config{MinVersion: tls.VersionTLS12, ServerName: wire.ServerName, RootCAs: roots}}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		a.Err = err
		return a
	}
	a.Took = time.Since(began)
	_ = conn.Close() // nothing was said
	return a
}

// free finds out whether a server could listen, by doing so for a moment.
func free(ctx context.Context, s settings.Server) doctor.Address {
	a := doctor.Address{HostPort: net.JoinHostPort(s.Host, strconv.Itoa(s.Port))}
	listener, err := listen(ctx, s.Host, s.Port)
	if err != nil {
		a.Err = err
		return a
	}
	a.Err = listener.Close()
	return a
}

func dataDirOf(path string) doctor.DataDir {
	d := doctor.DataDir{Path: path}
	at := path
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		d.Missing = true
		for at != filepath.Dir(at) {
			at = filepath.Dir(at)
			if _, err := os.Stat(at); err == nil {
				break
			}
		}
	}
	d.Writable = unix.Access(at, unix.W_OK|unix.X_OK)
	var fs unix.Statfs_t
	if unix.Statfs(at, &fs) == nil { // nothing is free where it can't be found out
		d.FreeBytes = fs.Bavail * uint64(fs.Bsize)
		d.Remote = remotes()[uint32(fs.Type)]
	}
	return d
}

// remotes are the file systems of networks, by their numbers.
func remotes() map[uint32]string {
	return map[uint32]string{unix.NFS_SUPER_MAGIC: "NFS", unix.SMB_SUPER_MAGIC: "SMB", unix.SMB2_SUPER_MAGIC: "SMB", unix.CIFS_SUPER_MAGIC: "SMB", unix.CEPH_SUPER_MAGIC: "Ceph", unix.V9FS_MAGIC: "9P"}
}

// clock asks the kernel whether somebody keeps its clock in time.
func clock() doctor.Clock {
	state, err := unix.Adjtimex(&unix.Timex{})
	return doctor.Clock{Known: err == nil, Kept: err == nil && state != unix.TIME_ERROR}
}
