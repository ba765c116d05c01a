/*
 * A change of user or group identity is the process's: all its threads change (on Linux each has its own in the
 * kernel, and the library goes round), those that wait, those just created, and LWPs that only wait for a next
 * thread; and new ones have it.  In forked children, as root.
 */
#include "life.h"

#include <grp.h>

enum { N = 6 };
static pthread_t threads[N];
static struct event gate = EVENT_INIT;
static sem_t ready;
static volatile int stop;

struct ids {
    uid_t r, e, s;
    gid_t rg, eg, sg;
};

static void get_ids(struct ids *i) {
    getresuid(&i->r, &i->e, &i->s);
    getresgid(&i->rg, &i->eg, &i->sg);
}

static void *waits(void *arg) {
    sem_post(&ready);
    event_wait(&gate);
    get_ids(arg);
    return NULL;
}
static void *spins(void *arg) {
    sem_post(&ready);
    while (!stop)
        ;
    get_ids(arg);
    return NULL;
}
static void *in_call(void *arg) {
    sem_post(&ready);
    while (!stop)
        usleep(1000000);
    get_ids(arg);
    return NULL;
}
static void *just_ids(void *arg) {
    get_ids(arg);
    return NULL;
}

/* Every task of the process, whatever it is: its four uids in /proc. */
static int all_tasks_are(unsigned uid, unsigned gid) {
    DIR *d = opendir("/proc/self/task");
    int good = d != NULL;
    for (struct dirent *e; d && (e = readdir(d));) {
        char path[300], line[256];
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "/proc/self/task/%s/status", e->d_name);
        FILE *f = fopen(path, "r");
        if (!f)
            continue; /* just gone */
        while (fgets(line, sizeof line, f)) {
            unsigned a, b, c, x;
            if (sscanf(line, "Uid: %u %u %u %u", &a, &b, &c, &x) == 4 &&
                (a != uid || b != uid || c != uid || x != uid))
                good = 0;
            if (sscanf(line, "Gid: %u %u %u %u", &a, &b, &c, &x) == 4 &&
                (a != gid || b != gid || c != gid || x != gid))
                good = 0;
            if (!good)
                break;
        }
        if (!good)
            fprintf(stderr, "# task %s: %s", e->d_name, line);
        fclose(f);
    }
    if (d)
        closedir(d);
    return good;
}

static void *change_here(void *arg) {
    (void)arg;
    int good = setgroups(0, NULL) == 0 && setresgid(2222, 2222, 2222) == 0 && setresuid(1111, 1111, 1111) == 0;
    return (void *)(uintptr_t)good;
}

static void interrupted(int sig) {
    (void)sig;
}

static int changes(int from_thread) {
    static struct ids ids[N + 8];
    void *(*kinds[])(void *) = {waits, spins, in_call};
    sem_init(&ready, 0, 0);
    /* Some that ended. */
    pthread_t t[8];
    for (int i = 0; i < 8; i++)
        check(pthread_create(&t[i], NULL, do_nothing, NULL) == 0);
    for (int i = 0; i < 8; i++)
        check(pthread_join(t[i], NULL) == 0);
    for (int i = 0; i < N; i++)
        check(pthread_create(&threads[i], NULL, kinds[i % 3], &ids[i]) == 0);
    for (int i = 0; i < N; i++)
        while (sem_wait(&ready))
            ;
    usleep(5000);
    if (from_thread) {
        void *v = NULL;
        check(pthread_create(&t[0], NULL, change_here, NULL) == 0);
        check(pthread_join(t[0], &v) == 0 && v == (void *)1);
    } else {
        check(change_here(NULL) == (void *)1);
    }
    check(all_tasks_are(1111, 2222));
    for (int i = 0; i < 8; i++)
        check(pthread_create(&t[i], NULL, just_ids, &ids[N + i]) == 0);
    for (int i = 0; i < 8; i++)
        check(pthread_join(t[i], NULL) == 0);
    check(all_tasks_are(1111, 2222));
    stop = 1;
    event_set(&gate);
    struct sigaction sa = {.sa_handler = interrupted};
    sigaction(SIGUSR1, &sa, NULL);
    for (int i = 0; i < N; i++)
        check(pthread_join(threads[i], NULL) == 0);
    for (int i = 0; i < N + 8; i++) {
        check(ids[i].r == 1111 && ids[i].e == 1111 && ids[i].s == 1111);
        check(ids[i].rg == 2222 && ids[i].eg == 2222 && ids[i].sg == 2222);
    }
    check(setuid(0) == -1 && errno == EPERM);
    return check_failed;
}
static int from_main(void) {
    return changes(0);
}
static int from_thread(void) {
    return changes(1);
}

