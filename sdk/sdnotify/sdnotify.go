// Package sdnotify tells systemd how a service of its is: that it is ready, that
// it still works, that it ends, and a line for people. It is the protocol of
// sd_notify(3). Where no systemd asked for it, nothing is told to anybody.
package sdnotify

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
)

const (
	// mostQuiet is how long a change of the status may take to be seen.
	mostQuiet = 5 * time.Second
	// extension is what a service that is ending asks for at each beat, so that it
	// is not killed while it waits for what is under way, and is when it hangs.
	extension = 30 * time.Second
	// sendTimeout is how long systemd may take to have room for a datagram.
	sendTimeout = time.Second
	// beatsInTime is how many beats fit into the time after which systemd takes a
	// silent service for a broken one.
	beatsInTime = 3
)

// Service is this process as a service. The zero value tells nobody anything.
type Service struct {
	socket   string
	watchdog time.Duration // 0: none waits
	log      hclog.Logger
}

// Under returns this process as the service that its environment says it is.
func Under(environ []string, log hclog.Logger) Service {
	s := Service{log: log}
	watched, every := strconv.Itoa(os.Getpid()), time.Duration(0)
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		switch name {
		case "NOTIFY_SOCKET":
			s.socket = value
		case "WATCHDOG_PID":
			watched = value
		case "WATCHDOG_USEC":
			if micros, err := strconv.ParseInt(value, 10, 64); err == nil && micros > 0 {
				every = time.Duration(micros) * time.Microsecond
			}
		}
	}
	if watched == strconv.Itoa(os.Getpid()) { // a parent may have left us its own
		s.watchdog = every
	}
	return s
}

// Asked reports whether a systemd wants to be told, and so whether it runs this
// process.
func (s Service) Asked() bool { return s.socket != "" }

// Beat is what a service says of itself each time that it is asked.
type Beat struct {
	Alive  bool   // false keeps the watchdog waiting
	Status string // a line for people
}

// Run says that the service is ready, and how it is from then on until ctx is
// done. It asks beat, which answers soon where all is well: while it blocks, the
// watchdog waits. Once leaving is closed the service is ending, and may take as
// long for that as it goes on being alive.
func (s Service) Run(ctx context.Context, leaving <-chan struct{}, beat func(context.Context) Beat) error {
	if !s.Asked() {
		return nil
	}
	every := mostQuiet
	if s.watchdog > 0 {
		every = min(every, s.watchdog/beatsInTime)
	}
	ticks := time.NewTicker(every)
	defer ticks.Stop()
	told, ending := "", false
	news := []string{"READY=1"}
	for {
		now := beat(ctx)
		if now.Status != told {
			told = now.Status
			news = append(news, "STATUS="+strings.ReplaceAll(told, "\n", " "))
		}
		if now.Alive {
			news = append(news, "WATCHDOG=1")
			if ending {
				news = append(news, fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", extension.Microseconds()))
			}
		}
		s.tell(news)
		news = nil
		select {
		case <-ctx.Done():
			return nil
		case <-leaving:
			leaving, ending = nil, true
			news = append(news, "STOPPING=1")
		case <-ticks.C:
		}
	}
}

// tell sends news. One that is lost is followed by another, and a watchdog that
// hears of none acts on it.
func (s Service) tell(news []string) {
	if len(news) == 0 {
		return
	}
	if err := s.send(strings.Join(news, "\n")); err != nil {
		s.log.Warn("systemd is not told how this service is", "error", err)
	}
}

func (s Service) send(text string) error {
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: s.socket, Net: "unixgram"})
	if err != nil {
		return err
	}
	defer conn.Close() // a datagram is sent, or was not
	if err := conn.SetWriteDeadline(time.Now().Add(sendTimeout)); err != nil {
		return err
	}
	_, err = conn.Write([]byte(text))
	return err
}
