/* cpuset: reading and counting sets of CPUs. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "cpuset.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

unsigned mni_cpuset_count(const struct mni_cpuset *s) {
    unsigned n = 0;
    for (unsigned i = 0; i < MNI_CPUS_MAX / 64; i++)
        n += (unsigned)__builtin_popcountl(s->bits[i]);
    return n;
}

/* A CPU's number at *text, which is moved behind it; -1: there is none. */
static int number(const char **text) {
    const char *p = *text;
    int n = 0;
    if (*p < '0' || *p > '9')
        return -1;
    for (; *p >= '0' && *p <= '9'; p++) {
        n = n * 10 + (*p - '0');
        if (n >= MNI_CPUS_MAX)
            return -1;
    }
    *text = p;
    return n;
}

int mni_cpuset_parse(struct mni_cpuset *s, const char *list) {
    memset(s, 0, sizeof *s);
    for (;;) {
        int first = number(&list), last = first;
        if (first >= 0 && *list == '-') {
            list++;
            last = number(&list);
        }
        if (first < 0 || last < first)
            return -EINVAL;
        for (int cpu = first; cpu <= last; cpu++)
            mni_cpuset_add(s, (unsigned)cpu);
        if (*list == '\0')
            return 0;
        if (*list++ != ',')
            return -EINVAL;
    }
}
