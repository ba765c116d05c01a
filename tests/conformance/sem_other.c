/*
 * Semaphores and a spin lock shared with a process on the libc's own: a child that is started without our
 * library.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "tap.h"

enum { TURNS = 3000 };

struct shared {
    sem_t mine, theirs;
    pthread_spinlock_t spin;
    long counter;
};

static int take_turns(struct shared *s, sem_t *named, sem_t *wait_for, sem_t *post) {
    int bad = 0;
    for (int i = 0; i < TURNS; i++) {
        struct timespec t;
        clock_gettime(CLOCK_REALTIME, &t);
        t.tv_sec += 20; /* a lost wake-up shows */
        bad += sem_post(post) != 0;
        bad += sem_timedwait(wait_for, &t) != 0;
        pthread_spin_lock(&s->spin);
        s->counter++;
        pthread_spin_unlock(&s->spin);
        bad += sem_post(named) != 0;
    }
    return bad;
}

int main(int argc, char **argv) {
    char name[64], file[80];
    snprintf(name, sizeof name, "/odonata.other.%d", argc > 1 ? atoi(argv[1]) : getpid());
    snprintf(file, sizeof file, "/dev/shm%s", name);
    int fd = open(file, O_RDWR | O_CREAT, 0600);
    if (fd < 0 || ftruncate(fd, sizeof(struct shared)) != 0)
        return 9;
    struct shared *s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (argc > 1) {
        sem_t *named = sem_open(name, 0);
        return named == SEM_FAILED ? 8 : take_turns(s, named, &s->theirs, &s->mine) != 0;
    }
    sem_init(&s->mine, 1, 0);
    sem_init(&s->theirs, 1, 0);
    pthread_spin_init(&s->spin, PTHREAD_PROCESS_SHARED);
    sem_t *named = sem_open(name, O_CREAT, 0600, 0);
    ok(named != SEM_FAILED, "a named semaphore");
    pid_t child = fork();
    if (child == 0) {
        snprintf(name, sizeof name, "%d", getppid());
        unsetenv("LD_PRELOAD");
        execl(argv[0], argv[0], name, NULL);
        _exit(7);
    }
    is(take_turns(s, named, &s->mine, &s->theirs), 0, "turns taken with the other process");
    int status, v;
    waitpid(child, &status, 0);
    is(status, 0, "it says the same");
    is(s->counter, 2 * TURNS, "the spin lock excluded");
    sem_getvalue(named, &v);
    is(v, 2 * TURNS, "the named semaphore has every post");
    sem_close(named);
    snprintf(name, sizeof name, "/odonata.other.%d", getpid());
    sem_unlink(name);
    unlink(file);
    return done();
}
