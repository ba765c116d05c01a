/* sem_open, sem_close, sem_unlink. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tap.h"

static char name[64], path[80];

static int open_error(const char *n, int flags) {
    errno = 0;
    sem_t *s = sem_open(n, flags, 0600, 1);
    if (s == SEM_FAILED)
        return errno;
    sem_close(s);
    return 0;
}

static int unlink_error(const char *n) {
    return sem_unlink(n) == 0 ? 0 : errno;
}

static void names(void) {
    char longest[400];
    memset(longest, 'x', sizeof longest);
    /* the name begins with this process's own, as other tests of the same kind run beside it */
    int n = snprintf(longest, sizeof longest, "/odonata.test.%d.", getpid());
    longest[n] = 'x';
    longest[1 + 251] = 0;
    is(open_error(longest, O_CREAT), 0, "a name of 251 characters");
    is(unlink_error(longest), 0, "unlink it");
    longest[1 + 251] = 'x';
    longest[1 + 252] = 0;
    is(open_error(longest, O_CREAT), ENAMETOOLONG, "of 252");
    is(unlink_error(longest), ENAMETOOLONG, "unlink it");
    static const char *const bad[] = {"", "/", "//", "/a/b", "a/b", "/a/"};
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        is(open_error(bad[i], O_CREAT), EINVAL, "open '%s'", bad[i]);
        is(unlink_error(bad[i]), ENOENT, "unlink '%s'", bad[i]);
    }
    is(open_error(name, 0), ENOENT, "open of none");
    is(unlink_error(name), ENOENT, "unlink of none");
    is(open_error(name + 1, O_CREAT), 0, "a name without a slash");
    is(open_error(name, 0), 0, "is the same as with one");
    is(unlink_error(name), 0, "unlink");
}

static void life(void) {
    int v;
    sem_t *a = sem_open(name, O_CREAT | O_EXCL, 0600, 3);
    ok(a != SEM_FAILED, "create");
    struct stat st;
    is(stat(path, &st), 0, "the file that the libc would make");
    is(st.st_size, sizeof(sem_t), "its size");
    is(st.st_mode & 0777, 0600, "its mode");
    is(open_error(name, O_CREAT | O_EXCL), EEXIST, "create again");
    is(open_error(name, O_CREAT), 0, "open or create");
    sem_t *b = sem_open(name, 0);
    ok(a == b, "the same semaphore has the same address");
    sem_getvalue(b, &v);
    is(v, 3, "value");
    is(sem_close(b), 0, "close");
    is(sem_wait(a), 0, "the other reference is good");
    is(unlink_error(name), 0, "unlink");
    is(open_error(name, 0), ENOENT, "it is gone");
    is(sem_wait(a), 0, "but not for who has it");
    sem_t *c = sem_open(name, O_CREAT, 0600, 9);
    ok(c != SEM_FAILED && c != a, "a new one of that name is another");
    is(sem_close(a), 0, "close");
    is(sem_close(a), -1, "close twice");
    is(errno, EINVAL, "is wrong");
    is(sem_close(c), 0, "close");
    is(unlink_error(name), 0, "unlink");
    errno = 0;
    ok(sem_open(name, O_CREAT, 0600, (unsigned)SEM_VALUE_MAX + 1) == SEM_FAILED && errno == EINVAL,
       "value too large");

    a = sem_open(name, O_CREAT, 0600, 0);
    sem_close(a);
    sem_unlink(name);
}

static void permission(void) {
    if (geteuid() != 0) {
        skip("needs to change the user");
        return;
    }
    sem_t *s = sem_open(name, O_CREAT, 0600, 0);
    pid_t child = fork();
    if (child == 0) {
        if (seteuid(65534) != 0)
            _exit(3);
        if (open_error(name, 0) != EACCES)
            _exit(1);
        _exit(unlink_error(name) == EACCES ? 0 : 2);
    }
    int status;
    waitpid(child, &status, 0);
    is(status, 0, "EACCES for another user, to open and to unlink");
    sem_close(s);
    sem_unlink(name);
}

/* Everyone creates or opens; everyone must get the one semaphore, and never an unfinished one. */
static volatile int failures;
static void *racer(void *arg) {
    sem_t *s = sem_open(name, O_CREAT, 0600, 5);
    int v = 0;
    if (s == SEM_FAILED || sem_getvalue(s, &v) != 0 || v != 5)
        __sync_fetch_and_add(&failures, 1);
    return s + 0 * (arg != NULL);
}
static void race(void) {
    for (int i = 0; i < 100; i++) {
        pthread_t t[4];
        void *s[4];
        for (int j = 0; j < 4; j++)
            pthread_create(&t[j], NULL, racer, NULL);
        for (int j = 0; j < 4; j++)
            pthread_join(t[j], &s[j]);
        for (int j = 0; j < 4; j++) {
            if (s[j] != s[0])
                failures++;
            sem_close(s[j]);
        }
        sem_unlink(name);
    }
    is(failures, 0, "four threads create one semaphore");
}

static void across_fork(void) {
    sem_t *s = sem_open(name, O_CREAT, 0600, 0);
    pid_t child = fork();
    if (child == 0) {
        sem_t *mine = sem_open(name, 0);
        _exit(mine != s || sem_post(mine) || sem_close(mine) || sem_close(mine) || sem_close(mine) != -1);
    }
    is(sem_wait(s), 0, "a child posts");
    int status;
    waitpid(child, &status, 0);
    is(status, 0, "and has the parent's references");
    sem_close(s);
    sem_unlink(name);
}

int main(void) {
    snprintf(name, sizeof name, "/odonata.test.%d", getpid());
    snprintf(path, sizeof path, "/dev/shm/sem.%s", name + 1);
    names();
    life();
    permission();
    race();
    across_fork();
    return done();
}
