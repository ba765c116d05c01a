/* workers: 1 2 */
/*
 * LWPs and memory that run out in blocking calls, files and look-ups: where no LWP can be had the caller's
 * makes the call; where memory is short the call says so; nothing is lost or left behind.
 */
#include <fcntl.h>
#include <mn/child.h>
#include <mn/io.h>

#include "procfs.h"
#include "sync.h"

static long wrong, errors;

static void note(void *arg) {
    add(arg, 1);
}

static void expect(const char *what, long r, long want) {
    if (r == want)
        return;
    if (r == -ENOMEM || r == -EMFILE || r == -EAGAIN) {
        errors++;
        return;
    }
    wrong++;
    printf("# %s: %ld, not %ld\n", what, r, want);
}

static void *many(void *arg) {
    for (int i = 0; i < 20; i++) {
        int ran = 0;
        int r = mn_block_call(note, &ran);
        if (r != 0 || get(&ran) != 1)
            add(arg, 1);
    }
    return NULL;
}

static void everything(void) {
    int ran = 0, failures = 0;
    expect("mn_block_call", mn_block_call(note, &ran), 0);
    expect("a call made", get(&ran), 1);
    mn_thread t[8];
    int there = 0;
    for (int i = 0; i < 8; i++)
        there += mn_go(&t[there], many, &failures) == 0;
    for (int i = 0; i < there; i++)
        expect("mn_join", mn_join(t[i], NULL), 0);
    expect("calls lost", failures, 0);

    char path[] = "./mn-fault-XXXXXX", bytes[100] = "";
    close(mkstemp(path));
    int fd = mn_open(path, O_RDWR, 0);
    expect("mn_open", fd < 0 ? fd : 0, 0);
    if (fd >= 0) {
        expect("mn_pwrite", mn_pwrite(fd, bytes, 100, 0), 100);
        expect("mn_fsync", mn_fsync(fd), 0);
        posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
        expect("mn_pread", mn_pread(fd, bytes, 100, 0), 100);
        int pair[2];
        if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0) {
            off_t at = 0;
            long n = mn_sendfile(pair[0], fd, &at, 100);
            expect("mn_sendfile", n, 100);
            expect("its offset", at, n > 0 ? 100 : 0);
            close(pair[0]);
            close(pair[1]);
        }
        close(fd);
    }
    struct mn_dir *d;
    struct dirent *e;
    int r = mn_opendir(&d, ".");
    expect("mn_opendir", r, 0);
    if (r == 0) {
        expect("mn_readdir", mn_readdir(d, &e), 1);
        mn_closedir(d);
    }
    mn_unlink(path);
    struct addrinfo *list;
    r = mn_getaddrinfo("localhost", NULL, NULL, &list);
    if (r == 0) {
        char name[100];
        expect("mn_getnameinfo", mn_getnameinfo(list->ai_addr, list->ai_addrlen, name, sizeof name, NULL, 0, 0),
               0);
        freeaddrinfo(list);
    } else {
        expect("mn_getaddrinfo", r, 0);
    }
    pid_t child = fork();
    if (child == 0)
        _exit(3);
    int status = 0;
    pid_t got = mn_waitpid(child, &status, 0);
    expect("mn_waitpid", got, child);
    if (got != child)
        waitpid(child, &status, 0);
}

static int run(void *arg) {
    (void)arg;
    everything();
    return 0;
}

/* The program that is run under each rule: 0, 1: something went wrong, 2: there was no runtime. */
static int life(void) {
    int r = mn_run(run, NULL, NULL);
    if (r != 0 && r != -ENOMEM && r != -EAGAIN)
        wrong++;
    if (!settles_at(count_lwps, 1))
        wrong++;
    return wrong ? 1 : r == 0 ? 0 : 2;
}

int main(int argc, char **argv) {
    if (argc > 1)
        return life();
    /* most: how many values; step: between two of them.  The first few calls are those of the runtime's
     * start, if workers are few. */
    static const struct {
        const char *rule;
        int most, step;
    } rules[] = {{"none:nth=%d", 1, 1},    {"clone:from=%d", 9, 1},   {"clone:nth=%d", 12, 1},
                 {"malloc:nth=%d", 30, 1}, {"malloc:every=%d", 6, 7}, {"clone:every=%d,malloc:every=31", 6, 2},
                 {"pidfd:every=%d", 2, 1}, {"epoll_ctl:every=%d", 2, 1}, {"epoll:from=%d", 2, 1}, {"futex:every=%d", 5, 1}};
    (void)argv;
    for (unsigned i = 0; i < sizeof rules / sizeof *rules; i++) {
        int ran = 0, bad = 0;
        for (int n = 1; n <= rules[i].most; n++) {
            char rule[64];
            snprintf(rule, sizeof rule, rules[i].rule, n * rules[i].step);
            setenv("ODONATA_FAULT", rule, 1);
            pid_t child = fork();
            if (child == 0) {
                execl("/proc/self/exe", "fault-test", "life", (char *)NULL);
                _exit(99);
            }
            int status = 0;
            waitpid(child, &status, 0);
            ran += status == 0;
            if (status && (!WIFEXITED(status) || WEXITSTATUS(status) != 2)) {
                bad++;
                printf("# %s: %#x\n", rule, (unsigned)status);
                fflush(stdout);
            }
        }
        ok(bad == 0 && ran > 0, "%s: %d of %d runs to the end", rules[i].rule, ran, rules[i].most);
    }
    return done();
}
