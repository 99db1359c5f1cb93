package systemd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/corral-fleet/corral/sdk/fault"
)

// Where systemd is on the bus.
const (
	destination   = "org.freedesktop.systemd1"
	managerPath   = dbus.ObjectPath("/org/freedesktop/systemd1")
	managerFace   = "org.freedesktop.systemd1.Manager"
	unitFace      = "org.freedesktop.systemd1.Unit"
	serviceFace   = "org.freedesktop.systemd1.Service"
	propertyFace  = "org.freedesktop.DBus.Properties"
	signalsAtOnce = 64
)

// The names of errors that the bus and systemd answer with.
var (
	forbidden = []string{"org.freedesktop.DBus.Error.AccessDenied", "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired"}
	missing   = []string{"org.freedesktop.systemd1.NoSuchUnit", "org.freedesktop.systemd1.LoadFailed"}
	masked    = []string{"org.freedesktop.systemd1.UnitMasked"}
)

// connection is one to systemd, over the bus.
type connection struct {
	*dbus.Conn
	signals chan *dbus.Signal // closed with the connection
	systemd dbus.BusObject
	cancel  context.CancelFunc
}

func (c *connection) Close() {
	c.cancel()
	c.Conn.Close() // nothing is lost with it
}

// connect connects to the bus, until ctx is done or the connection is closed.
func (u *Unit) connect(ctx context.Context) (*connection, error) {
	dial := dbus.ConnectSystemBus
	if u.Bus != "" {
		dial = func(options ...dbus.ConnOption) (*dbus.Conn, error) { return dbus.Connect(u.Bus, options...) }
	}
	ctx, cancel := context.WithCancel(ctx)
	hurry := time.AfterFunc(askTimeout, cancel) // a bus may take the connection and say nothing
	defer hurry.Stop()
	conn, err := dial(dbus.WithContext(ctx))
	if err != nil {
		cancel()
		return nil, fault.Wrap(fault.Unavailable, err, "the system's bus can't be reached, by which systemd is asked").On(fault.Host)
	}
	c := &connection{Conn: conn, signals: make(chan *dbus.Signal, signalsAtOnce), systemd: conn.Object(destination, managerPath), cancel: cancel}
	conn.Signal(c.signals)
	if err := c.systemd.CallWithContext(ctx, managerFace+".Subscribe", 0).Err; err != nil {
		c.Close()
		return nil, u.say(err)
	}
	return c, nil
}

// say puts what the bus or systemd answered into an error of ours.
func (u *Unit) say(err error) error {
	var answered dbus.Error
	switch {
	case !errors.As(err, &answered):
		return fault.Wrap(fault.Unavailable, err, "systemd does not answer").On(fault.Host)
	case slices.Contains(forbidden, answered.Name):
		return fault.Wrap(fault.Forbidden, err, "the agent may not manage the unit %s; the rule of polkit that lets it comes with make install", u.Name).On(fault.Host)
	case slices.Contains(missing, answered.Name):
		return fault.Wrap(fault.NotFound, err, "there is no unit %s; make install puts it in place", u.Name).On(fault.Host)
	case slices.Contains(masked, answered.Name):
		return fault.Wrap(fault.Conflict, err, "the unit %s is masked; systemctl unmask %[1]s lets it be started", u.Name).On(fault.Host)
	}
	return fault.Wrap(fault.Unavailable, err, "systemd refuses: %s", describe(answered)).On(fault.Host)
}

// describe returns the sentence of an answered error, or its name.
func describe(e dbus.Error) string {
	if len(e.Body) > 0 {
		if text, ok := e.Body[0].(string); ok {
			return text
		}
	}
	return e.Name
}

// Start starts the unit and returns when it runs. One that runs already is left
// as it is. It is fault.Forbidden where polkit refuses, fault.NotFound where there
// is no such unit, and fault.Unavailable when systemd or the unit fails.
func (u *Unit) Start(ctx context.Context) error { return u.job(ctx, "Start") }

// Stop stops the unit. Its errors are those of [Unit.Start].
func (u *Unit) Stop(ctx context.Context) error { return u.job(ctx, "Stop") }

// Restart stops the unit where it runs, and starts it. Its errors are those of
// [Unit.Start].
func (u *Unit) Restart(ctx context.Context) error { return u.job(ctx, "Restart") }

// job has systemd do something, and waits until it is done. When ctx is done
// first, systemd goes on.
func (u *Unit) job(ctx context.Context, verb string) error {
	c, err := u.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.AddMatchSignalContext(ctx, dbus.WithMatchInterface(managerFace), dbus.WithMatchMember("JobRemoved")); err != nil {
		return u.say(err)
	}
	var job dbus.ObjectPath
	if err := c.systemd.CallWithContext(ctx, managerFace+"."+verb+"Unit", 0, u.Name, "replace").Store(&job); err != nil {
		return u.say(err)
	}
	for {
		select {
		case <-ctx.Done():
			return fault.Wrap(fault.Timeout, ctx.Err(), "systemd is still busy with the unit %s", u.Name).On(fault.Host)
		case s, ok := <-c.signals:
			if !ok && ctx.Err() == nil {
				return fault.New(fault.Unavailable, "the system's bus was lost while systemd was busy with the unit %s", u.Name).On(fault.Host)
			}
			if !ok {
				continue // ctx has closed it
			}
			if result, ours := jobResult(s, job); ours && result != "done" {
				return fault.New(fault.Unavailable, "the unit %s did not do as told: %s", u.Name, jobWords(result)).On(fault.Host)
			} else if ours {
				return nil
			}
		}
	}
}

// jobResult returns how a job ended, if that is what a signal says.
func jobResult(s *dbus.Signal, job dbus.ObjectPath) (result string, ours bool) {
	const pathField, resultField = 1, 3
	if s.Name != managerFace+".JobRemoved" || len(s.Body) <= resultField || s.Body[pathField] != job {
		return "", false
	}
	result, ok := s.Body[resultField].(string)
	return result, ok
}

func jobWords(result string) string {
	switch result {
	case "canceled":
		return "somebody else told it something different meanwhile"
	case "timeout":
		return "it took too long"
	case "failed":
		return "it failed"
	case "dependency":
		return "a unit that it needs failed"
	}
	return fmt.Sprintf("its job ended as %q", result)
}
