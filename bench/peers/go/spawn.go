// Jobs about starting and ending goroutines, and about having many.
package main

import (
	"fmt"
	"math/rand"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// spawnJoin: start one, wait for its end.
func spawnJoin() {
	var wg sync.WaitGroup
	var ran uint64
	once := func() {
		wg.Add(1)
		go func() {
			ran++
			wg.Done()
		}()
		wg.Wait()
	}
	for i := 0; i < 1000; i++ {
		once()
	}
	spawned := uint64(0)
	from := time.Now()
	for time.Since(from) < window() {
		for i := 0; i < 256; i++ {
			once()
		}
		spawned += 256
	}
	elapsed := time.Since(from)
	verify(ran == spawned+1000, "%d started, %d ran", spawned+1000, ran)
	result("spawn_join", perUnit(elapsed, spawned), "ns", "")
}

// spawnBatch: start --count, wait for the end of all.  Gated, none ends before all have been started.
func spawnBatch() {
	batch := func(gated bool) float64 {
		var wg sync.WaitGroup
		var ended atomic.Int64
		gate := make(chan struct{})
		wg.Add(*count)
		from := time.Now()
		for i := 0; i < *count; i++ {
			if gated {
				go func() {
					<-gate
					ended.Add(1)
					wg.Done()
				}()
			} else {
				go func() {
					ended.Add(1)
					wg.Done()
				}()
			}
		}
		verify(!gated || ended.Load() == 0, "some ended early")
		close(gate)
		wg.Wait()
		elapsed := time.Since(from)
		verify(ended.Load() == int64(*count), "%d of %d ended", ended.Load(), *count)
		return perUnit(elapsed, uint64(*count))
	}
	first := batch(true)
	result("spawn_batch_1m", batch(true), "ns", fmt.Sprintf("count=%d", *count))
	result("spawn_batch_1m_first", first, "ns", "")
	result("spawn_batch_1m_free", batch(false), "ns", "")
}

type parkedOne struct {
	wake  chan struct{}
	woken int32
}

// parked: --count goroutines that wait, each on a channel of its own.
func parked() {
	all := make([]parkedOne, *count)
	order := rand.New(rand.NewSource(1)).Perm(*count)
	var ready sync.WaitGroup // how many have not yet got to where they wait
	var ended sync.WaitGroup
	create := func() float64 {
		ready.Add(*count)
		ended.Add(*count)
		from := time.Now()
		for i := range all {
			one := &all[i]
			one.wake = make(chan struct{})
			one.woken = 0
			go func() {
				for {
					ready.Done()
					if _, more := <-one.wake; !more {
						break
					}
					one.woken++
				}
				ended.Done()
			}()
		}
		ready.Wait()
		return perUnit(time.Since(from), uint64(*count))
	}
	wake := func(order []int) float64 {
		ready.Add(*count)
		from := time.Now()
		if order == nil {
			for i := range all {
				all[i].wake <- struct{}{}
			}
		} else {
			for _, i := range order {
				all[i].wake <- struct{}{}
			}
		}
		ready.Wait()
		return perUnit(time.Since(from), uint64(*count))
	}
	end := func(turns int32) {
		for i := range all {
			close(all[i].wake)
		}
		ended.Wait()
		for i := range all {
			verify(all[i].woken == turns, "goroutine %d was woken %d times, not %d", i, all[i].woken, turns)
		}
	}
	runtime.GC()
	for i := range all { // the array is the program's and not the goroutines'
		all[i].woken = 1
	}
	before := resident()
	first := create()
	bytes := (resident() - before) / float64(*count)
	end(0)
	again := create()
	inOrder := wake(nil)
	random := wake(order)
	end(2)
	result("parked_1m", bytes, "B", fmt.Sprintf("count=%d", *count))
	result("parked_1m_create_first", first, "ns", "")
	result("parked_1m_create", again, "ns", "")
	result("parked_1m_wake", inOrder, "ns", "")
	result("parked_1m_wake_random", random, "ns", "")
}

func fib(n int) int {
	if n < 2 {
		return n
	}
	var wg sync.WaitGroup
	var a int
	wg.Add(1)
	go func() {
		a = fib(n - 1)
		wg.Done()
	}()
	b := fib(n - 2)
	wg.Wait()
	return a + b
}

// forkjoin: fib(22), a goroutine for each fib(n - 1): 28,656 of them.
func forkjoin() {
	const n, value, tasks = 22, 17711, 28656
	verify(fib(n) == value, "wrong sum")
	turns := uint64(0)
	from := time.Now()
	for time.Since(from) < window() {
		verify(fib(n) == value, "wrong sum")
		turns++
	}
	result("forkjoin_fib", perUnit(time.Since(from), turns*tasks), "ns", "")
}

func skynetNode(up chan int, number, size int) {
	if size == 1 {
		up <- number
		return
	}
	results := make(chan int)
	for i := 0; i < 10; i++ {
		go skynetNode(results, number+i*size/10, size/10)
	}
	sum := 0
	for i := 0; i < 10; i++ {
		sum += <-results
	}
	up <- sum
}

// skynet: a tree of goroutines, ten below each, a million leaves; sums go up through channels.
func skynet() {
	up := make(chan int)
	once := func() float64 {
		from := time.Now()
		go skynetNode(up, 0, 1000000)
		verify(<-up == 499999500000, "wrong sum")
		return time.Since(from).Seconds()
	}
	first := once()
	result("skynet_1m", once(), "s", "")
	result("skynet_1m_first", first, "s", "")
}

// timers: --count goroutines sleep a time between 0 and 1 s each; CPU seconds.
func timers() {
	spent := func() float64 {
		var r syscall.Rusage
		verify(syscall.Getrusage(syscall.RUSAGE_SELF, &r) == nil, "getrusage")
		return time.Duration(r.Utime.Nano() + r.Stime.Nano()).Seconds()
	}
	spans := make([]time.Duration, *count)
	for i := range spans {
		spans[i] = time.Duration(rand.Int63n(1e9))
	}
	once := func(more time.Duration) float64 {
		var wg sync.WaitGroup
		var early atomic.Int64
		from := spent()
		wg.Add(*count)
		for i := range spans {
			span := spans[i] + more
			go func() {
				began := time.Now()
				time.Sleep(span)
				if time.Since(began) < span {
					early.Add(1)
				}
				wg.Done()
			}()
		}
		wg.Wait()
		verify(early.Load() == 0, "%d woke early", early.Load())
		return spent() - from
	}
	first := once(0)
	once(2 * time.Second) // all alive at once, or the next would meet new memory
	result("timers_1m", once(0), "s", fmt.Sprintf("count=%d", *count))
	result("timers_1m_first", first, "s", "")
}
