// SPDX-License-Identifier: Apache-2.0

/*
Writeprofile writes a profile as Go programs do, with runtime/pprof, for plimsoll to read.

	go run main.go cpu FILE     three parts of work in one (label part=heavy), one in another (light)
	go run main.go heap FILE    64 blocks of 1 MiB, kept
*/
package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"time"
)

var (
	sink uint64
	kept [][]byte
)

//go:noinline
func step(x uint64) uint64 {
	for i := 0; i < 1<<16; i++ {
		x = x*6364136223846793005 + 1442695040888963407
	}
	return x
}

//go:noinline
func heavy() {
	for i := 0; i < 3; i++ {
		sink = step(sink)
	}
}

//go:noinline
func light() {
	sink = step(sink)
}

//go:noinline
func keep() {
	for i := 0; i < 64; i++ {
		kept = append(kept, make([]byte, 1<<20))
	}
}

func work(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); {
		pprof.Do(context.Background(), pprof.Labels("part", "heavy"), func(context.Context) { heavy() })
		pprof.Do(context.Background(), pprof.Labels("part", "light"), func(context.Context) { light() })
	}
}

func writeProfile(kind string, path string) error {
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	defer out.Close()
	switch kind {
	case "cpu":
		if err := pprof.StartCPUProfile(out); err != nil {
			return err
		}
		work(2 * time.Second)
		pprof.StopCPUProfile()
		return nil
	case "heap":
		keep()
		runtime.GC()
		return pprof.WriteHeapProfile(out)
	}
	return fmt.Errorf("unknown kind of profile %q", kind)
}

func main() {
	runtime.MemProfileRate = 1
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: writeprofile cpu|heap FILE")
		os.Exit(2)
	}
	if err := writeProfile(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "writeprofile:", err)
		os.Exit(1)
	}
}