/* setuid while threads come and go. */
static void *churn(void *arg) {
    while (!stop) {
        pthread_t t;
        if (pthread_create(&t, NULL, do_nothing, NULL) == 0)
            pthread_join(t, NULL);
    }
    return arg;
}
static int during_churn(void) {
    pthread_t t[3];
    for (int i = 0; i < 3; i++)
        check(pthread_create(&t[i], NULL, churn, NULL) == 0);
    for (int i = 0; i < 100; i++) {
        check(setresuid(-1u, i & 1 ? 0 : 1111, -1u) == 0);
        if (i % 10 == 0)
            usleep(500);
    }
    check(setresuid(1111, 1111, 1111) == 0);
    stop = 1;
    for (int i = 0; i < 3; i++)
        check(pthread_join(t[i], NULL) == 0);
    check(all_tasks_are(1111, (unsigned)getgid()));
    return check_failed;
}

/* All the calls of the family, one after the other. */
static int family(void) {
    struct ids ids;
    pthread_t t;
    gid_t groups[2] = {7, 8};
    check(pthread_create(&threads[0], NULL, do_pause, NULL) == 0);
    check(setgroups(2, groups) == 0);
    check(setgid(21) == 0);
    check(setegid(22) == 0);
    check(setregid(21, 21) == 0);
    check(setuid(0) == 0);
    check(seteuid(31) == 0);
    check(pthread_create(&t, NULL, just_ids, &ids) == 0);
    check(pthread_join(t, NULL) == 0);
    check(ids.e == 31 && ids.r == 0 && ids.eg == 21);
    check(seteuid(0) == 0);
    check(setreuid(32, 32) == 0);
    check(pthread_create(&t, NULL, just_ids, &ids) == 0);
    check(pthread_join(t, NULL) == 0);
    check(ids.e == 32 && ids.r == 32 && ids.s == 32);
    check(all_tasks_are(32, 21));
    check(seteuid(0) == -1 && errno == EPERM);
    return check_failed;
}

/* In a forked child of a process with threads. */
static int in_fork(void) {
    pthread_t t;
    check(pthread_create(&t, NULL, do_pause, NULL) == 0);
    pid_t pid = fork();
    if (pid == 0)
        _exit(changes(0));
    check(reaped(pid) == 0);
    return check_failed;
}

/* By an ordinary user: refused, and all threads are as before. */
static int refused(void) {
    struct ids ids;
    pthread_t t;
    check(setresuid(1111, 1111, 1111) == 0);
    check(pthread_create(&threads[0], NULL, do_pause, NULL) == 0);
    check(setuid(2222) == -1 && errno == EPERM);
    check(setresgid(5, 5, 5) == -1 && errno == EPERM);
    check(pthread_create(&t, NULL, just_ids, &ids) == 0);
    check(pthread_join(t, NULL) == 0);
    check(ids.r == 1111 && ids.e == 1111);
    return check_failed;
}

int main(void) {
    if (geteuid() != 0) {
        skip("needs root");
        return done();
    }
    is(in_child(from_main), 0, "setresuid and setresgid in main: all threads, all tasks, new threads");
    is(in_child(from_thread), 0, "the same in a thread");
    is(in_child(during_churn), 0, "while threads are created and end");
    is(in_child(family), 0, "every call of the family");
    is(in_child(in_fork), 0, "in a forked child of a process with threads");
    is(in_child(refused), 0, "refused to an ordinary user, in all threads");
    return done();
}
