/* lib/libmn/stack/stack.h, slab.h, os/linux/guard.h */
#include "unit.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "atomic.h"
#include "fault.h"
#include "stack/slab.h"

static struct mni_stacks a, b;

static struct mni_stack_totals totals(unsigned class) {
    struct mni_stack_totals t;
    mni_stack_totals(class, &t);
    return t;
}

/* Everything came back: nothing is promised, and each slot that was ever handed out is in the slab again. */
static void all_is_back(void) {
    mni_stacks_flush(&a);
    mni_stacks_flush(&b);
    for (unsigned class = 1; class < MNI_STACK_CLASSES; class++) {
        struct mni_stack_totals t = totals(class);
        uint64_t used = 0;
        struct mni_step *step;
        for (unsigned i = 0; (step = mni_slab_step_at(i)) != NULL; i++)
            used += step->class == class ? step->used : 0;
        cr_assert_eq(t.promised, 0, "class %u: %lu promised", class, (unsigned long)t.promised);
        cr_assert_eq(t.warm + t.cold, used, "class %u: %lu warm, %lu cold, %lu handed out", class,
                     (unsigned long)t.warm, (unsigned long)t.cold, (unsigned long)used);
    }
}

static void start(void) {
    cr_assert_eq(mni_stack_slab_start(MN_STACK_DEFAULT), 0);
}

Test(mn_stack, geometry) {
    start();
    for (unsigned class = 1; class < MNI_STACK_CLASSES; class++) {
        char *slots[32], colours[32] = {0};
        size_t bytes = mni_stack_bytes(class);
        cr_assert_eq(bytes, (size_t)4096 << 2 * class);
        for (int i = 0; i < 32; i++) {
            cr_assert_eq(mni_stack_reserve(&a, class), 0);
            char *slot = slots[i] = mni_stack_take(&a, class), *top = mni_stack_top(slot, class);
            cr_assert_eq((uintptr_t)slot % bytes, 0);
            cr_assert_eq((uintptr_t)top % 16, 0);
            size_t gap = (size_t)(slot + bytes - top) - 16;
            cr_assert(gap % 128 == 0 && gap < 2048);
            colours[gap / 128]++;
            memset(slot + mni_stack_guard(class), 0x55, (size_t)(top - slot) - mni_stack_guard(class));
        }
        for (int i = 0; i < 16; i++)
            cr_assert(colours[i] > 0 || class != MN_STACK_64K, "colour %d: %d", i, colours[i]);
        for (int i = 0; i < 32; i++)
            mni_stack_give(&a, class, slots[i]);
    }
    all_is_back();
    mni_stack_slab_end();
    cr_assert_eq(totals(MN_STACK_64K).mapped_bytes, 0);
}

Test(mn_stack, last_in_first_out) {
    start();
    char *slot[3];
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(mni_stack_reserve(&a, MN_STACK_64K), 0);
        slot[i] = mni_stack_take(&a, MN_STACK_64K);
    }
    for (int i = 0; i < 3; i++)
        mni_stack_give(&a, MN_STACK_64K, slot[i]);
    for (int i = 3; i-- > 0;) {
        cr_assert_eq(mni_stack_reserve(&a, MN_STACK_64K), 0);
        cr_assert_eq(mni_stack_take(&a, MN_STACK_64K), slot[i]);
    }
    for (int i = 0; i < 3; i++)
        mni_stack_give(&a, MN_STACK_64K, slot[i]);
    all_is_back();
}

Test(mn_stack, owner) {
    start();
    struct mni_thread *t = (void *)&a;
    char *slot;
    unsigned class;
    cr_assert_eq(mni_stack_reserve(&a, MN_STACK_16K), 0);
    char *mine = mni_stack_take(&a, MN_STACK_16K);
    mni_stack_own(mine, MN_STACK_16K, t);
    cr_assert_eq(mni_stack_owner(mine, &slot, &class), t);
    cr_assert(slot == mine && class == MN_STACK_16K);
    cr_assert_eq(mni_stack_owner(mine + 16383, NULL, NULL), t);
    cr_assert_eq(mni_stack_owner(mine + 16384, &slot, &class), NULL);
    cr_assert_eq(slot, mine + 16384);
    cr_assert_eq(mni_stack_owner(&slot, &slot, NULL), NULL);
    cr_assert_null(slot);
    mni_stack_give(&a, MN_STACK_16K, mine);
    cr_assert_eq(mni_stack_owner(mine, NULL, NULL), NULL, "a free slot is nobody's");
    all_is_back();
}

