/* timeout: 100 */
/* Robust locks: who holds one ends, in every way; the next is told. */
#include "proc_actor.h"

static struct mn_mutex m = MN_MUTEX_ROBUST_INIT;
static struct mn_rmutex rm = MN_RMUTEX_ROBUST_INIT;
static struct mn_rwlock l = MN_RWLOCK_ROBUST_INIT;

/* ---- ends of a thread */

enum { RETURNS, FAILS, EXITS, EXITS_THREAD, UNWINDS, KILLED, SIGNALLED, WAITS_FOR_IT, WAYS };

static void sleep_on(void) {
    while (mn_sleep(MN_FOREVER) == 0)
        continue;
}

static int holds(void *arg) {
    int way = (int)(intptr_t)arg;
    struct mn_mutex other = MN_MUTEX_INIT;
    struct mn_cond c = MN_COND_INIT;
    mn_mutex_lock(&other);
    mn_mutex_lock(&m);
    mn_rmutex_lock(&rm);
    mn_rmutex_lock(&rm);
    mn_rwlock_wrlock(&l);
    mn_mutex_unlock(&other);
    switch (way) {
    case FAILS: return -EIO;
    case EXITS: mn_proc_exit(2000);
    case EXITS_THREAD: mn_exit(NULL);
    case UNWINDS: mn_exit_signal(mn_pid_self(), 2000); break;
    case KILLED:
    case SIGNALLED: sleep_on(); break;
    case WAITS_FOR_IT: mn_cond_wait(&c, &m); break;
    default: break;
    }
    return 0;
}

/* Everything that holds() has locked is free, and says so once. */
static void died(const char *how) {
    is(mn_mutex_lock(&m), -EOWNERDEAD, "a mutex whose owner %s", how);
    is(mn_mutex_lock(&m), -EDEADLK, "is the caller's");
    is(mn_mutex_consistent(&m), 0, "is made good");
    is(mn_mutex_consistent(&m), -EINVAL, "once");
    is(mn_mutex_unlock(&m), 0, "and released");
    is(mn_mutex_lock(&m) | mn_mutex_unlock(&m), 0, "and is as ever");
    is(mn_rmutex_lock_until(&rm, mn_after(10000000)), -EOWNERDEAD, "a recursive one, locked twice");
    is(mn_rmutex_trylock(&rm), 0, "is the caller's twice");
    is(mn_rmutex_consistent(&rm), 0, "is made good");
    is(mn_rmutex_unlock(&rm) | mn_rmutex_unlock(&rm), 0, "and released as often");
    is(mn_rmutex_unlock(&rm), -EPERM, "and not more often");
    is(mn_rwlock_rdlock(&l), -EOWNERDEAD, "a lock that was held for writing: a reader");
    is(mn_rwlock_tryrdlock(&l), -EOWNERDEAD, "and another");
    is(mn_rwlock_consistent(&l), -EPERM, "cannot make it good");
    is(mn_rwlock_unlock(&l) | mn_rwlock_unlock(&l), 0, "they leave");
    is(mn_rwlock_trywrlock(&l), -EOWNERDEAD, "a writer");
    is(mn_rwlock_consistent(&l), 0, "can");
    is(mn_rwlock_unlock(&l), 0, "it leaves");
    is(mn_rwlock_rdlock(&l) | mn_rwlock_unlock(&l), 0, "and the lock is as ever");
}

static void ends(void) {
    static const char *const names[] = {
        "returned", "failed",     "ended",        "ended its thread",
        "unwound",  "was killed", "got a signal", "was killed in a wait with it"};
    for (int way = 0; way < WAYS; way++) {
        mn_pid pid = spawn_watched(holds, (void *)(intptr_t)way, 0);
        if (way >= KILLED) {
            until_waits(pid, way == WAITS_FOR_IT ? "condition" : "sleep");
            mn_exit_signal(pid, way == SIGNALLED ? 2000 : MN_REASON_KILL);
        }
        mn_msg_free(next_msg()); /* DOWN: then they are free */
        died(names[way]);
    }
}

static void *holds_as_thread(void *arg) {
    holds(NULL);
    return arg;
}

static void threads(void) {
    mn_thread t;
    mn_go(&t, holds_as_thread, NULL);
    mn_join(t, NULL);
    died("was no process");
    mn_go_attr(&t, &(struct mn_attr){.flags = MN_BOUND}, holds_as_thread, NULL);
    mn_join(t, NULL);
    died("was a bound thread");
}

/* ---- callbacks */

