package logind

import (
	"io"
	"os"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/corral-fleet/corral/agent/internal/bustest"
)

// patience is how long a test waits for what has to come.
const patience = 20 * time.Second

// startBus has a bus be the system's.
func startBus(t *testing.T) *bustest.Bus {
	t.Helper()
	bus := bustest.Start(t)
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", bus.Address)
	return bus
}

// fakeLogind is on a bus what logind is.
type fakeLogind struct {
	t       *testing.T
	conn    *dbus.Conn
	refuses bool
	locks   chan *lock // each that was taken
}

// lock is the end that logind has of a lock.
type lock struct{ *os.File }

// startLogind takes logind's name on the bus.
func startLogind(t *testing.T, refuses bool) *fakeLogind {
	t.Helper()
	f := &fakeLogind{t: t, refuses: refuses, locks: make(chan *lock, 10)}
	f.conn = connect(t, dbus.WithIncomingInterceptor(f.answer))
	reply, err := f.conn.RequestName(service, dbus.NameFlagDoNotQueue)
	if err != nil || reply != dbus.RequestNameReplyPrimaryOwner {
		t.Fatalf("take logind's name: %v, %v", reply, err)
	}
	return f
}

func connect(t *testing.T, options ...dbus.ConnOption) *dbus.Conn {
	t.Helper()
	conn, err := dbus.ConnectSystemBus(options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// answer answers to Inhibit. It does so by hand: our end of a lock has to be closed
// when the answer is sent, or it would never be released. The second answer, by
// which the library knows no such method, is one that nobody waits for.
func (f *fakeLogind) answer(call *dbus.Message) {
	if member, _ := call.Headers[dbus.FieldMember].Value().(string); call.Type != dbus.TypeMethodCall || member != "Inhibit" {
		return
	}
	answer := &dbus.Message{Type: dbus.TypeMethodReply, Headers: map[dbus.HeaderField]dbus.Variant{
		dbus.FieldReplySerial: dbus.MakeVariant(call.Serial()), dbus.FieldDestination: call.Headers[dbus.FieldSender],
	}}
	if f.refuses || len(call.Body) != 4 || call.Body[0] != "sleep" || call.Body[3] != "delay" {
		answer.Type = dbus.TypeError
		answer.Headers[dbus.FieldErrorName] = dbus.MakeVariant("org.freedesktop.DBus.Error.AccessDenied")
		f.conn.Send(answer, nil)
		if f.refuses {
			f.locks <- nil
		}
		return
	}
	ours, theirs, err := os.Pipe()
	if err != nil {
		f.t.Error(err)
		return
	}
	answer.Body = []any{dbus.UnixFD(theirs.Fd())}
	answer.Headers[dbus.FieldSignature] = dbus.MakeVariant(dbus.SignatureOf(answer.Body...))
	f.conn.Send(answer, nil)
	theirs.Close()
	f.locks <- &lock{ours}
}

// say says whether a sleep begins or is over.
func (f *fakeLogind) say(begins bool) {
	f.t.Helper()
	if err := f.conn.Emit(managerPath, manager+"."+prepareForSleep, begins); err != nil {
		f.t.Fatal(err)
	}
}

// taken waits for a lock.
func (f *fakeLogind) taken() *lock {
	f.t.Helper()
	l := receive(f.t, f.locks, "a lock")
	if l != nil {
		f.t.Cleanup(func() { l.Close() })
	}
	return l
}

// awaitReleased waits until whoever took the lock lets go of it.
func (l *lock) awaitReleased(t *testing.T) {
	t.Helper()
	if err := l.read(patience); err != io.EOF {
		t.Fatalf("the lock is not released: %v", err)
	}
}

// wantHeld wants the lock to be held now.
func (l *lock) wantHeld(t *testing.T) {
	t.Helper()
	if err := l.read(50 * time.Millisecond); !os.IsTimeout(err) {
		t.Errorf("the lock is not held: %v", err)
	}
}

// read returns why there was nothing to read in that time.
func (l *lock) read(within time.Duration) error {
	if err := l.SetReadDeadline(time.Now().Add(within)); err != nil {
		return err
	}
	_, err := l.Read(make([]byte, 1))
	return err
}

func receive[T any](t *testing.T, from <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatalf("%s does not come", what)
		panic("unreachable")
	}
}
