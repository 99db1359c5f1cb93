// Package systemdtest is a systemd for tests: somebody on a real bus who answers as
// systemd does and fails as it is told to.
package systemdtest

import (
	"fmt"
	"maps"
	"sync"
	"testing"

	"github.com/godbus/dbus/v5"

	"github.com/corral-fleet/corral/agent/internal/bustest"
)

// The interfaces of systemd that are played.
const (
	managerPath = dbus.ObjectPath("/org/freedesktop/systemd1")
	unitPath    = dbus.ObjectPath("/org/freedesktop/systemd1/unit/played")
	managerFace = "org.freedesktop.systemd1.Manager"
	unitFace    = "org.freedesktop.systemd1.Unit"
	serviceFace = "org.freedesktop.systemd1.Service"
	properties  = "org.freedesktop.DBus.Properties"
)

// The errors that systemd and the bus answer with.
const (
	AccessDenied = "org.freedesktop.DBus.Error.AccessDenied"
	AskTheUser   = "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired"
	NoSuchUnit   = "org.freedesktop.systemd1.NoSuchUnit"
	UnitMasked   = "org.freedesktop.systemd1.UnitMasked"
)

// Never is the result of a job that does not end.
const Never = "never"

// Systemd is a bus with a systemd that has one unit.
type Systemd struct {
	Address string // of the bus

	t   testing.TB
	bus *bustest.Bus

	mu     sync.Mutex
	conn   *dbus.Conn
	unit   map[string]any // its properties
	refuse string         // the error that jobs are refused with
	result string         // how jobs end
	onJob  func(verb string)
	jobs   []string // the verbs that were asked for
}

// Start starts a bus and a systemd with a unit that is inactive, until the end of
// the test; see [bustest.Start].
func Start(t testing.TB) *Systemd {
	t.Helper()
	bus := bustest.Start(t)
	s := &Systemd{t: t, bus: bus, Address: bus.Address, result: "done"}
	s.unit = map[string]any{
		"LoadState": "loaded", "ActiveState": "inactive", "SubState": "dead", "Result": "success", "MainPID": uint32(0),
		"NRestarts": uint32(0), "MemoryCurrent": ^uint64(0), "ExecMainStatus": int32(0), "InvocationID": []byte{0xab, 0xcd},
	}
	s.connect()
	t.Cleanup(s.disconnect)
	return s
}

// Begin has the bus run, and systemd on it, after an End.
func (s *Systemd) Begin() {
	s.t.Helper()
	s.bus.Begin()
	s.connect()
}

// connect has systemd be on the bus.
func (s *Systemd) connect() {
	s.t.Helper()
	conn, err := dbus.Connect(s.Address)
	if err != nil {
		s.t.Fatal(err)
	}
	s.mu.Lock()
	s.conn = conn
	s.mu.Unlock()
	job := func(verb string) any {
		return func(string, string) (dbus.ObjectPath, *dbus.Error) { return s.job(verb) }
	}
	for path, faces := range map[dbus.ObjectPath]map[string]map[string]any{
		managerPath: {managerFace: {
			"Subscribe": func() *dbus.Error { return nil },
			"LoadUnit":  func(string) (dbus.ObjectPath, *dbus.Error) { return unitPath, nil },
			"StartUnit": job("start"), "StopUnit": job("stop"), "RestartUnit": job("restart"),
		}},
		unitPath: {properties: {"GetAll": s.getAll}},
	} {
		for face, methods := range faces {
			if err := conn.ExportMethodTable(methods, path, face); err != nil {
				s.t.Fatal(err)
			}
		}
	}
	if _, err := conn.RequestName("org.freedesktop.systemd1", dbus.NameFlagDoNotQueue); err != nil {
		s.t.Fatal(err)
	}
}

// End has the bus be away.
func (s *Systemd) End() {
	s.disconnect()
	s.bus.End()
}

func (s *Systemd) disconnect() {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.conn.Close() // the bus may be away
}

// Set changes properties of the unit, and says so on the bus.
func (s *Systemd) Set(changes map[string]any) {
	s.mu.Lock()
	maps.Copy(s.unit, changes)
	conn := s.conn
	s.mu.Unlock()
	// Emitting fails where the bus is away, and then nobody listens.
	_ = conn.Emit(unitPath, properties+".PropertiesChanged", unitFace, map[string]dbus.Variant{}, []string{"ActiveState"})
}

// Refuse has jobs be refused with an error of the bus, or not any more.
func (s *Systemd) Refuse(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = name
}

// Result says how jobs end: "done", as systemd says it otherwise, or Never.
func (s *Systemd) Result(result string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.result = result
}

// OnJob has f be called at each job that is taken, before it ends.
func (s *Systemd) OnJob(f func(verb string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onJob = f
}

// Jobs returns what was asked for, in order.
func (s *Systemd) Jobs() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string{}, s.jobs...)
}

func (s *Systemd) job(verb string) (dbus.ObjectPath, *dbus.Error) {
	s.mu.Lock()
	s.jobs = append(s.jobs, verb)
	refuse, result, onJob, conn := s.refuse, s.result, s.onJob, s.conn
	path := dbus.ObjectPath(fmt.Sprintf("/org/freedesktop/systemd1/job/%d", len(s.jobs)))
	s.mu.Unlock()
	if refuse != "" {
		return "", dbus.NewError(refuse, []any{"no, says the test"})
	}
	if result != Never {
		go func() {
			if onJob != nil {
				onJob(verb)
			}
			_ = conn.Emit(managerPath, managerFace+".JobRemoved", uint32(1), dbus.ObjectPath("/other"), "other.service", "failed")
			_ = conn.Emit(managerPath, managerFace+".JobRemoved", uint32(2), path, "played.service", result)
		}()
	}
	return path, nil
}

func (s *Systemd) getAll(face string) (map[string]dbus.Variant, *dbus.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ofUnit := map[string]bool{"LoadState": true, "ActiveState": true, "SubState": true, "InvocationID": true}
	all := map[string]dbus.Variant{}
	for name, v := range s.unit {
		if ofUnit[name] == (face == unitFace) && (face == unitFace || face == serviceFace) {
			all[name] = dbus.MakeVariant(v)
		}
	}
	return all, nil
}
