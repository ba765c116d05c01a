/* fault_child.h: the test's own program, run again in a child with calls that fail (ODONATA_FAULT). */
#ifndef FAULT_CHILD_H
#define FAULT_CHILD_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* In the child. */
#define MUST(what) \
    do { \
        if (!(what)) { \
            printf("# %s:%d: %s\n", __FILE__, __LINE__, #what); \
            fflush(stdout); \
            _exit(1); \
        } \
    } while (0)

/* With the argument "g" (green) or "f".  It prints how many failures it heard of: these; *bad: it did not end
 * well. */
static inline int run_with_rule(const char *program, const char *rule, bool green, bool *bad) {
    char command[512], line[128] = "";
    snprintf(command, sizeof command, "exec '%s' %s", program, green ? "g" : "f");
    setenv("ODONATA_FAULT", rule, 1);
    FILE *f = popen(command, "r");
    unsetenv("ODONATA_FAULT");
    if (!f)
        abort();
    while (fgets(line, sizeof line, f) && *line == '#')
        fputs(line, stdout);
    *bad = pclose(f) != 0;
    return atoi(line);
}

#endif
