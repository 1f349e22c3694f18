// SPDX-License-Identifier: Apache-2.0

// Busy does what Go programs do all day, for ever, in four goroutines.
package main

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"regexp"
	"sort"
	"strings"
)

type shape interface{ area() float64 }
type square struct{ side float64 }
type circle struct{ radius float64 }

func (s square) area() float64 { return s.side * s.side }
func (c circle) area() float64 { return 3 * c.radius * c.radius }

var pattern = regexp.MustCompile(`([0-9]+)([a-f]+)`)

func walk(depth int) int {
	if depth == 0 {
		return 1
	}
	return walk(depth-1) + walk(depth-1)
}

func measure() (sum float64) {
	var shapes []shape
	for i := 0; i < 5000; i++ {
		if i%2 == 0 {
			shapes = append(shapes, square{float64(i)})
		} else {
			shapes = append(shapes, circle{float64(i)})
		}
	}
	for _, s := range shapes {
		sum += s.area()
	}
	return sum
}

func work(words []string, done chan<- int) {
	for {
		text := strings.Join(words, " ")
		total := walk(16) + int(measure())
		pattern.ReplaceAllString(text, "$2$1")
		sha256.Sum256([]byte(text))
		encoded, _ := json.Marshal(words)
		var decoded []string
		json.Unmarshal(encoded, &decoded)
		sort.Slice(decoded, func(a, b int) bool { return decoded[a][3:] < decoded[b][3:] })
		var out bytes.Buffer
		writer, _ := flate.NewWriter(&out, 6)
		writer.Write(encoded)
		writer.Close()
		done <- total + out.Len()
	}
}

func main() {
	var words []string
	for i := uint64(0); i < 2000; i++ {
		words = append(words, fmt.Sprintf("%016x", i*0x9e3779b97f4a7c15))
	}
	done := make(chan int)
	for i := 0; i < 4; i++ {
		go work(words, done)
	}
	for range done {
	}
}
