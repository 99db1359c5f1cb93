package logind

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/godbus/dbus/v5"
)

// What logind is on a bus.
const (
	service         = "org.freedesktop.login1"
	managerPath     = dbus.ObjectPath("/org/freedesktop/login1")
	manager         = "org.freedesktop.login1.Manager"
	prepareForSleep = "PrepareForSleep" // with true before a sleep, with false after it
)

// What a bus says of itself.
const (
	busService       = "org.freedesktop.DBus"
	nameOwnerChanged = "NameOwnerChanged"
)

// lockTimeout is how long logind may take to give a lock.
const lockTimeout = 10 * time.Second

var errBusGone = errors.New("the connection to the bus ended")

// listener hears of one connection to the bus what logind says.
type listener struct {
	*Watcher
	conn  *dbus.Conn
	naps  chan<- *nap
	owner string   // logind's name on this bus; "" is that there is none
	lock  *os.File // has the host's sleep wait for us while it is open; nil is none
	nap   *nap     // nil is awake
}

// listen hands on what logind says until the bus is gone or ctx ends. It never
// returns nil, and a host is awake when it returns.
func (w *Watcher) listen(ctx context.Context, naps chan<- *nap) error {
	conn, err := dbus.ConnectSystemBus(dbus.WithContext(ctx), dbus.WithSignalHandler(dbus.NewSequentialSignalHandler()))
	if err != nil {
		return fmt.Errorf("connect to the system's D-Bus: %w", err)
	}
	defer conn.Close() // there is nothing to lose
	l := &listener{Watcher: w, conn: conn, naps: naps}
	defer l.release()
	defer l.wake()
	signals := make(chan *dbus.Signal) // closed with the connection
	conn.Signal(signals)
	if err := l.subscribe(ctx); err != nil {
		return err
	}
	for signal := range signals {
		if err := l.take(ctx, signal); err != nil {
			return err
		}
	}
	return errBusGone
}

// subscribe asks for logind's signals, and for those by which it comes and goes.
func (l *listener) subscribe(ctx context.Context) error {
	for _, match := range [][]dbus.MatchOption{
		{dbus.WithMatchSender(busService), dbus.WithMatchInterface(busService), dbus.WithMatchMember(nameOwnerChanged), dbus.WithMatchArg(0, service)},
		{dbus.WithMatchSender(service), dbus.WithMatchInterface(manager), dbus.WithMatchMember(prepareForSleep)},
	} {
		if err := l.conn.AddMatchSignalContext(ctx, match...); err != nil {
			return fmt.Errorf("subscribe to signals of the system's D-Bus: %w", err)
		}
	}
	l.find(ctx)
	return nil
}

// find notes who logind is now, if anybody. It may come yet.
func (l *listener) find(ctx context.Context) {
	var owner string
	err := l.conn.BusObject().CallWithContext(ctx, busService+".GetNameOwner", 0, service).Store(&owner)
	if err != nil {
		l.log.Debug("there is no logind", "error", err)
		return
	}
	l.appear(ctx, owner)
}

// take acts on a signal. Anybody may send any signal to us, so that who it is from
// decides.
func (l *listener) take(ctx context.Context, signal *dbus.Signal) error {
	switch {
	case signal.Sender == busService && signal.Name == busService+"."+nameOwnerChanged:
		var name, before, owner string
		if dbus.Store(signal.Body, &name, &before, &owner) == nil && name == service {
			l.appear(ctx, owner)
		}
	case signal.Sender == l.owner && signal.Name == manager+"."+prepareForSleep:
		var begins bool
		if err := dbus.Store(signal.Body, &begins); err != nil {
			return fmt.Errorf("read logind's signal: %w", err)
		}
		if begins {
			return l.sleep(ctx)
		}
		l.wake()
		l.inhibit(ctx)
	}
	return nil
}

// appear notes who logind is from now on. A new one knows nothing of the locks, nor
// says that a sleep is over which it didn't begin.
func (l *listener) appear(ctx context.Context, owner string) {
	if owner == l.owner {
		return
	}
	l.owner = owner
	l.wake()
	l.release()
	l.inhibit(ctx)
}

// sleep lets the host sleep when work has ended.
func (l *listener) sleep(ctx context.Context) error {
	if l.nap == nil {
		l.nap = &nap{told: make(chan struct{}), awake: make(chan struct{})}
		select {
		case l.naps <- l.nap:
		case <-ctx.Done():
			return ctx.Err()
		}
		select {
		case <-l.nap.told:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	l.release()
	return nil
}

func (l *listener) wake() {
	if l.nap != nil {
		close(l.nap.awake)
		l.nap = nil
	}
}

// inhibit has logind wait for us before the next sleep, for the few seconds that it
// grants. Where it refuses, the host sleeps when it likes, and what we have to tell
// is as a rule quick enough.
func (l *listener) inhibit(ctx context.Context) {
	if l.lock != nil || l.owner == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, lockTimeout)
	defer cancel()
	var lock dbus.UnixFD
	err := l.conn.Object(service, managerPath).CallWithContext(ctx, manager+".Inhibit", dbus.FlagNoAutoStart,
		"sleep", "Corral", "The control plane is told before the host sleeps", "delay").Store(&lock)
	if err != nil {
		l.log.Debug("the host's sleep will not wait for the agent", "error", err)
		return
	}
	l.lock = os.NewFile(uintptr(lock), "logind's lock")
}

func (l *listener) release() {
	if l.lock != nil {
		_ = l.lock.Close() // it is a pipe that nothing was written to
		l.lock = nil
	}
}
