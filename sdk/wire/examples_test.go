package wire_test

import (
	"math"

	"github.com/corral-fleet/corral/sdk/wire"
)

// examples returns one frame of every type, as a session might carry them. The
// key is the frame's name in the schema.
func examples() map[string]wire.Frame {
	return map[string]wire.Frame{
		"challenge": &wire.Challenge{
			Nonce:      []byte("0123456789abcdef0123456789abcdef"),
			MinVersion: 1, MaxVersion: 1,
			UnixMillis: 1_790_000_000_123,
		},
		"hello": &wire.Hello{
			Version:    1,
			PublicKey:  []byte("thirty-two bytes of a public key"),
			Signature:  []byte("sixty-four bytes that only the holder of the private key can make"),
			Token:      "crt_example",
			RunID:      "run-7f3a",
			UnixMillis: 1_790_000_000_456,
			Host: wire.HostFacts{
				Name: "gpu-01", Hostname: "gpu-01.lab", OS: "linux", Platform: "debian 12.5", Arch: "amd64",
				Kernel: "6.1.0", MachineID: "9c1d", BootID: "b7e0", AgentVersion: "0.1.0",
				CPUModel: "Example 7", CPUCores: 16, MemoryBytes: 64 << 30,
				Labels:      []wire.Label{{Name: "rack", Value: "r1"}, {Name: "empty"}},
				PeerAddress: "gpu-01.lab:11437",
			},
			Leave: true,
		},
		"welcome": &wire.Welcome{
			HostID: "h_01", Name: "gpu-01", Version: 1, SessionEpoch: 7, AckedSeq: 3600,
			CACertificates: []byte("-----BEGIN CERTIFICATE-----\n"),
			PeerTicketKey:  []byte("thirty-two bytes of a ticket key"),
		},
		"reject": &wire.Reject{
			Code: wire.RejectToken, Message: "the token expired", RetryAfterMillis: 30_000,
		},
		"ping":          &wire.Ping{ID: 41, UnixMillis: 1_790_000_001_000},
		"pong":          &wire.Pong{ID: 41, UnixMillis: 1_790_000_001_002},
		"sample":        exampleSample(2),
		"ack":           &wire.Ack{Seq: 3601},
		"instances":     &wire.Instances{List: []wire.Instance{exampleInstance(), {Name: "second"}}},
		"action":        &wire.Action{ID: 9, Kind: wire.ActionRestartInstance, Instance: wire.DefaultInstance},
		"action_result": &wire.ActionResult{ID: 9, Code: "conflict", Message: "the instance is attached"},
		"goodbye":       &wire.Goodbye{Reason: "upgrade", Asleep: true},
		"leaving":       &wire.Leaving{GraceMillis: 30_000},
		"gpu_report":    exampleGPUReport(),
		"peer_tickets":  &wire.PeerTickets{Key: []byte("thirty-two bytes of a ticket key")},
	}
}

// exampleSample returns a sample of a host with this many cores. One sensor is
// there and could not be read.
func exampleSample(cores int) *wire.Sample {
	s := &wire.Sample{
		Seq:        3601,
		UnixMillis: 1_790_000_002_000,
		CPU:        wire.CPU{Known: true, TotalPercent: 12.5},
		Load:       wire.Load{Known: true, Load1: 0.5, Load5: 0.25, Load15: 0.125},
		Memory: wire.Memory{
			Known: true, TotalBytes: 64 << 30, AvailableBytes: 48 << 30, UsedBytes: 16 << 30,
			SwapTotalBytes: 8 << 30, SwapUsedBytes: 1 << 20,
		},
		UptimeSec: 86_400,
		Disks: []wire.Disk{
			{Mount: "/", Device: "/dev/nvme0n1p1", FileSystem: "ext4", TotalBytes: 1 << 40, UsedBytes: 1 << 39, FreeBytes: 1 << 38},
			{Mount: "/models", Device: "/dev/nvme1n1", FileSystem: "xfs", TotalBytes: 4 << 40, UsedBytes: 1 << 40, FreeBytes: 3 << 40},
		},
		DiskIO:   []wire.DiskIO{{Device: "nvme0n1", ReadBytes: 123_456_789, WrittenBytes: 987_654, BusyMillis: 4_321}},
		Networks: []wire.Network{{Interface: "eth0", ReceivedBytes: 1 << 33, SentBytes: 1 << 31, Errors: 2, Dropped: 3}},
		Sensors:  []wire.Sensor{{Name: "coretemp", Celsius: 51.5}, {Name: "nvme", Celsius: float32(math.NaN())}},
		InFlight: 4,
		GPUs:     []wire.GPU{exampleGPU(), lostGPU()},
	}
	for i := range cores {
		s.CPU.PerCorePercent = append(s.CPU.PerCorePercent, float32(i)+0.5)
	}
	return s
}