static int callback(void *state, struct mn_msg *msg) {
    (void)state;
    if (msg->tag == 100)
        return mn_mutex_trylock(&m); /* perhaps on the same executor */
    if (msg->tag == 101)
        return mn_post(msg->from, 101, NULL, 0);
    holds(NULL);
    switch (msg->tag) {
    case FAILS: return -EIO;
    case EXITS: mn_proc_exit(2000);
    case EXITS_THREAD: mn_exit(NULL);
    case UNWINDS: mn_exit_signal(mn_pid_self(), 2000); return MN_GO_ON;
    case KILLED: mn_sleep(3000000); return MN_GO_ON;
    case SIGNALLED: return MN_GO_ON;
    default: return MN_STOP;
    }
}

static int64_t terminated;
static void terminate(void *state, int64_t reason) {
    (void)state;
    terminated = reason;
    if (mn_mutex_lock(&m) == -EOWNERDEAD)
        mn_mutex_consistent(&m);
}

static void callbacks(void) {
    static const char *const names[] = {"stopped", "failed",     "ended",   "ended its thread",
                                        "unwound", "was killed", "went on"};
    static const struct mn_handler h = {.handle_message = callback},
                                   ht = {.handle_message = callback, .terminate = terminate};
    for (int way = 0; way <= SIGNALLED; way++) {
        mn_pid pid;
        mn_ref ref;
        mn_spawn_handler(&pid, &h, NULL, 0, NULL);
        mn_monitor(pid, &ref);
        mn_post(pid, (uint64_t)way, NULL, 0);
        if (way == KILLED) {
            struct mn_proc_state st;
            while (mn_proc_info(pid, &st) == 0 && st.received == 0)
                mn_yield();
            mn_exit_signal(pid, MN_REASON_KILL);
        }
        if (way == SIGNALLED) {
            mn_pid other;
            mn_post(pid, 101, NULL, 0);
            mn_msg_free(next_msg()); /* the first callback has returned */
            mn_spawn_handler(&other, &h, NULL, 0, NULL);
            mn_monitor(other, &ref);
            mn_post(other, 100, NULL, 0);
            ok(comes(MN_MSG_DOWN, other, -EOWNERDEAD), "a callback of another process gets what one has left");
            ok(mn_alive(pid), "which lives");
            mn_mutex_lock(&m);
            mn_mutex_consistent(&m);
            mn_mutex_unlock(&m);
            mn_post(pid, RETURNS, NULL, 0);
        }
        mn_msg_free(next_msg());
        died(names[way]);
    }
    for (int way = 0; way <= EXITS; way += EXITS) {
        mn_pid pid;
        mn_ref ref;
        mn_spawn_handler(&pid, &ht, NULL, 0, NULL);
        mn_monitor(pid, &ref);
        mn_post(pid, (uint64_t)way, NULL, 0);
        mn_msg_free(next_msg());
        died("took it in terminate");
    }
}

/* ---- those who wait */

static int results[8], order;
static atomic_int waiting, held;

static int waits(void *arg) {
    int i = (int)(intptr_t)arg;
    atomic_fetch_add(&waiting, 1);
    int r = i == 5 ? mn_mutex_lock_until(&m, mn_after(50000000000)) : mn_mutex_lock(&m);
    results[i] = r;
    if (r == -EOWNERDEAD && order == 1)
        mn_mutex_consistent(&m);
    if (r != -ENOTRECOVERABLE)
        mn_mutex_unlock(&m);
    return 0;
}

static int await_waiters(void *arg) {
    mn_mutex_lock(&m);
    atomic_store(&held, 1);
    while (atomic_load(&waiting) < 8)
        mn_yield();
    mn_sleep(2000000);
    if (arg)
        mn_sleep(MN_FOREVER);
    return 0;
}

static int count_results(int value) {
    int n = 0;
    for (int i = 0; i < 8; i++)
        n += results[i] == value;
    return n;
}

