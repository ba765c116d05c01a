// The jobs of bench/proc that the other files do not have: one channel with many senders, and shapes of the Savina suite,
// with a channel for each goroutine in place of a mailbox.
package main

import (
	"fmt"
	"sync/atomic"
	"time"
)

// mailboxMpsc: 16 senders, one receiver.
func mailboxMpsc() {
	const ends = 16
	box := make(chan uint64, 4096)
	counts := make([]line, ends)
	sent := make(chan int, ends)
	var stop atomic.Bool
	from := time.Now()
	for i := range counts {
		me := &counts[i]
		go func() {
			for !stop.Load() {
				box <- me.n
				me.n++
			}
			sent <- 1
		}()
	}
	received := uint64(0)
	done := make(chan uint64)
	go func() {
		for range box {
			received++
		}
		done <- received
	}()
	time.Sleep(window())
	stop.Store(true)
	for range counts {
		<-sent
	}
	close(box)
	total := <-done
	elapsed := time.Since(from)
	sum := uint64(0)
	for _, c := range counts {
		sum += c.n
	}
	verify(total == sum, "messages were lost: %d of %d came", total, sum)
	result("mailbox_mpsc", 1000/perUnit(elapsed, total), "M/s", fmt.Sprintf("share=%.3f", share(counts)))
}

// message is what goroutines of a shape send each other.
type message struct {
	from         chan message
	kind, number uint64
}

const (
	end = iota
	ask
	ping
	pong
	hungry
	finished
	eat
	denied
	read
	write
)

const places = 128 // in a channel that stands for a mailbox

func mailbox() chan message { return make(chan message, places) }

func savina() {
	for _, s := range []struct {
		name  string
		shape func() uint64
	}{
		{"ping_pong", pingPong}, {"counting", counting}, {"fork_join", forkJoin}, {"thread_ring", threadRing},
		{"chameneos", chameneos}, {"big", big}, {"dictionary", dictionary}, {"philosophers", philosophers},
	} {
		s.shape()
		done, from := uint64(0), time.Now()
		for time.Since(from) < window() {
			done += s.shape()
		}
		result("savina_"+s.name, perUnit(time.Since(from), done), "ns", "")
	}
}

func pingPong() uint64 {
	const turns = 5000
	there, back := mailbox(), mailbox()
	go func() {
		for m := range there {
			m.from <- message{number: m.number + 1}
		}
	}()
	for i := uint64(0); i < turns; i++ {
		there <- message{from: back, number: i}
		verify((<-back).number == i+1, "another answer")
	}
	close(there)
	return turns
}

func counting() uint64 {
	const messages = 20000
	counter, back := mailbox(), mailbox()
	go func() {
		n := uint64(0)
		for m := range counter {
			if m.kind == ask {
				m.from <- message{number: n}
				return
			}
			n++
		}
	}()
	for i := 0; i < messages; i++ {
		counter <- message{kind: ping}
	}
	counter <- message{kind: ask, from: back}
	verify((<-back).number == messages, "messages were lost")
	return messages
}

func forkJoin() uint64 {
	const n = uint64(2000)
	back := make(chan message, n)
	for i := uint64(1); i <= n; i++ {
		box := make(chan message, 1)
		go func() {
			m := <-box
			m.from <- message{number: m.number * m.number}
		}()
		box <- message{from: back, number: i}
	}
	sum := uint64(0)
	for i := uint64(1); i <= n; i++ {
		sum += (<-back).number
	}
	verify(sum == n*(n+1)*(2*n+1)/6, "the sum is wrong")
	return n
}

func threadRing() uint64 {
	const ring, passes = 100, 20000
	mine := make(chan int, 1)
	next := mine
	for i := 1; i < ring; i++ {
		box, to := make(chan int, 1), next
		go func() {
			for {
				token := <-box
				if token == 0 {
					to <- 0
					return
				}
				to <- token - 1
			}
		}()
		next = box
	}
	wanted := passes
	next <- passes - 1
	for {
		token := <-mine
		if token == 0 {
			break
		}
		wanted -= ring
		verify(token == wanted, "the token went astray")
		next <- token - 1
	}
	verify(wanted <= ring, "passes are missing")
	select {
	case next <- 0: // those that came before the one where the end began
	default:
	}
	return passes
}

