package hostmetrics

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shirou/gopsutil/v3/disk"
	"github.com/shirou/gopsutil/v3/host"

	"github.com/corral-fleet/corral/sdk/wire"
)

// fileServer answers for file systems, and can hang or fail for some of them.
type fileServer struct {
	mu      sync.Mutex
	hung    map[string]chan struct{} // closed to let go
	failing map[string]error
	asked   int // calls that have not returned
	most    int
}

func (f *fileServer) usage(_ context.Context, path string) (*disk.UsageStat, error) {
	f.mu.Lock()
	hung, err := f.hung[path], f.failing[path]
	f.asked++
	f.most = max(f.most, f.asked)
	f.mu.Unlock()
	if hung != nil {
		<-hung
	}
	f.mu.Lock()
	f.asked--
	f.mu.Unlock()
	return &disk.UsageStat{Total: 100, Used: 30, Free: 60}, err
}

func (f *fileServer) hang(t *testing.T, path string) (letGo func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.hung == nil {
		f.hung = map[string]chan struct{}{}
	}
	c := make(chan struct{})
	f.hung[path] = c
	letGo = sync.OnceFunc(func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.hung, path)
		close(c)
	})
	t.Cleanup(letGo)
	return letGo
}

func (f *fileServer) fail(path string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failing = map[string]error{path: err}
}

func mountsOf(s *wire.Sample) string {
	var paths []string
	for _, d := range s.Disks {
		paths = append(paths, d.Mount)
	}
	return strings.Join(paths, " ")
}

func TestFileSystemsThatStoreSomething(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t)
		s := m.sampler()
		s.usage = (&fileServer{}).usage
		background(t, s)
		row := func(mount, device, fs string) wire.Disk {
			return wire.Disk{Mount: mount, Device: device, FileSystem: fs, TotalBytes: 100, UsedBytes: 30, FreeBytes: 60}
		}
		want := []wire.Disk{
			row("/", "/dev/vda1", "ext4"),
			row("/models disk", "/dev/sdb1", "xfs"),
			row("/over", "/dev/sdd1", "ext4"), // the one on top
			row("/mnt/nfs", "server:/export", "nfs4"),
		}
		if d := diff(want, m.sample(s).Disks); d != "" {
			t.Errorf("file systems (-want +got):\n%s", d)
		}
	})
}

func TestAHungMountHoldsUpNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t)
		files := &fileServer{}
		s := m.sampler()
		s.usage = files.usage
		background(t, s)
		const all, others = "/ /models disk /over /mnt/nfs", "/ /models disk /over"
		check := func(after time.Duration, want string) {
			t.Helper()
			time.Sleep(after) // of the test's own clock, which jumps
			synctest.Wait()
			if got := mountsOf(m.sample(s)); got != want {
				t.Errorf("rows for %q, want %q", got, want)
			}
		}
		check(0, all)
		letGo := files.hang(t, "/mnt/nfs")
		check(50*time.Second, all) // its last value still counts
		check(20*time.Second, others)
		check(time.Hour, others)
		if n := m.logged("reading failed", "group=disk", "mount=/mnt/nfs"); n != 1 {
			t.Errorf("the outage was logged %d times:\n%s", n, m.log.String())
		}
		letGo()
		check(mountInterval, all)
		if n := m.logged("works again", "mount=/mnt/nfs"); n != 1 {
			t.Errorf("its end was logged %d times:\n%s", n, m.log.String())
		}
	})
}

func TestManyHungMountsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t)
		var mounts strings.Builder
		files := &fileServer{}
		mounts.WriteString("27 1 254:0 / / rw - ext4 /dev/vda1 rw\n")
		for i := range 30 {
			path := fmt.Sprintf("/a%02d", i) // before the local one below
			fmt.Fprintf(&mounts, "34 27 0:42 / %s rw - nfs4 server:%s rw\n", path, path)
			files.hang(t, path)
		}
		mounts.WriteString("36 27 8:1 / /models rw - xfs /dev/sdb1 rw\n")
		m.write("proc/self/mountinfo", mounts.String())
		s := m.sampler()
		s.usage = files.usage
		background(t, s)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if got, want := mountsOf(m.sample(s)), "/ /models"; got != want {
			t.Errorf("rows for %q, want %q", got, want)
		}
		files.mu.Lock()
		defer files.mu.Unlock()
		if files.most > 5 { // four that hang and a local one
			t.Errorf("%d calls at once", files.most)
		}
	})
}

func TestFileSystemsComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t)
		files := &fileServer{}
		s := m.sampler()
		s.usage = files.usage
		background(t, s)
		m.write("proc/self/mountinfo", "27 1 254:0 / / rw - ext4 /dev/vda1 rw\n36 27 8:1 / /new rw - xfs /dev/sdb1 rw\n")
		time.Sleep(mountInterval)
		synctest.Wait()
		if got, want := mountsOf(m.sample(s)), "/ /new"; got != want {
			t.Errorf("rows for %q, want %q", got, want)
		}
		files.fail("/new", errors.New("stale file handle"))
		time.Sleep(staleAfter + mountInterval)
		synctest.Wait()
		if got, want := mountsOf(m.sample(s)), "/"; got != want {
			t.Errorf("rows for %q, want %q", got, want)
		}
		if m.logged("reading failed", "stale file handle") != 1 {
			t.Errorf("the log does not name the failure once:\n%s", m.log.String())
		}
	})
}

func TestTemperatures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t)
		s := m.sampler()
		s.usage = (&fileServer{}).usage
		background(t, s)
		want := []wire.Sensor{{Name: "nvme_composite", Celsius: 40.5}, {Name: "nvme_composite#2", Celsius: 41.5}, {Name: "board#2", Celsius: 55}}
		if d := diff(want, m.sample(s).Sensors); d != "" {
			t.Errorf("sensors (-want +got):\n%s", d)
		}
		m.remove("sys/class/hwmon")
		time.Sleep(sensorInterval)
		synctest.Wait()
		if got := m.sample(s).Sensors; len(got) > 0 {
			t.Errorf("a machine without sensors has %v", got)
		}
		if m.log.String() != "" {
			t.Errorf("that was complained about:\n%s", m.log.String())
		}
	})
}

func TestAHungSensorIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t)
		s := m.sampler()
		s.usage = (&fileServer{}).usage
		release := make(chan struct{})
		calls := 0
		s.temps = func(context.Context) ([]host.TemperatureStat, error) {
			if calls++; calls > 1 {
				<-release
			}
			return []host.TemperatureStat{{SensorKey: "chip", Temperature: 40}}, nil
		}
		t.Cleanup(func() { close(release) })
		background(t, s)
		if got := m.sample(s).Sensors; len(got) != 1 {
			t.Fatalf("sensors = %v", got)
		}
		time.Sleep(staleAfter)
		synctest.Wait()
		if got := m.sample(s).Sensors; len(got) != 1 {
			t.Errorf("the last value was dropped early")
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if got := m.sample(s).Sensors; len(got) != 0 {
			t.Errorf("sensors = %v, an hour old", got)
		}
		if calls != 2 || m.logged("reading failed", "group=sensors") != 1 {
			t.Errorf("%d calls; log:\n%s", calls, m.log.String())
		}
	})
}
