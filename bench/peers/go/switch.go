// Jobs about goroutines that give way to each other.
package main

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// yield: --threads goroutines give way in turn.
func yield() {
	counts := make([]line, *threads)
	var stop atomic.Bool
	var ready, wg sync.WaitGroup
	start := make(chan struct{})
	ready.Add(*threads)
	wg.Add(*threads)
	for i := range counts {
		me := &counts[i]
		go func() {
			ready.Done()
			<-start
			for !stop.Load() {
				runtime.Gosched()
				me.n++
			}
			wg.Done()
		}()
	}
	ready.Wait()
	from := time.Now()
	close(start)
	time.Sleep(window())
	stop.Store(true)
	elapsed := time.Since(from)
	wg.Wait()
	sum := uint64(0)
	for _, c := range counts {
		sum += c.n
	}
	result(fmt.Sprintf("yield_%d", *threads), perUnit(elapsed, sum), "ns", fmt.Sprintf("share=%.3f", share(counts)))
}

// pingpong: a message there, a message back.
func pingpong() {
	there, back := make(chan int), make(chan int)
	go func() {
		if *cross {
			runtime.LockOSThread() // a thread of its own: the nearest that there is to a place on another CPU
		}
		for n := range there {
			back <- n + 1
		}
		close(back)
	}()
	if *cross {
		runtime.LockOSThread()
	}
	turn := func(n int) {
		there <- n
		verify(<-back == n+1, "another message came back")
	}
	for i := 0; i < 1000; i++ {
		turn(i)
	}
	turns := uint64(0)
	from := time.Now()
	for time.Since(from) < window() {
		for i := 0; i < 64; i++ {
			turn(i)
		}
		turns += 64
	}
	elapsed := time.Since(from)
	close(there)
	_, more := <-back
	verify(!more, "a message too many")
	name := "pingpong_same"
	if *cross {
		name = "pingpong_cross"
	}
	result(name, perUnit(elapsed, turns), "ns", "")
}

// requests: a request, and its answer by a channel that is made for it.
func requests() {
	type request struct {
		n      int
		answer chan int
	}
	all, done := make(chan request), make(chan struct{})
	go func() {
		for q := range all {
			q.answer <- q.n + 1
		}
		close(done)
	}()
	ask := func(n int) {
		q := request{n, make(chan int, 1)}
		all <- q
		verify(<-q.answer == n+1, "another request's answer")
	}
	for i := 0; i < 1000; i++ {
		ask(i)
	}
	ns, _ := nsPerCall(64, ask)
	close(all)
	<-done
	result("request", ns, "ns", "")
}

// ring: a token goes round through --threads goroutines.
func ring() {
	links := make([]chan int, *threads)
	for i := range links {
		links[i] = make(chan int)
	}
	last := len(links) - 1
	for i := 0; i < last; i++ {
		from, to := links[i], links[i+1]
		go func() {
			for token := range from {
				to <- token + 1
			}
			close(to)
		}()
	}
	round := func() {
		links[0] <- 0
		verify(<-links[last] == last, "the token went astray")
	}
	for i := 0; i < 10; i++ {
		round()
	}
	rounds := uint64(0)
	from := time.Now()
	for time.Since(from) < window() {
		for i := 0; i < 4; i++ {
			round()
		}
		rounds += 4
	}
	elapsed := time.Since(from)
	result(fmt.Sprintf("ring_%d", *threads), perUnit(elapsed, rounds*uint64(*threads)), "ns", "")
}
