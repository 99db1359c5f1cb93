package systemd

import (
	"context"
	"encoding/hex"
	"math"
	"time"

	"github.com/godbus/dbus/v5"
)

// State returns how the unit is now. One that does not exist is no error but a
// state.
func (u *Unit) State(ctx context.Context) (State, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	c, err := u.connect(ctx)
	if err != nil {
		return State{}, err
	}
	defer c.Close()
	path, err := u.path(ctx, c)
	if err != nil {
		return State{}, err
	}
	return u.read(ctx, c, path)
}

// Watch calls told with how the unit is, at once, when that changes, and now and
// then, until ctx is done. While it can't be seen, told gets an error instead, and
// Watch goes on trying.
func (u *Unit) Watch(ctx context.Context, told func(State, error)) {
	for ctx.Err() == nil {
		if err := u.watch(ctx, told); err != nil && ctx.Err() == nil {
			told(State{}, err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(retry):
		}
	}
}

// watch is Watch until the bus is lost.
func (u *Unit) watch(ctx context.Context, told func(State, error)) error {
	c, err := u.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	path, err := u.path(ctx, c)
	if err != nil {
		return err
	}
	if err := c.AddMatchSignalContext(ctx, dbus.WithMatchObjectPath(path), dbus.WithMatchInterface(propertyFace)); err != nil {
		return u.say(err)
	}
	every := u.Poll
	if every == 0 {
		every = defaultPoll
	}
	poll := time.NewTicker(every)
	defer poll.Stop()
	for {
		state, err := u.read(ctx, c, path)
		if err != nil {
			return err
		}
		told(state, nil)
		select {
		case <-ctx.Done():
			return nil
		case <-poll.C:
		case _, ok := <-c.signals:
			if !ok || !c.drain() {
				return u.say(dbus.ErrClosed)
			}
		}
	}
}

// drain takes the signals that have come already, as one look serves for all. It
// reports whether there is still a bus.
func (c *connection) drain() bool {
	for {
		select {
		case _, ok := <-c.signals:
			if !ok {
				return false
			}
		default:
			return true
		}
	}
}

// path returns the unit's object, which exists for any name that may be one.
func (u *Unit) path(ctx context.Context, c *connection) (path dbus.ObjectPath, err error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	if err := c.systemd.CallWithContext(ctx, managerFace+".LoadUnit", 0, u.Name).Store(&path); err != nil {
		return "", u.say(err)
	}
	return path, nil
}

func (u *Unit) read(ctx context.Context, c *connection, path dbus.ObjectPath) (State, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	asked, object := time.Now(), c.Object(destination, path)
	unit, service := map[string]dbus.Variant{}, map[string]dbus.Variant{}
	if err := object.CallWithContext(ctx, propertyFace+".GetAll", 0, unitFace).Store(&unit); err != nil {
		return State{}, u.say(err)
	}
	if err := object.CallWithContext(ctx, propertyFace+".GetAll", 0, serviceFace).Store(&service); err != nil {
		return State{}, u.say(err)
	}
	state := State{
		Load: value[string](unit, "LoadState"), Active: value[string](unit, "ActiveState"), Sub: value[string](unit, "SubState"),
		Result: value[string](service, "Result"), MainPID: int(value[uint32](service, "MainPID")),
		ExitStatus: int(value[int32](service, "ExecMainStatus")), Restarts: value[uint32](service, "NRestarts"),
		Invocation: hex.EncodeToString(value[[]byte](unit, "InvocationID")),
		Asked:      asked,
		RestartIn:  time.Duration(value[uint64](service, "RestartUSec")) * time.Microsecond,
	}
	if micros := value[uint64](service, "ExecMainStartTimestamp"); micros > 0 {
		state.Started = time.UnixMicro(int64(micros))
	}
	if bytes := value[uint64](service, "MemoryCurrent"); bytes != math.MaxUint64 { // which is not counted
		state.MemoryBytes = bytes
	}
	for _, file := range value[[][]any](service, "EnvironmentFiles") {
		if len(file) > 0 {
			if name, ok := file[0].(string); ok {
				state.EnvFiles = append(state.EnvFiles, name)
			}
		}
	}
	return state, nil
}

// value returns a property, or the zero value of one that is not there: versions
// of systemd differ.
func value[T any](properties map[string]dbus.Variant, name string) T {
	v, _ := properties[name].Value().(T)
	return v
}