func chameneos() uint64 {
	const creatures, meetings = 100, 5000
	mall := mailbox()
	for i := uint64(0); i < creatures; i++ {
		colour := i % 3
		go func() {
			box, met := mailbox(), uint64(0)
			for {
				mall <- message{box, ask, colour}
				m := <-box
				if m.kind == end {
					mall <- message{kind: finished, number: met}
					return
				}
				if m.number != colour {
					colour = 3 - m.number - colour
				}
				met++
			}
		}()
	}
	for i := 0; i < meetings; i++ {
		a := <-mall
		b := <-mall
		a.from <- message{kind: ask, number: b.number}
		b.from <- message{kind: ask, number: a.number}
	}
	sum := uint64(0)
	for left := creatures; left > 0; {
		if m := <-mall; m.kind == finished {
			sum += m.number
			left--
		} else {
			m.from <- message{kind: end}
		}
	}
	verify(sum == 2*meetings, "%d creatures met", sum)
	return meetings
}

func big() uint64 {
	const peers, pings = 120, 100
	boss := mailbox()
	boxes := make([]chan message, peers)
	for i := range boxes {
		boxes[i] = mailbox()
	}
	for i := range boxes {
		x, me := uint64(i), boxes[i]
		go func() {
			answered := uint64(0)
			for left := pings; ; left-- {
				if left > 0 {
					x = x*6364136223846793005 + 1442695040888963407
					boxes[(x>>33)%peers] <- message{me, ping, x}
				} else {
					boss <- message{kind: finished}
				}
				for {
					m := <-me
					if m.kind == ping {
						m.from <- message{kind: pong, number: m.number}
						answered++
						continue
					}
					if m.kind == end {
						boss <- message{kind: finished, number: answered}
						return
					}
					verify(m.number == x, "another's answer")
					break
				}
			}
		}()
	}
	for range boxes {
		<-boss
	}
	for _, b := range boxes {
		b <- message{kind: end}
	}
	sum := uint64(0)
	for range boxes {
		sum += (<-boss).number
	}
	verify(sum == peers*pings, "%d pings were answered", sum)
	return peers * pings
}

func dictionary() uint64 {
	const workers, operations, keys = 20, 500, 512
	boss, keeper := mailbox(), mailbox()
	go func() {
		values := map[uint64]uint64{}
		for m := range keeper {
			key := m.number % keys
			if m.kind == write {
				values[key] = m.number
			}
			m.from <- message{number: values[key]}
		}
	}()
	for w := uint64(0); w < workers; w++ {
		x := w
		go func() {
			box := mailbox()
			for i := uint64(1); i <= operations; i++ {
				x = x*6364136223846793005 + 1442695040888963407
				key := (x >> 33) % keys
				if i%10 == 0 {
					keeper <- message{box, write, i*keys + key}
					verify((<-box).number == i*keys+key, "another value")
				} else {
					keeper <- message{box, read, key}
					got := (<-box).number
					verify(got == 0 || got%keys == key, "another value")
				}
			}
			boss <- message{}
		}()
	}
	for w := 0; w < workers; w++ {
		<-boss
	}
	close(keeper)
	return workers * operations
}

func philosophers() uint64 {
	const table, meals = 20, 200
	boss := mailbox()
	for i := uint64(0); i < table; i++ {
		me := i
		go func() {
			box := mailbox()
			for left := meals; left > 0; {
				boss <- message{box, hungry, me}
				if (<-box).kind == denied {
					continue
				}
				boss <- message{kind: finished, number: me}
				left--
			}
			boss <- message{kind: end}
		}()
	}
	var taken [table]bool
	eaten := uint64(0)
	for left := table; left > 0; {
		m := <-boss
		other := (m.number + 1) % table
		switch m.kind {
		case hungry:
			if taken[m.number] || taken[other] {
				m.from <- message{kind: denied}
				break
			}
			taken[m.number], taken[other] = true, true
			m.from <- message{kind: eat}
		case finished:
			verify(taken[m.number] && taken[other], "forks were not taken")
			taken[m.number], taken[other] = false, false
			eaten++
		default:
			left--
		}
	}
	verify(eaten == table*meals, "%d meals", eaten)
	return eaten
}
