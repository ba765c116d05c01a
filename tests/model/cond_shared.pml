/*
 * Process-shared condition variables (cond_shared.c): two waiters, of which the second begins to wait after the
 * signal that is meant for the first.  The kernel wakes whom it likes.
 *
 * The second waits for something that only the first, once woken, brings about: if the second took the first's
 * wake-up, both would wait for ever (an invalid end state).  With destroy: no access to the object after it
 * (assertions). Mutants, each of which must fail: NO_LOCK (seq and the wake-up are not under one lock),
 * NO_COUNT (destroy does not wait for those who leave).
 */
#define N 2
bool mutex, lock, there = true;
bool asleep[N];
byte seq, waiters;
bool ready[N], begun;
byte interrupts = 1;

inline object_lock() {
#ifndef NO_LOCK
    atomic { !lock -> assert(there); lock = true }
#else
    skip
#endif
}

inline object_unlock() {
#ifndef NO_LOCK
    d_step { assert(there); lock = false }
#else
    skip
#endif
}

inline signal() {
    if
    :: waiters == 0 -> assert(there); begun = true
    :: waiters > 0 ->
        object_lock();
        d_step { seq++; begun = true }
        atomic {
            if
            :: asleep[0] -> asleep[0] = false
            :: asleep[1] -> asleep[1] = false
            :: !asleep[0] && !asleep[1] -> skip
            fi
        }
        object_unlock()
    fi
}

proctype waiter(byte me) {
    byte s;
    if
    :: me == 0 -> atomic { !mutex -> mutex = true }
    :: me == 1 -> atomic { !mutex && begun -> mutex = true } /* the signal has begun */
    fi;
    do
    :: ready[me] -> break
    :: else ->
        object_lock();
        d_step { assert(there); waiters++; s = seq }
        object_unlock();
        mutex = false;
        do
        :: atomic { if :: seq == s -> assert(there); asleep[me] = true :: else -> break fi }
            if
            :: !asleep[me]
            :: atomic { asleep[me] && interrupts > 0 -> interrupts--; asleep[me] = false }
            fi;
            assert(there);
            if :: seq != s -> break :: else fi
        od;
        skip;
        d_step { assert(there); waiters-- }
        atomic { !mutex -> mutex = true }
    od;
    mutex = false;
    if
    :: me == 0 ->
        atomic { !mutex -> mutex = true }
        ready[1] = true;
        mutex = false;
        signal()
    :: else
    fi
}

proctype signaller() {
    atomic { !mutex -> mutex = true }
    ready[0] = true;
    mutex = false;
    signal()
}

/* Broadcast to both, then destroy. */
proctype destroyer() {
    atomic { !mutex && waiters == N -> mutex = true }
    ready[0] = true; ready[1] = true;
    object_lock();
    seq++;
    d_step { asleep[0] = false; asleep[1] = false }
    object_unlock();
#ifndef NO_COUNT
    waiters == 0;
#endif
    object_lock();
    object_unlock();
    there = false;
    mutex = false
}

proctype plain(byte me) {
    byte s;
    atomic { !mutex -> mutex = true }
    do
    :: ready[me] -> break
    :: else ->
        object_lock();
        d_step { assert(there); waiters++; s = seq }
        object_unlock();
        mutex = false;
        do
        :: atomic { if :: seq == s -> assert(there); asleep[me] = true :: else -> break fi }
            !asleep[me];
            assert(there);
            if :: seq != s -> break :: else fi
        od;
        skip;
        d_step { assert(there); waiters-- }
        atomic { !mutex -> mutex = true }
    od;
    mutex = false
}

init {
    atomic {
#ifdef DESTROY
        run plain(0);
        run plain(1);
        run destroyer()
#else
        run waiter(0);
        run waiter(1);
        run signaller()
#endif
    }
}