func exampleGPU() wire.GPU {
	return wire.GPU{
		UUID: "GPU-8f2c1d34-0001", Index: 0, Name: "Example GPU 80GB", State: wire.GPUDegraded, Message: "it slows itself down: too hot",
		UtilizationPercent: 97, Memory: wire.GPUMemory{Known: true, TotalBytes: 80 << 30, UsedBytes: 60 << 30, ReservedBytes: 1 << 29},
		TemperatureCelsius: 91, SlowdownCelsius: 90, PowerWatts: 640.5, PowerLimitWatts: 700,
		Source: "demo", Clocks: wire.GPUClocks{Known: true, SMMegahertz: 1980, MemoryMegahertz: 2619, ThrottleKnown: true, ThrottleReasons: 0x40},
	}
}

func exampleGPUReport() *wire.GPUReport {
	return &wire.GPUReport{
		State: wire.GPUsReleased, Message: "the GPUs are let go of", Source: "nvml",
		DriverVersion: "570.172.08", KernelModuleVersion: "570.172.08", NVMLVersion: "12.570.172.08", CUDAVersion: "12.8",
		UntilUnixMillis: 1_790_000_600_000,
		Cards: []wire.GPUCard{{
			UUID: "GPU-8f2c1d34-0001", Address: "0000:18:00.0", Serial: "1653023", VBIOS: "96.00", Architecture: "Hopper", ComputeCapability: "9.0",
			Figures:          []wire.GPUFigure{{Name: "pcie_width", Value: 16}, {Name: "margin_celsius", Value: -1}},
			Processes:        []wire.GPUProcess{{PID: 4711, User: "ollama", Name: "ollama", Kind: "compute", MemoryKnown: true, MemoryBytes: 6 << 30, Instance: "default"}},
			Parts:            []wire.GPUPart{{UUID: "MIG-1", Name: "1g.10gb", MemoryKnown: true, TotalBytes: 10 << 30, UsedBytes: 1 << 30}},
			UnaccountedKnown: true, UnaccountedBytes: 1 << 20,
		}},
		Events: []wire.GPUEvent{{
			UnixMillis: 1_789_999_900_000, UUID: "GPU-8f2c1d34-0001", Address: "0000:18:00.0", XidKnown: true, Xid: 79,
			Name: "GPU_HAS_FALLEN_OFF_THE_BUS", Message: "the GPU has fallen off the bus", Action: "RESTART_BM", Advice: "restart the host",
			PID: 4711, Process: "ollama",
		}},
		Conditions: []wire.GPUCondition{{Code: "kernel_log_unreadable", Message: "the kernel log can't be read"}},
	}
}

// lostGPU was there and can't be read any more.
func lostGPU() wire.GPU {
	nan := float32(math.NaN())
	return wire.GPU{
		UUID: "GPU-8f2c1d34-0002", Index: 1, Name: "Example GPU 80GB", State: wire.GPULost, Message: "it fell off the bus",
		UtilizationPercent: nan, TemperatureCelsius: nan, SlowdownCelsius: nan, PowerWatts: nan, PowerLimitWatts: nan,
	}
}

func exampleInstance() wire.Instance {
	return wire.Instance{
		Name: wire.DefaultInstance, Mode: "managed", State: wire.InstanceDegraded,
		Reason: "generation_stalled", Message: "a generation stopped producing tokens",
		Version: "0.17.4", PID: 4242, StartedUnixMillis: 1_789_999_000_000, InFlight: 4, RestartCount: 1, Parallel: 2,
		Restarts:    []wire.Restart{{UnixMillis: 1_789_999_000_000, Cause: "exited", Message: "exit status 1"}},
		ModelsKnown: true,
		Models: []wire.Model{{
			Name: "llama3:latest", Digest: "365c0bd3c000", SizeBytes: 4_661_224_676, Format: "gguf", Family: "llama",
			ParameterSize: "8.0B", Quantization: "Q4_0", ModifiedUnixMillis: 1_780_000_000_000,
		}},
		Loaded: []wire.LoadedModel{{
			Name: "llama3:latest", Digest: "365c0bd3c000", SizeBytes: 6 << 30, SizeVRAMBytes: 5 << 30,
			ContextLength: 8192, ExpiresUnixMillis: 1_790_000_300_000,
			GPUsKnown: true, GPUs: []wire.GPUShare{{UUID: "GPU-8f2c1d34-0001", MemoryBytes: 5 << 30}},
		}},
		Unit: wire.Unit{
			Name: "corral-ollama@default.service", ActiveState: "activating", SubState: "auto-restart", Result: "exit-code",
			RestartCount: 3, MemoryBytes: 7 << 30,
		},
		Settings: wire.OllamaSettings{ContextLength: 8192, CacheType: "q8_0", FlashAttention: "on", ModelsDir: "/var/lib/corral-ollama/models"},
	}
}
