// Jobs about what many goroutines share: a mutex, a channel.
package main

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// A count that others look at, alone on a pair of cache lines.
type watched struct {
	n atomic.Uint64
	_ [15]uint64
}

// watch looks at counts that run, for --seconds: ns per unit of all, and the share of the smallest in the worst of
// the windows of 100 ms.
func watch(counts []watched) (float64, float64) {
	const span = 100 * time.Millisecond
	time.Sleep(span / 5)
	picture := func() []line {
		now := make([]line, len(counts))
		for i := range counts {
			now[i].n = counts[i].n.Load()
		}
		return now
	}
	windows := int(*seconds/span.Seconds() + 0.5)
	if windows < 1 {
		windows = 1
	}
	worst, units := 1e9, uint64(0)
	from := time.Now()
	before := picture()
	for w := 0; w < windows; w++ {
		time.Sleep(span)
		after := picture()
		part := make([]line, len(counts))
		for i := range part {
			part[i].n = after[i].n - before[i].n
			units += part[i].n
		}
		if s := share(part); s < worst {
			worst = s
		}
		before = after
	}
	return perUnit(time.Since(from), units), worst
}

// mutex: --threads goroutines lock and unlock one mutex.  share: the smallest goroutine's part of the mean, in the
// worst of the windows of 100 ms.
func mutex() {
	var shared struct {
		sync.Mutex
		pairs uint64
	}
	counts := make([]watched, *threads)
	var stop atomic.Bool
	var wg sync.WaitGroup
	wg.Add(*threads)
	for i := range counts {
		me := &counts[i].n
		go func() {
			mine := uint64(0)
			for !stop.Load() {
				shared.Lock()
				shared.pairs++
				shared.Unlock()
				mine++
				me.Store(mine)
			}
			wg.Done()
		}()
	}
	ns, worst := watch(counts)
	stop.Store(true)
	wg.Wait()
	sum := uint64(0)
	for i := range counts {
		sum += counts[i].n.Load()
	}
	verify(sum == shared.pairs, "%d pairs, %d counted", sum, shared.pairs)
	result(fmt.Sprintf("mutex_mn_%d", *threads), ns, "ns", fmt.Sprintf("share=%.3f", worst))
}

// rwlock: --threads goroutines take one lock for reading and look at two counters; --writes of 1,000 times for
// writing, to count them up.  share: as above.
func rwlock() {
	var shared struct {
		sync.RWMutex
		_ [15]uint64
		a uint64
		_ [15]uint64
		b uint64
	}
	counts := make([]watched, *threads)
	var stop atomic.Bool
	var written atomic.Uint64
	var wg sync.WaitGroup
	wg.Add(*threads)
	for i := range counts {
		me, random := &counts[i].n, uint32(i)*77+1
		go func() {
			mine, wrote := uint64(0), uint64(0)
			for !stop.Load() {
				random = random*1664525 + 1013904223
				if int(random>>8)%1000 < *writes {
					shared.Lock()
					shared.a++
					shared.b++
					wrote++
					shared.Unlock()
				} else {
					shared.RLock()
					verify(shared.a == shared.b, "a reader saw a writer at work: %d, %d", shared.a, shared.b)
					shared.RUnlock()
				}
				mine++
				me.Store(mine)
			}
			written.Add(wrote)
			wg.Done()
		}()
	}
	ns, worst := watch(counts)
	stop.Store(true)
	wg.Wait()
	verify(shared.a == written.Load() && shared.b == shared.a, "%d and %d, %d counted", shared.a, shared.b, written.Load())
	name := "rwlock_mn"
	if *writes > 0 {
		name += "_mixed"
	}
	result(fmt.Sprintf("%s_%d", name, *threads), ns, "ns", fmt.Sprintf("share=%.3f", worst))
}

// meet: --threads goroutines meet again and again, by a mutex and a condition variable.
func meet() {
	const warmUp = 64
	var mutex sync.Mutex
	allHere := sync.NewCond(&mutex)
	arrived, meetings, stop := 0, uint64(0), false
	var from, to time.Time
	counts := make([]line, *threads)
	var wg sync.WaitGroup
	wg.Add(*threads)
	for i := range counts {
		me := &counts[i]
		go func() {
			for stopped := false; !stopped; me.n++ {
				mutex.Lock()
				next := meetings + 1
				arrived++
				if arrived == *threads {
					arrived = 0
					meetings++
					if meetings%warmUp == 0 {
						to = time.Now()
						if meetings == warmUp {
							from = to
						}
						stop = to.Sub(from) >= window()
					}
					allHere.Broadcast()
				}
				for meetings < next {
					allHere.Wait()
				}
				stopped = stop
				mutex.Unlock()
			}
			wg.Done()
		}()
	}
	wg.Wait()
	for _, c := range counts {
		verify(c.n == meetings, "%d of %d meetings", c.n, meetings)
	}
	result(fmt.Sprintf("cond_meet_%d", *threads), perUnit(to.Sub(from), (meetings-warmUp)*uint64(*threads)), "ns", "")
}

// channel: 16 goroutines send, 16 receive, through one channel.
func channel() {
	const ends, capacity = 16, 128
	ch := make(chan uint64, capacity)
	var stop atomic.Bool
	var senders, receivers sync.WaitGroup
	sent, received, sums := make([]line, ends), make([]line, ends), make([]line, 2*ends)
	senders.Add(ends)
	receivers.Add(ends)
	from := time.Now()
	for i := 0; i < ends; i++ {
		me, sum := &received[i], &sums[i]
		go func() {
			for v := range ch {
				me.n++
				sum.n += v
			}
			receivers.Done()
		}()
	}
	for i := 0; i < ends; i++ {
		me, sum := &sent[i], &sums[ends+i]
		go func() {
			for v := uint64(0); !stop.Load(); v++ {
				ch <- v
				me.n++
				sum.n += v
			}
			senders.Done()
		}()
	}
	time.Sleep(window())
	stop.Store(true)
	senders.Wait()
	close(ch)
	receivers.Wait()
	elapsed := time.Since(from)
	in, out, wrong := uint64(0), uint64(0), uint64(0)
	for i := 0; i < ends; i++ {
		in += sent[i].n
		out += received[i].n
		wrong += sums[ends+i].n - sums[i].n
	}
	verify(in == out && wrong == 0, "%d sent, %d received, sums differ by %d", in, out, wrong)
	result("chan_mpmc_16", perUnit(elapsed, in), "ns",
		fmt.Sprintf("share=%.3f capacity=%d", min(share(sent), share(received)), capacity))
}

func min(a, b float64) float64 {
	if a < b {
		return a
	}
	return b
}
