package main

import (
	"context"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

func TestAProcessThatSleepsMeetsTheTargets(t *testing.T) {
	cmd := exec.Command("sleep", "600")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	var out strings.Builder
	args := []string{"-pid", strconv.Itoa(cmd.Process.Pid), "-settle", "100ms", "-for", "200ms", "-enforce"}
	if err := run(context.Background(), args, &out, io.Discard); err != nil {
		t.Error(err)
	}
	if !strings.Contains(out.String(), "| sleep ") {
		t.Errorf("no row for the process in\n%s", out.String())
	}
}

func TestBusyProcessesMissTheTargets(t *testing.T) {
	cmd := exec.Command("sh", "-c", "while :; do :; done")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	args := []string{"-pid", strconv.Itoa(cmd.Process.Pid), "-settle", "0", "-for", "500ms", "-enforce"}
	if err := run(context.Background(), args, io.Discard, io.Discard); err == nil {
		t.Error("a busy process met the target of an idle agent")
	}
}

func TestOptions(t *testing.T) {
	for _, args := range [][]string{{}, {"-agent", "a"}, {"-pid", "1", "-agent", "a", "-controlplane", "c"}, {"-pid", "1", "-for", "0"}, {"-pid", "1", "x"}} {
		if err := run(context.Background(), args, io.Discard, io.Discard); err == nil {
			t.Errorf("%v was taken", args)
		}
	}
}
