// The jobs of bench/mn as a Go programmer would write them: goroutines, channels, WaitGroup, Mutex.
//
//	go_peer JOB [--seconds S] [--threads N] [--writes K] [--count N] [--cross]
//
// Each job verifies its own work and prints lines as bench.h describes them: name, figure, unit, key=value pairs.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

var (
	seconds = flag.Float64("seconds", 0.3, "length of the measured window")
	threads = flag.Int("threads", 2, "goroutines")
	writes  = flag.Int("writes", 0, "of 1,000")
	count   = flag.Int("count", 1000000, "goroutines of the jobs that have many")
	cross   = flag.Bool("cross", false, "the two ends on two CPUs")
)

// line is as long as two cache lines, so that counters do not share one.
type line struct {
	n uint64
	_ [15]uint64
}

func fail(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "go_peer: "+format+"\n", args...)
	os.Exit(1)
}

func verify(ok bool, format string, args ...any) {
	if !ok {
		fail(format, args...)
	}
}

func result(name string, figure float64, unit, extra string) {
	if extra != "" {
		extra += " "
	}
	fmt.Printf("%s %.4f %s %scpus=%d model=%s\n", name, figure, unit, extra, runtime.GOMAXPROCS(0), runtime.Version())
}

func window() time.Duration {
	return time.Duration(*seconds * 1e9)
}

// nsPerCall is what do takes, called in batches until the window is over; it is told the call's number in its batch.
func nsPerCall(batch int, do func(i int)) (ns float64, calls uint64) {
	from := time.Now()
	for time.Since(from) < window() {
		for i := 0; i < batch; i++ {
			do(i)
		}
		calls += uint64(batch)
	}
	return perUnit(time.Since(from), calls), calls
}

func perUnit(d time.Duration, units uint64) float64 {
	verify(units > 0, "nothing was done in %v", d)
	return float64(d.Nanoseconds()) / float64(units)
}

// share is the smallest count / the mean.
func share(counts []line) float64 {
	least, sum := ^uint64(0), uint64(0)
	for _, c := range counts {
		sum += c.n
		if c.n < least {
			least = c.n
		}
	}
	if sum == 0 {
		return 0
	}
	return float64(least) * float64(len(counts)) / float64(sum)
}

// resident is the process's resident size and its page tables, in bytes.
func resident() float64 {
	text, err := os.ReadFile("/proc/self/status")
	verify(err == nil, "/proc/self/status: %v", err)
	kib := 0.0
	for _, row := range strings.Split(string(text), "\n") {
		var n float64
		if _, err := fmt.Sscanf(row, "VmRSS: %f kB", &n); err == nil {
			kib += n
		}
		if _, err := fmt.Sscanf(row, "VmPTE: %f kB", &n); err == nil {
			kib += n
		}
	}
	return kib * 1024
}

func main() {
	jobs := map[string]func(){
		"yield": yield, "spawn_join": spawnJoin, "spawn_batch": spawnBatch, "pingpong": pingpong, "request": requests, "ring": ring, "stream": stream,
		"skynet": skynet, "parked": parked, "forkjoin": forkjoin, "mutex": mutex, "meet": meet, "rwlock": rwlock, "chan": channel, "timers": timers,
		"echo": echo, "savina": savina, "mailbox_mpsc": mailboxMpsc,
	}
	if len(os.Args) < 2 || jobs[os.Args[1]] == nil {
		fail("which job?")
	}
	flag.CommandLine.Parse(os.Args[2:])
	verify(flag.NArg() == 0, "unknown argument: %s", flag.Arg(0))
	jobs[os.Args[1]]()
}
