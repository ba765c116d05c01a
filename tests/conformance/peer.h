/*
 * peer.h: a second process that shares memory with the test: a fork of it, or the same program on the plain
 * libc, which is called with the memory's descriptor as its second argument.
 */
#ifndef PEER_H
#define PEER_H

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static int peer_fd;

/* In main, of both: the memory; ends the program if there is none. */
static inline void *peer_memory(int argc, char **argv, size_t size) {
    peer_fd = argc > 2 ? atoi(argv[2]) : memfd_create("shared", 0);
    if (peer_fd < 0 || (argc <= 2 && ftruncate(peer_fd, (off_t)size) != 0))
        exit(1);
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, peer_fd, 0);
    if (p == MAP_FAILED)
        exit(1);
    return p;
}

/* Starts it: fn() in a fork; with a name for argv[0], the program on the plain libc. */
static inline pid_t peer_start(int (*fn)(void), const char *name) {
    pid_t pid = fork();
    if (pid == 0) {
        if (!name)
            _exit(fn());
        char number[16];
        snprintf(number, sizeof number, "%d", peer_fd);
        unsetenv("LD_PRELOAD");
        execl("/proc/self/exe", name, "peer", number, (char *)NULL);
        _exit(127);
    }
    return pid;
}

#endif