static void queues(void) {
    for (int good = 1; good >= 0; good--) {
        order = good;
        atomic_store(&waiting, 0);
        atomic_store(&held, 0);
        mn_pid holder = spawn_watched(await_waiters, good ? &order : NULL, 0);
        while (!atomic_load(&held))
            mn_yield();
        for (intptr_t i = 0; i < 8; i++)
            spawn_watched(waits, (void *)i, 0);
        if (good) {
            while (atomic_load(&waiting) < 8)
                mn_yield();
            mn_sleep(3000000);
            mn_exit_signal(holder, MN_REASON_KILL);
        }
        for (int i = 0; i < 9; i++)
            mn_msg_free(next_msg());
        is(count_results(-EOWNERDEAD), 1, "one of those who wait is told");
        is(count_results(good ? 0 : -ENOTRECOVERABLE), 7,
           good ? "and the others find it in order" : "and, as it was not made good, the others get nothing");
    }
    is(mn_mutex_lock(&m), -ENOTRECOVERABLE, "it is lost for mn_mutex_lock");
    is(mn_mutex_trylock(&m), -ENOTRECOVERABLE, "for mn_mutex_trylock");
    is(mn_mutex_lock_until(&m, mn_after(1000)), -ENOTRECOVERABLE, "for mn_mutex_lock_until");
    is(mn_mutex_unlock(&m), -EPERM, "nobody holds it");
    is(mn_mutex_consistent(&m), -EPERM, "nobody makes it good");
    is(mn_mutex_destroy(&m), 0, "it can be destroyed");
    mn_mutex_init_robust(&m);
    is(mn_mutex_lock(&m) | mn_mutex_unlock(&m), 0, "and made anew");

    spawn_watched(holds, NULL, 0);
    mn_msg_free(next_msg());
    is(mn_rwlock_wrlock_until(&l, mn_after(10000000)), -EOWNERDEAD, "a rwlock");
    is(mn_rwlock_unlock(&l), 0, "that is not made good");
    is(mn_rwlock_rdlock(&l), -ENOTRECOVERABLE, "is lost for readers");
    is(mn_rwlock_wrlock(&l), -ENOTRECOVERABLE, "and for writers");
    is(mn_rwlock_unlock(&l), -EPERM, "nobody holds it");
    is(mn_rwlock_destroy(&l), 0, "it can be destroyed");
    mn_rwlock_init_robust(&l);
    mn_mutex_init_robust(&m);
    mn_rmutex_init_robust(&rm);
}

/* ---- condition variables */

static struct mn_cond cond;
static int again;

static int waits_for_signal(void *arg) {
    mn_mutex_lock(&m);
    atomic_store(&held, 1);
    do
        *(int *)arg = mn_cond_wait_until(&cond, &m, mn_after(again ? 1000000 : 50000000000));
    while (again && *(int *)arg == -ETIMEDOUT);
    if (*(int *)arg == -EOWNERDEAD)
        mn_mutex_consistent(&m);
    mn_mutex_unlock(&m);
    return 0;
}

static int signals(void *arg) {
    mn_mutex_lock(&m);
    if (!arg)
        mn_cond_signal(&cond);
    else
        mn_sleep(6000000);
    return -EIO;
}

static void conditions(void) {
    for (again = 0; again < 2; again++) {
        int r = 1;
        atomic_store(&held, 0);
        mn_pid pid = spawn_watched(waits_for_signal, &r, 0);
        while (!atomic_load(&held))
            mn_yield();
        if (!again)
            until_waits(pid, "condition");
        spawn_watched(signals, again ? &r : NULL, 0);
        mn_msg_free(next_msg());
        mn_msg_free(next_msg());
        is(r, -EOWNERDEAD,
           again ? "or whose time is up" : "who is signalled and gets the mutex of one that has ended");
    }
}

/* ---- other uses */

static void unlocks(void *arg) {
    *(int *)arg = mn_mutex_unlock(&m);
}

static int defers(void *arg) {
    mn_defer(unlocks, arg);
    mn_mutex_lock(&m);
    mn_sleep(MN_FOREVER);
    return 0;
}

static void others(void) {
    int r = 1;
    mn_pid pid = spawn_watched(defers, &r, 0);
    until_waits(pid, "sleep");
    mn_exit_signal(pid, MN_REASON_KILL);
    mn_msg_free(next_msg());
    is(r, 0, "what was deferred still unlocks");
    is(mn_mutex_lock(&m), 0, "and then the mutex is in order");
    is(mn_mutex_consistent(&m), -EINVAL, "and need not be made good");
    mn_mutex_unlock(&m);
    struct mn_mutex plain = MN_MUTEX_INIT;
    struct mn_rwlock plain_rw = MN_RWLOCK_INIT;
    mn_mutex_lock(&plain);
    is(mn_mutex_consistent(&plain), -EINVAL, "a plain mutex is never made good");
    mn_mutex_unlock(&plain);
    mn_rwlock_wrlock(&plain_rw);
    is(mn_rwlock_consistent(&plain_rw), -EINVAL, "nor a plain rwlock");
    mn_rwlock_unlock(&plain_rw);
    struct mn_mutex many[50];
    for (int i = 0; i < 50; i++) {
        mn_mutex_init_robust(&many[i]);
        mn_mutex_lock(&many[i]);
    }
    is(mn_mutex_destroy(&many[7]), -EBUSY, "one that is held is not destroyed");
    int wrong = 0;
    for (int i = 0; i < 50; i++)
        wrong += mn_mutex_unlock(&many[i * 7 % 50]) != 0;
    is(wrong, 0, "many are released in another order");
}

