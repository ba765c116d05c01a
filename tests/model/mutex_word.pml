/*
 * The private lock word of mutex_word.c: three threads, each locks ROUNDS times; any look at the word may be
 * the last before a thread sleeps, any spinner may give up, any wait may time out (TIMED), a sleeper may wake
 * for no reason (once), and the kernel wakes whom it likes.  Whether a mutex is worth spinning for, and whose
 * turn it is, is left open.
 *
 * Proved: mutual exclusion; nobody sleeps for ever (an invalid end state). Mutants, each of which must fail:
 * BUMP_BEFORE (wakes changes before SLEEPERS is cleared), KEEP_SLEEPERS (unlock frees the word with a SLEEPERS
 * that was set again), SPINNER_STAYS (a spinner that gives up leaves its bit), WOKEN_FORGETS (a thread that has
 * slept does not keep SLEEPERS).
 */
#define L 1
#define SL 2
#define SP 4
#define N 3
#ifndef ROUNDS
#define ROUNDS 1 /* 2 passes as well: 30 million states */
#endif

byte word, inside;
bool current[N]; /* the value of `wakes` that a thread has read is still its value */
byte interrupts = 1; /* bounded: if any sleeper might always wake by itself, no wake-up would ever be missed */
bool asleep[N];

inline cas(old, new, ok) {
    d_step {
        if
        :: word == (old) -> word = (new); ok = true
        :: else -> ok = false
        fi
    }
}

#define PICK(i) :: asleep[i] -> asleep[i] = false

inline kernel_wake() {
    atomic {
        if
        PICK(0)
        PICK(1)
        PICK(2)
        :: !asleep[0] && !asleep[1] && !asleep[2] -> skip
        fi
    }
}

proctype thread(byte me; bool timed) {
    byte w, set, round;
    bool ok, mine, woken, wake;
    do
    :: round == ROUNDS -> break
    :: else ->
        round++;
        set = 0; woken = false; mine = false;
        cas(0, L, ok);
        if :: ok -> goto got :: else fi;

awake:  skip; /* wait_awake */
        d_step { w = word; ok = false; if :: !(w & L) -> word = w | L | set; ok = true :: else fi }
        if :: ok -> goto got :: else fi;
        if :: goto sleep :: skip fi;

spin:   w = word;
        if
        :: !(w & L) ->
            if
            :: mine -> cas(w, (w & (7 - SP)) | L | set, ok)
            :: else -> cas(w, w | L | set, ok)
            fi;
            if :: ok -> mine = false; goto got :: else -> goto spin fi
        :: (w & L) && !mine && !(w & SP) ->
            cas(w, w | SP | set, ok);
            if :: ok -> mine = true :: else fi;
            goto spin
        :: (w & L) && !mine && (w & SP) && !woken -> goto sleep
        :: (w & L) && (mine || (w & SP) && woken) ->
            if :: goto spin :: skip fi
        fi;
        if :: !mine -> goto sleep :: else fi;
stop:   w = word;
        if
        :: w & L ->
#ifdef SPINNER_STAYS
            cas(w, w | SL, ok)
#else
            cas(w, (w & (7 - SP)) | SL, ok)
#endif
        :: else -> cas(w, (w & (7 - SP)) | L | set, ok)
        fi;
        if
        :: ok -> mine = false; if :: w & L -> goto sleep :: else -> goto got fi
        :: else -> goto stop
        fi;

sleep:  w = 0; ok = false;
        current[me] = true;
see:    w = word;
        if
        :: (w & L) && (w & SL) -> goto wait
        :: (w & L) && !(w & SL) -> cas(w, w | SL, ok); if :: ok -> goto wait :: else -> goto see fi
        :: !(w & L) -> cas(w, w | L | set, ok); if :: ok -> goto got :: else -> goto see fi
        fi;
wait:   w = 0; ok = false;
        atomic {
            if
            :: current[me] -> asleep[me] = true
            :: else -> goto woke
            fi
        }
        if
        :: !asleep[me]
        :: atomic { timed && asleep[me] -> asleep[me] = false; goto next }
        :: atomic { asleep[me] && interrupts > 0 -> interrupts--; asleep[me] = false } /* a signal handler */
        fi;
woke:   current[me] = false;
#ifndef WOKEN_FORGETS
        set = SL;
#endif
        woken = true;
        goto awake;

got:    w = 0; ok = false; set = 0; woken = false; current[me] = false;
        inside++;
        assert(inside == 1);
        inside--;

        cas(L, 0, ok);
        if :: ok -> goto next :: else fi;
        wake = false;
release: w = word;
#ifdef KEEP_SLEEPERS
        if
        :: (w & SL) && !wake -> goto duty
        :: !(w & SL) || (w & SP) || wake -> skip
        fi;
#else
        if
        :: (w & SL) && !(w & SP) -> goto duty
        :: (w & SL) && (w & SP) && !wake -> goto duty /* it may be time for a turn */
        :: !(w & SL) || (w & SP) -> skip
        fi;
#endif
        cas(w, w & (7 - L), ok);
        if :: !ok -> goto release :: else fi;
        if :: wake -> kernel_wake() :: else fi;
        goto next;
duty:   skip;
#ifdef BUMP_BEFORE
        d_step { current[0] = false; current[1] = false; current[2] = false };
#endif
        cas(w, w & (7 - SL), ok);
        if :: !ok -> goto release :: else fi;
#ifndef BUMP_BEFORE
        d_step { current[0] = false; current[1] = false; current[2] = false };
#endif
        wake = true;
        goto release;
next:   w = 0; ok = false; wake = false; current[me] = false
    od
}

init {
    atomic {
        run thread(0, false);
        run thread(1, false);
#ifdef TIMED
        run thread(2, true)
#else
        run thread(2, false)
#endif
    }
}
