// SPDX-License-Identifier: Apache-2.0

// Burns 70, 20 and 10 % of its time in functions of these names, for so many seconds, in a
// goroutine; most of each in mix, which the compiler inlines.
package main

import (
	"fmt"
	"os"
	"strconv"
	"time"
)

func mix(x uint64) uint64 { return x ^ x<<13 ^ x>>7 }

func spin(x uint64, rounds int) uint64 {
	for i := 0; i < rounds; i++ {
		x = mix(x + uint64(i))
	}
	return x
}

//go:noinline
func burn_70(x uint64) uint64 { return spin(x, 700000) }

//go:noinline
func burn_20(x uint64) uint64 { return spin(x, 200000) }

//go:noinline
func burn_10(x uint64) uint64 { return spin(x, 100000) }

//go:noinline
func round(x uint64) uint64 { return burn_70(x) + burn_20(x) + burn_10(x) }

func main() {
	seconds, err := strconv.ParseFloat(os.Args[1], 64)
	if err != nil {
		panic(err)
	}
	done := make(chan uint64)
	go func() {
		x := uint64(1)
		end := time.Now().Add(time.Duration(seconds * 1e9))
		for time.Now().Before(end) {
			x = round(x)
		}
		done <- x
	}()
	fmt.Println(<-done)
}