/* Whether a write to the address ends the process. */
static bool faults_at(char *p) {
    int status;
    pid_t child = fork();
    if (child == 0) {
        signal(SIGSEGV, SIG_DFL);
        *(volatile char *)p = 1;
        _exit(0);
    }
    waitpid(child, &status, 0);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV;
}

static void check_guards(void) {
    for (unsigned class = 1; class < MNI_STACK_CLASSES; class++) {
        cr_assert_eq(mni_stack_reserve(&a, class), 0);
        char *slot = mni_stack_take(&a, class);
        cr_assert(faults_at(slot));
        cr_assert(faults_at(slot + mni_stack_guard(class) - 1));
        cr_assert(!faults_at(slot + mni_stack_guard(class)));
        mni_stack_give(&a, class, slot);
        cr_assert_eq(totals(class).unguarded, 0);
    }
}

Test(mn_stack, guards) {
    start();
    check_guards();
    all_is_back();
}

Test(mn_stack, guards_one_by_one) {
    setenv("ODONATA_DISABLE", "process_madvise", 1);
    start();
    check_guards();
    all_is_back();
}

Test(mn_stack, guards_by_mprotect) {
    setenv("ODONATA_DISABLE", "guard", 1);
    start();
    check_guards();
    all_is_back();
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* which have too much memory to lock it */
Test(mn_stack, guards_in_locked_memory) {
    if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0)
        return; /* not allowed here (ulimit -l) */
    start();
    check_guards();
    cr_assert(totals(MN_STACK_64K).mapped_bytes <= 32 << 20, "locked memory is real memory: small steps");
    munlockall();
    all_is_back();
}
#endif

/* ---- beyond the guards: the program has a limit on mappings */

static char *take_bare(void) {
    setenv("ODONATA_DISABLE", "guard", 1);
    start();
    char *slot = NULL;
    for (int i = 0; i < 40000; i++) {
        cr_assert_eq(mni_stack_reserve(&a, MN_STACK_16K), 0);
        slot = mni_stack_take(&a, MN_STACK_16K);
    }
    cr_assert(totals(MN_STACK_16K).unguarded > 0);
    return slot;
}

Test(mn_stack, without_guard_says_so) {
    char text[512];
    FILE *said = tmpfile();
    dup2(fileno(said), 2);
    char *slot = take_bare();
    cr_assert(!faults_at(slot));
    mni_stack_give(&a, MN_STACK_16K, slot);
    rewind(said);
    cr_assert(fgets(text, sizeof text, said) && strstr(text, "guard"));
    cr_assert_null(fgets(text, sizeof text, said), "once");
}

Test(mn_stack, without_guard_overflow_is_seen_later, .signal = SIGABRT) {
    char *slot = take_bare();
    slot[4096 - 200] = 1;
    mni_stack_give(&a, MN_STACK_16K, slot);
}

/* ---- promises */

Test(mn_stack, reserved_here_taken_there) {
    start();
    enum { N = 5000 };
    static char *slots[N];
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < N; i++)
            cr_assert_eq(mni_stack_reserve(&a, MN_STACK_64K), 0);
        for (int i = 0; i < N; i++) {
            slots[i] = mni_stack_take(&b, MN_STACK_64K);
            *(int *)(void *)(slots[i] + 60000) = i;
        }
        for (int i = 0; i < N; i++)
            cr_assert_eq(*(int *)(void *)(slots[i] + 60000), i, "a slot was handed out twice");
        for (int i = 0; i < N; i++)
            mni_stack_give(i % 2 ? &a : &b, MN_STACK_64K, slots[i]);
        cr_assert(totals(MN_STACK_64K).promised <= 6 * 64);
        cr_assert(totals(MN_STACK_64K).slots < 2 * N + 2048, "credit came back");
    }
    all_is_back();
}

