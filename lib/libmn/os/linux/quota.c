/*
 * quota.h by control groups (cgroups(7)).
 *
 * /proc/self/cgroup says where the process is in each hierarchy, /proc/self/mountinfo where the hierarchies are
 * mounted.  The CPU controller is in one of a version 1 hierarchy ("cpu" among its options; cpu.cfs_quota_us
 * and cpu.cfs_period_us) or in the version 2 hierarchy (cpu.max: "quota period" or "max period").  A group's
 * limit holds for all below it, so the smallest from the process's own group up to the mounted root is what
 * counts.  In a container the mounted root may be the container's group, and limits further up cannot be seen.
 *
 * What cannot be read or understood is no limit: the worst that follows is more workers than CPU time for them.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "runtime/quota.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The file's beginning, as a string; false: it cannot be read. */
static bool read_text(const char *dir, const char *name, char *text, size_t size) {
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%s", dir, name) >= (int)sizeof path)
        return false;
    FILE *f = fopen(path, "re");
    if (!f)
        return false;
    size_t n = fread(text, 1, size - 1, f);
    text[n] = '\0';
    fclose(f);
    return n > 0;
}

static uint64_t thousandths(long long quota, long long period) {
    if (quota <= 0 || period <= 0 || quota > LLONG_MAX / 1000)
        return 0;
    return ((uint64_t)quota * 1000 + (uint64_t)period - 1) / (uint64_t)period;
}

/* The limit of one group; 0: none. */
static uint64_t group_limit(const char *dir, int version) {
    char text[64], period[64];
    long long q, p;
    if (version == 2)
        return read_text(dir, "cpu.max", text, sizeof text) && sscanf(text, "%lld %lld", &q, &p) == 2
                   ? thousandths(q, p)
                   : 0;
    if (!read_text(dir, "cpu.cfs_quota_us", text, sizeof text) ||
        !read_text(dir, "cpu.cfs_period_us", period, sizeof period))
        return 0;
    return thousandths(atoll(text), atoll(period));
}

/* The smallest limit from base/group up to base; group is cut down on the way. */
static uint64_t limit_up(const char *base, char *group, int version) {
    uint64_t least = 0;
    for (;;) {
        char dir[PATH_MAX];
        if (snprintf(dir, sizeof dir, "%s%s", base, group) >= (int)sizeof dir)
            return least;
        uint64_t limit = group_limit(dir, version);
        if (limit && (least == 0 || limit < least))
            least = limit;
        char *slash = strrchr(group, '/');
        if (!slash)
            return least;
        *slash = '\0';
    }
}

/* Whether word is in a list with commas. */
static bool has_word(const char *list, const char *word) {
    size_t n = strlen(word);
    while (*list) {
        size_t len = strcspn(list, ",");
        if (len == n && memcmp(list, word, n) == 0)
            return true;
        list += len + (list[len] == ',');
    }
    return false;
}

/* The process's group in the hierarchy of that version (of the CPU controller); false: not found. */
static bool own_group(const char *root, int version, char group[PATH_MAX]) {
    char path[PATH_MAX], *line = NULL;
    size_t size = 0;
    bool found = false;
    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    FILE *f = fopen(path, "re");
    while (f && !found && getline(&line, &size, f) > 0) {
        line[strcspn(line, "\n")] = '\0';
        char *controllers = strchr(line, ':'), *where = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!where || strlen(where + 1) >= PATH_MAX)
            continue;
        *where++ = '\0';
        controllers++;
        found = version == 2 ? *controllers == '\0' : has_word(controllers, "cpu");
        if (found)
            strcpy(group, where);
    }
    free(line);
    if (f)
        fclose(f);
    return found;
}

/* mountinfo writes blanks and backslashes as \ooo. */
static void unescape(char *s) {
    char *to = s;
    for (; *s; s++, to++) {
        if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' && s[3] >= '0' &&
            s[3] <= '7') {
            *to = (char)((s[1] - '0') * 64 + (s[2] - '0') * 8 + (s[3] - '0'));
            s += 3;
        } else {
            *to = *s;
        }
    }
    *to = '\0';
}

/* The group's path below a mount whose root is the group mount_root. */
static void below(char *group, const char *mount_root) {
    size_t n = strcmp(mount_root, "/") == 0 ? 0 : strlen(mount_root);
    if (strncmp(group, mount_root, n) == 0 && (group[n] == '/' || group[n] == '\0'))
        memmove(group, group + n, strlen(group + n) + 1);
    else
        *group = '\0'; /* another namespace's view: the mounted root is the nearest that can be seen */
    if (strcmp(group, "/") == 0)
        *group = '\0';
}

uint64_t mni_quota(const char *root) {
    char path[PATH_MAX], *line = NULL;
    size_t size = 0;
    uint64_t least = 0;
    snprintf(path, sizeof path, "%s/proc/self/mountinfo", root);
    FILE *f = fopen(path, "re");
    /* ID parent major:minor root mount-point options [fields...] - type source super-options */
    while (f && getline(&line, &size, f) > 0) {
        char *word[5] = {0}, *save = NULL, *tail = strstr(line, " - ");
        if (!tail)
            continue;
        *tail = '\0';
        tail += 3;
        for (int i = 0; i < 5; i++)
            word[i] = strtok_r(i ? NULL : line, " ", &save);
        char *type = strtok_r(tail, " \n", &save);
        char *source = type ? strtok_r(NULL, " \n", &save) : NULL;
        char *options = source ? strtok_r(NULL, " \n", &save) : NULL;
        if (!word[4] || !options)
            continue;
        int version = strcmp(type, "cgroup2") == 0                              ? 2
                      : strcmp(type, "cgroup") == 0 && has_word(options, "cpu") ? 1
                                                                                : 0;
        char group[PATH_MAX], base[PATH_MAX];
        if (!version || !own_group(root, version, group))
            continue;
        unescape(word[3]);
        unescape(word[4]);
        if (snprintf(base, sizeof base, "%s%s", root, word[4]) >= (int)sizeof base)
            continue;
        below(group, word[3]);
        uint64_t limit = limit_up(base, group, version);
        if (limit && (least == 0 || limit < least))
            least = limit;
    }
    free(line);
    if (f)
        fclose(f);
    return least;
}

static char root_read[PATH_MAX];

void mni_quota_prepare(void) {
    const char *root = secure_getenv("ODONATA_QUOTA_ROOT");
    snprintf(root_read, sizeof root_read, "%s", root ? root : "");
}

const char *mni_quota_root(void) {
    return root_read;
}
