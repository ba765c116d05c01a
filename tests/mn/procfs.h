/*
 * proc.h: what the kernel counts of this process, to see that nothing is left behind.
 *
 * Figures move for a moment after the thing counted is gone (an LWP that was joined leaves /proc a little
 * later), so what must return to a former value is waited for: settles_at().
 */
#ifndef PROC_H
#define PROC_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static inline long entries_of(const char *path) {
    DIR *d = opendir(path);
    long n = 0;
    while (d && readdir(d))
        n++;
    if (d)
        closedir(d);
    return n - 2;
}

/* Kernel threads of this process, but for the one that ThreadSanitizer has for itself. */
static inline long count_lwps(void) {
    const char *tools = getenv("ODONATA_SANITIZERS");
    return entries_of("/proc/self/task") - (tools && strstr(tools, "tsan") ? 1 : 0);
}

/* Open descriptors, but for the system's files: the one that reads this, and those that the runtime looks at for moments
 * (the quota of its control group). */
static inline long count_fds(void) {
    DIR *d = opendir("/proc/self/fd");
    const struct dirent *e;
    long n = 0;
    while (d && (e = readdir(d))) {
        char target[10] = "";
        if (readlinkat(dirfd(d), e->d_name, target, sizeof target - 1) > 0)
            n += strncmp(target, "/sys/", 5) != 0 && strncmp(target, "/proc/", 6) != 0;
    }
    if (d)
        closedir(d);
    return n;
}

/* Lines of /proc/self/maps that are not the heap's or an arena's: mappings that somebody has to unmap. */
static inline long count_maps(void) {
    FILE *f = fopen("/proc/self/maps", "r");
    char line[512];
    long n = 0;
    while (f && fgets(line, sizeof line, f))
        n += !strstr(line, "[heap]");
    if (f)
        fclose(f);
    return n;
}

/* Resident memory and address space, KiB. */
static inline long status_kib(const char *what) {
    FILE *f = fopen("/proc/self/status", "r");
    char line[256];
    long n = -1;
    while (f && fgets(line, sizeof line, f))
        if (!strncmp(line, what, strlen(what)))
            sscanf(line + strlen(what), ": %ld", &n);
    if (f)
        fclose(f);
    return n;
}
static inline long count_rss_kib(void) {
    return status_kib("VmRSS");
}
static inline long count_space_kib(void) {
    return status_kib("VmSize");
}

/* Whether the figure gets to at most `want`, within ten seconds. */
static inline int settles_at(long (*count)(void), long want) {
    for (int i = 0; i < 1000; i++) {
        if (count() <= want)
            return 1;
        usleep(10000);
    }
    return 0;
}

#endif
