/*
 * Private condition variables (cond_queue.c) over a mutex whose own protocol mutex_word.pml proves.
 *
 * Waiters wait for tokens; each signal brings one, a broadcast one for everybody.  The kernel wakes whom it
 * likes, a sleeper may wake for no reason (once), a timed waiter at any time.
 *
 *   SIGNALS    two waiters, one of them timed; one signal
 *   BROADCAST  three waiters, one of them timed; broadcast, then destroy.  CHAINS=2: as two chains
 *   BOTH       two waiters; a signal and a broadcast
 *
 * Proved: when nothing more happens, nobody sleeps while there are tokens, nor on a free mutex; no access to a
 * record whose wait has returned, nor to the object after destroy.  A wait that returns by its deadline has
 * taken no signal. Mutants, each of which must fail: NO_EXPECT (the mutex is not told of a requeue), UNCHAINED
 * (a thread from a chain takes the mutex as if nobody else slept on it), GO_LATE (requeue before GO),
 * LATE_LINKS (signal reads the links after GO), TIMEOUT_WINS (a deadline hides a signal that came first).
 */
#if defined(BROADCAST)
#define N 3
#else
#define N 2
#endif
#define NONE 7
#ifndef CHAINS
#define CHAINS 1
#endif

mtype = { WAITING, LEAVING, CHAINED, GO };

/* the mutex */
bool locked, sleepers;
byte mwakes;

/* where a waiter sleeps: 0 nowhere, 1 on its state, 2 on the mutex */
byte where[N];
byte interrupts = 1;

/* records */
mtype state[N];
bool alive[N], chained[N];
byte nxt[N], prv[N], chain[N];

/* the object */
bool there = true, clock, destroyed;
byte head = NONE, tail = NONE, seq;

byte tokens, began;

inline object_lock() {
    atomic { !clock -> assert(there); clock = true }
}

inline object_unlock() {
    d_step { assert(there); clock = false }
}

inline close_gap(p, n) {
    d_step {
        if :: p != NONE -> assert(alive[p]); nxt[p] = n :: else -> head = n fi;
        if :: n != NONE -> assert(alive[n]); prv[n] = p :: else -> tail = p fi
    }
}

inline wake_at(i) { /* by its address: the record may be gone */
    d_step { if :: where[i] == 1 -> where[i] = 0 :: else fi }
}

#define PICK(i) :: where[i] == 2 -> where[i] = 0

inline mutex_unlock() {
    atomic {
        locked = false;
        if
        :: sleepers -> sleepers = false; mwakes++; wake = true
        :: else -> wake = false
        fi
    }
    atomic {
        if
        :: wake ->
            if
            PICK(0)
            PICK(1)
#if N > 2
            PICK(2)
            :: where[0] != 2 && where[1] != 2 && where[2] != 2 -> skip
#else
            :: where[0] != 2 && where[1] != 2 -> skip
#endif
            fi
        :: else -> skip
        fi;
        wake = false
    }
}

proctype waiter(byte me; bool timed) {
    bool set, ok, wake, out;
    byte s, next;

    atomic { !locked -> locked = true }
    do
    :: out -> break /* does not even look: a signal that it took would be lost */
    :: !out && tokens > 0 -> tokens--; break
    :: !out && tokens == 0 ->
        d_step {
            assert(!alive[me]);
            alive[me] = true; state[me] = WAITING; chain[me] = NONE; chained[me] = false
        }
        object_lock();
        d_step { /* push */
            prv[me] = tail; nxt[me] = NONE;
            if :: tail != NONE -> assert(alive[tail]); nxt[tail] = me :: else -> head = me fi;
            tail = me
        }
        object_unlock();
        began++;
        mutex_unlock();

look:   if
        :: state[me] == GO -> goto relock
        :: atomic { state[me] == WAITING -> where[me] = 1 }
end_wait:   if
            :: where[me] == 0 -> goto look
            :: atomic { where[me] != 0 && interrupts > 0 -> interrupts--; where[me] = 0 } goto look
            :: atomic { where[me] != 0 && timed -> where[me] = 0 }
            fi;
            d_step { ok = state[me] == WAITING; if :: ok -> state[me] = LEAVING :: else fi }
            if
            :: !ok ->
#ifdef TIMEOUT_WINS
                out = true;
#endif
                goto look
            :: ok -> out = true
            fi;
            object_lock();
            close_gap(prv[me], nxt[me]);
            d_step { seq++; ok = destroyed }
            object_unlock();
            goto relock
        :: atomic { state[me] == CHAINED -> where[me] = 1 }
end_chain:  if
            :: where[me] == 0
            :: atomic { where[me] != 0 && interrupts > 0 -> interrupts--; where[me] = 0 }
            fi;
            goto look
        fi;

relock:
#ifdef UNCHAINED
        set = false;
#else
        set = chained[me];
#endif
again:  atomic {
            if
            :: !locked -> locked = true; sleepers = sleepers || set; ok = true
            :: else -> sleepers = true; s = mwakes; ok = false
            fi
        }
        if
        :: !ok ->
            atomic { if :: mwakes == s -> where[me] = 2 :: else fi }
end_mutex:  where[me] == 0;
            set = true;
            goto again
        :: ok
        fi;
        s = 0; set = false;

        next = chain[me];
        if
        :: next != NONE ->
#ifndef NO_EXPECT
            sleepers = true;
#endif
#ifdef GO_LATE
            atomic {
                assert(alive[next]);
                if :: where[next] == 1 && state[next] == CHAINED -> where[next] = 2 :: else fi
            }
            d_step { assert(alive[next]); chained[next] = true; state[next] = GO }
#else
            d_step { assert(alive[next]); chained[next] = true; state[next] = GO }
            atomic { /* the kernel compares and moves */
                assert(alive[next]);
                if :: where[next] == 1 && state[next] == GO -> where[next] = 2 :: else fi
            }
#endif
            next = NONE
        :: else
        fi;
        alive[me] = false
    od;
    mutex_unlock()
}