/* ---- a stress: data under a lock that is halfway when its owner dies */

static long left, right;
static struct mn_mutex guard = MN_MUTEX_ROBUST_INIT;
static struct mn_rwlock rw_guard = MN_RWLOCK_ROBUST_INIT;
static struct mn_cond some = MN_COND_INIT;
static long rw_left, rw_right;
static atomic_long deaths, wrong, sections;

static void section(int r) {
    if (r == -EOWNERDEAD) {
        atomic_fetch_add(&deaths, 1);
        right = left;
        mn_mutex_consistent(&guard);
    } else if (left != right) {
        atomic_fetch_add(&wrong, 1);
    }
}

static int worker(void *arg) {
    unsigned seed = (unsigned)(uintptr_t)arg;
    for (int i = 0;; i++) {
        seed = seed * 1103515245 + 12345;
        unsigned what = seed >> 20;
        if (what % 4 == 0) {
            int r = mn_rwlock_rdlock(&rw_guard);
            if (r == 0 && rw_left != rw_right)
                atomic_fetch_add(&wrong, 1);
            if (r == 0 || r == -EOWNERDEAD)
                mn_rwlock_unlock(&rw_guard);
            continue;
        }
        if (what % 4 == 1) {
            int r = mn_rwlock_wrlock(&rw_guard);
            if (r == -EOWNERDEAD) {
                rw_right = rw_left;
                mn_rwlock_consistent(&rw_guard);
            } else if (r == 0 && rw_left != rw_right) {
                atomic_fetch_add(&wrong, 1);
            }
            if (r == 0 || r == -EOWNERDEAD) {
                rw_left++;
                if (what % 16 == 1)
                    mn_sleep(what % 128 * 100); /* a place to be killed */
                rw_right++;
                mn_rwlock_unlock(&rw_guard);
            }
            continue;
        }
        int r = what % 8 == 2 ? mn_mutex_lock_until(&guard, mn_after(what % 64 * 1000))
                : what % 8 == 3 ? mn_mutex_trylock(&guard)
                                : mn_mutex_lock(&guard);
        if (r < 0 && r != -EOWNERDEAD)
            continue;
        section(r);
        left++;
        if (what % 16 == 6)
            mn_sleep(what % 128 * 100);
        right++;
        if (what % 32 == 10) {
            r = mn_cond_wait_until(&some, &guard, mn_after(what % 64 * 1000));
            section(r);
        }
        if (what % 32 == 11)
            mn_cond_broadcast(&some);
        atomic_fetch_add(&sections, 1);
        mn_mutex_unlock(&guard);
        if (what % 64 == 12)
            return -EIO;
    }
}

static void stress(void) {
    enum { N = 12 };
    mn_pid pids[N] = {0};
    unsigned seed = 1;
    long rounds = (long)(3000 * scale());
    for (long i = 0; i < rounds; i++) {
        seed = seed * 1103515245 + 12345;
        mn_pid *p = &pids[(seed >> 16) % N];
        if (!mn_alive(*p))
            mn_spawn(p, worker, (void *)(uintptr_t)seed);
        else if (seed >> 30 == 0)
            mn_exit_signal(*p, MN_REASON_KILL);
        if (i % 8 == 0)
            mn_sleep(20000);
    }
    for (int i = 0; i < N; i++) {
        mn_exit_signal(pids[i], MN_REASON_KILL);
        await_end(pids[i]);
    }
    int r = mn_mutex_lock(&guard);
    section(r);
    mn_mutex_unlock(&guard);
    ok(r == 0 || r == -EOWNERDEAD, "the mutex has survived them all");
    r = mn_rwlock_trywrlock(&rw_guard);
    ok(r == 0 || r == -EOWNERDEAD, "the rwlock, too");
    printf("# %ld sections, %ld owners died\n", atomic_load(&sections), atomic_load(&deaths));
    is(atomic_load(&wrong), 0, "and nobody found anything halfway without being told");
    ok(atomic_load(&deaths) > 0, "some did die");
    mn_rwlock_unlock(&rw_guard);
}

static int all(void *arg) {
    (void)arg;
    mn_attach();
    ends();
    threads();
    callbacks();
    queues();
    conditions();
    others();
    stress();
    return 0;
}

int main(void) {
    is(mn_run(all, NULL, NULL), 0, "mn_run");
    return done();
}
