package procs

import (
	"fmt"
	"os"
	"strconv"
)

// All returns the process table. A process that ends while it is read is left out.
func All() ([]Process, error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, fmt.Errorf("process table: %w", err)
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("process table: %w", err)
	}
	var all []Process
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if p, err := Read(pid); err == nil {
			all = append(all, p)
		}
	}
	return all, nil
}

// Children returns the running processes that have this parent.
func Children(parent int) ([]Process, error) {
	all, err := All()
	if err != nil {
		return nil, err
	}
	var children []Process
	for _, p := range all {
		if p.Parent == parent && p.Running() {
			children = append(children, p)
		}
	}
	return children, nil
}

// Descendants returns the running processes below this one, parents before
// their children.
func Descendants(root int) ([]Process, error) {
	all, err := All()
	if err != nil {
		return nil, err
	}
	byParent := map[int][]Process{}
	for _, p := range all {
		byParent[p.Parent] = append(byParent[p.Parent], p)
	}
	var below []Process
	seen := map[int]bool{root: true} // the table is no snapshot: a cycle is possible
	for queue := []int{root}; len(queue) > 0; queue = queue[1:] {
		for _, p := range byParent[queue[0]] {
			if seen[p.PID] {
				continue
			}
			seen[p.PID] = true
			queue = append(queue, p.PID)
			if p.Running() {
				below = append(below, p)
			}
		}
	}
	return below, nil
}

// Marked returns the running processes of our user that were started with the
// environment entry "NAME=value". Neither the caller nor anything above it is
// ever among them.
func Marked(entry string) ([]Process, error) {
	all, err := All()
	if err != nil {
		return nil, err
	}
	above := map[int]bool{}
	for pid := os.Getpid(); pid > 0 && !above[pid]; {
		above[pid] = true
		p, err := Read(pid)
		if err != nil {
			break
		}
		pid = p.Parent
	}
	var marked []Process
	for _, p := range all {
		if !above[p.PID] && p.Running() && p.ours() && p.hasEnv(entry) {
			marked = append(marked, p)
		}
	}
	return marked, nil
}