inline signal() {
    if
    :: head == NONE
    :: head != NONE ->
        object_lock();
        w = head;
        do
        :: w == NONE -> break
        :: w != NONE ->
            d_step { assert(alive[w]); n = nxt[w]; p = prv[w] }
            d_step { assert(alive[w]); ok = state[w] == WAITING; if :: ok -> state[w] = GO :: else fi }
            if
            :: ok ->
#ifdef LATE_LINKS
                d_step { assert(alive[w]); n = nxt[w]; p = prv[w] }
#endif
                close_gap(p, n);
                break
            :: else -> w = n
            fi
        od;
        object_unlock();
        if :: w != NONE -> wake_at(w) :: else fi
    fi
}

inline broadcast() {
    if
    :: head == NONE
    :: head != NONE ->
        object_lock();
        d_step {
            first[0] = NONE; last[0] = NONE;
#if CHAINS > 1
            first[1] = NONE; last[1] = NONE;
#endif
            w = head
        }
        do
        :: w == NONE -> break
        :: w != NONE ->
            d_step {
                assert(alive[w]);
                n = nxt[w];
                ok = state[w] == WAITING;
                if :: ok -> state[w] = CHAINED :: else fi
            }
            if
            :: ok ->
                assert(alive[w]);
                close_gap(prv[w], n);
                d_step {
                    if
                    :: last[k] != NONE -> assert(alive[last[k]]); chain[last[k]] = w
                    :: else -> first[k] = w
                    fi;
                    last[k] = w;
                    k = (k + 1) % CHAINS
                }
            :: else
            fi;
            w = n
        od;
        object_unlock();
        k = 0;
        do
        :: k < CHAINS && first[k] != NONE ->
            d_step { assert(alive[first[k]]); state[first[k]] = GO }
            wake_at(first[k]);
            k++
        :: else -> break
        od
    fi
}

inline destroy() {
    do
    :: object_lock();
        w = head;
        do
        :: w == NONE -> break
        :: w != NONE -> assert(alive[w] && state[w] == LEAVING); w = nxt[w]
        od;
        if
        :: head == NONE -> object_unlock(); break
        :: head != NONE -> destroyed = true; n = seq; object_unlock(); seq != n
        fi
    od;
    there = false
}

proctype waker(bool all) {
    bool ok, wake, inside;
    byte w, n, p, k, first[CHAINS], last[CHAINS];
#ifdef BROADCAST
    atomic { !locked && began == N -> locked = true }
#else
    atomic { !locked -> locked = true }
#endif
    if :: all -> tokens = tokens + N :: else -> tokens++ fi;
#ifdef BROADCAST
    broadcast();
    destroy();
    mutex_unlock()
#else
    if :: inside = true :: skip fi;
    if
    :: !inside -> mutex_unlock()
    :: else
    fi;
    if :: all -> broadcast() :: else -> signal() fi;
    if
    :: inside -> mutex_unlock()
    :: else
    fi
#endif
}

/* When nothing can happen any more. */
proctype rest() {
    timeout;
    byte i;
    for (i : 0 .. N - 1) {
        assert(where[i] == 0 || (where[i] == 1 && tokens == 0 && state[i] == WAITING))
    }
}

init {
    atomic {
        run rest();
        run waiter(0, false);
#if defined(SIGNALS)
        run waiter(1, true);
        run waker(false)
#elif defined(BROADCAST)
        run waiter(1, true);
        run waiter(2, false);
        run waker(true)
#else
        run waiter(1, false);
        run waker(false);
        run waker(true)
#endif
    }
}