Test(mn_stack, reserved_and_not_used) {
    start();
    for (int i = 0; i < 1000; i++)
        cr_assert_eq(mni_stack_reserve(&a, MN_STACK_256K), 0);
    for (int i = 0; i < 1000; i++)
        mni_stack_unreserve(&a, MN_STACK_256K);
    all_is_back();
}

Test(mn_stack, shared) {
    start();
    char *one = mni_stack_take_shared(MN_STACK_64K), *two = mni_stack_take_shared(MN_STACK_64K);
    cr_assert(one && two && one != two);
    one[60000] = two[60000] = 1;
    mni_stack_give(&a, MN_STACK_64K, one);
    mni_stack_give_shared(MN_STACK_64K, two);
    all_is_back();
    char *again = mni_stack_take_shared(MN_STACK_64K);
    cr_assert(again == one || again == two, "what came back is used again");
}

#ifndef __SANITIZE_THREAD__ /* which marks all of a new mapping */
Test(mn_stack, ten_million_slots) {
    start();
    for (int i = 0; i < 10000000; i++)
        if (mni_stack_reserve(&a, MN_STACK_64K) != 0)
            cr_assert(false, "number %d", i);
    cr_assert(totals(MN_STACK_64K).mapped_bytes >= 655360000000ul);
    char *slot = mni_stack_take(&a, MN_STACK_64K);
    slot[65000] = 1;
    cr_assert(faults_at(slot));
    mni_stack_slab_end();
}
#endif

static inline void until_nomem(unsigned class) {
    static char *slots[200000];
    long first = 0;
    start();
    for (int round = 0; round < 3; round++) {
        long n = 0, seen = 0;
        while (n < 200000 && mni_stack_reserve(&a, class) == 0)
            n++;
        cr_assert(n > 10 && n < 200000, "%ld", n);
        cr_assert_eq(mni_stack_reserve(&a, class), -ENOMEM);
        for (seen = 0; seen < n; seen++) {
            slots[seen] = mni_stack_take(seen % 3 ? &b : &a, class);
            slots[seen][mni_stack_bytes(class) - 4096] = 1;
        }
        for (seen = 0; seen < n; seen++)
            mni_stack_give(seen % 5 ? &b : &a, class, slots[seen]);
        mni_stacks_flush(&b);
        mni_stacks_flush(&a);
        if (round == 0)
            first = n;
        cr_assert(n >= first, "round %d: %ld, before %ld", round, n, first);
    }
    all_is_back();
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* their shadows need terabytes of address space */
Test(mn_stack, address_space_limit) {
    struct rlimit limit = {(rlim_t)1 << 30, (rlim_t)1 << 30};
    cr_assert_eq(setrlimit(RLIMIT_AS, &limit), 0);
    until_nomem(MN_STACK_64K);
    cr_assert(totals(MN_STACK_64K).slots * 65536 > (size_t)600 << 20, "most of it was used");
}
#endif

#ifdef OD_FAULTS
Test(mn_stack, mmap_fails) {
    cr_assert(fault_set("mmap:from=10"));
    until_nomem(MN_STACK_1M);
}

Test(mn_stack, madvise_fails) {
    cr_assert(fault_set("madvise:every=2"));
    start();
    check_guards();
    all_is_back();
}

Test(mn_stack, no_memory_to_start) {
    cr_assert(fault_set("mmap:from=1"));
    cr_assert_eq(mni_stack_slab_start(MN_STACK_DEFAULT), -ENOMEM);
    cr_assert(fault_set(NULL));
    start();
}
#endif

/* ---- trimming */

Test(mn_stack, trim) {
    enum { N = 2000 };
    static char *slots[N];
    unsigned char resident[16];
    start();
    for (int i = 0; i < N; i++) {
        cr_assert_eq(mni_stack_reserve(&a, MN_STACK_64K), 0);
        slots[i] = mni_stack_take(&a, MN_STACK_64K);
        memset(slots[i] + 40000, 1, 20000);
    }
    for (int i = 0; i < N; i++)
        mni_stack_give(&a, MN_STACK_64K, slots[i]);
    int n, sum = 0;
    while ((n = mni_stack_trim(&a, 100)) > 0) {
        cr_assert(n <= 256, "a piece of work");
        sum += n;
    }
    cr_assert(sum >= N - 200 && sum <= N - 100, "%d", sum);
    struct mni_stack_totals t = totals(MN_STACK_64K);
    cr_assert(t.warm <= 100);
    cr_assert_eq(t.trimmed, (uint64_t)sum);
    int with_pages = 0;
    for (int i = 0; i < N; i++) {
        cr_assert_eq(mincore(slots[i], 65536, resident), 0);
        bool any = false;
        for (int j = 0; j < 16; j++)
            any |= resident[j] & 1;
        with_pages += any;
    }
    cr_assert(with_pages <= 200, "%d still have pages", with_pages);
    for (int i = 0; i < N; i++) {
        cr_assert_eq(mni_stack_reserve(&b, MN_STACK_64K), 0);
        slots[i] = mni_stack_take(&b, MN_STACK_64K);
    }
    cr_assert(totals(MN_STACK_64K).touched <= N + 3 * 64, "trimmed slots are used before new ones");
    cr_assert(faults_at(slots[N - 1] + 100), "still guarded");
    for (int i = 0; i < N; i++)
        mni_stack_give(&b, MN_STACK_64K, slots[i]);
    all_is_back();
}

Test(mn_stack, decay) {
    enum { N = 6000 };
    static char *slots[N];
    start();
    mni_slab_decay_ns = 100000000;
    cr_assert_eq(mni_slab_decay(), INT64_MAX, "nothing to do, ever");
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < N; i++) {
            cr_assert_eq(mni_stack_reserve(&a, MN_STACK_64K), 0);
            slots[i] = mni_stack_take(&a, MN_STACK_64K);
            slots[i][65000] = 1;
        }
        for (int i = 0; i < N; i++)
            mni_stack_give(&a, MN_STACK_64K, slots[i]);
        cr_assert(mni_slab_decay() != INT64_MAX);
    }
    usleep(110000);
    cr_assert(mni_slab_decay() != INT64_MAX);
    cr_assert_eq(totals(MN_STACK_64K).trimmed, 0, "all were in use after the last look");
    usleep(110000);
    while (mni_slab_decay() != INT64_MAX)
        ;
    uint64_t left = totals(MN_STACK_64K).warm;
    cr_assert(left > 4096 - 64 && left <= 4096, "%lu are left", (unsigned long)left);
    all_is_back();
}

/* ---- many at once */

enum { HANDS = 64, BOARD = 512 };
static struct mni_stacks caches[HANDS];
static char *board[BOARD]; /* slots on their way from one CPU to another */

/* Each slot that somebody holds has that one's number in a word; nobody else may ever find it there. */
static void worker(unsigned index, uint32_t *random) {
    struct mni_stacks *s = &caches[index];
    for (long i = 0; i < scaled(40000); i++) {
        unsigned class = MN_STACK_16K + random_next(random) % 2, place = random_next(random) % BOARD;
        char *slot = NULL;
        if (random_next(random) % 8 == 0) {
            slot = mni_stack_take_shared(class);
        } else if (mni_stack_reserve(s, class) == 0) {
            slot = mni_stack_take(s, class);
        }
        cr_assert(slot != NULL);
        uint64_t *word = (uint64_t *)(void *)(slot + mni_stack_bytes(class) - 4096);
        cr_assert_eq(a64_swap_full(word, index + 1), 0, "someone else has this slot");
        /* full: the slot and what was written to it go to whoever takes it from the board */
        slot = aptr_swap_full(&board[place], (char *)((uintptr_t)slot | class));
        if (slot) {
            class = (uintptr_t)slot & 7;
            slot -= class;
            word = (uint64_t *)(void *)(slot + mni_stack_bytes(class) - 4096);
            cr_assert_neq(a64_swap_full(word, 0), 0);
            mni_stack_give(s, class, slot);
        }
        if (random_next(random) % 4096 == 0)
            mni_stack_trim(s, 16);
        if (random_next(random) % 4096 == 0)
            mni_stacks_flush(s);
    }
}

Test(mn_stack, many_at_once) {
    start();
    crew(8, worker);
    for (unsigned i = 0; i < BOARD; i++) {
        unsigned class = (uintptr_t)board[i] & 7;
        if (board[i])
            mni_stack_give(&a, class, board[i] - class);
    }
    for (unsigned i = 0; i < HANDS; i++)
        mni_stacks_flush(&caches[i]);
    all_is_back();
}
