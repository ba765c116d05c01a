/* Which call is to fail: the rules of ODONATA_FAULT, and a count for each. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "fault.h"

#ifdef OD_FAULTS

#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "atomic.h"
#include "panic.h"

enum { RULES = 16, NAME = 16 };

enum when { NTH, FROM, EVERY };

struct rule {
    char point[NAME];
    enum when when;
    uint64_t n;
    uint64_t calls; /* so far */
};

static struct rule rules[RULES];
static uint32_t nrules;
static bool trace;
static uint32_t ready; /* the environment has been read; release by parse, acquire in fault_hit */
/* atomic.  No lock of lock.h: those wait by a call that asks here whether it is to fail. */
static uint32_t busy;

/* One word of the list: "trace" or "point:when=number". */
static bool parse_word(const char *word, size_t len) {
    static const struct {
        const char *name;
        enum when when;
    } kinds[] = {{"nth=", NTH}, {"from=", FROM}, {"every=", EVERY}};
    if (len == 5 && memcmp(word, "trace", 5) == 0) {
        trace = true;
        return true;
    }
    const char *colon = memchr(word, ':', len), *end = word + len;
    if (!colon || colon == word || colon - word >= NAME || nrules == RULES)
        return false;
    for (unsigned i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        size_t n = strlen(kinds[i].name);
        const char *number = colon + 1 + n;
        if (number >= end || memcmp(colon + 1, kinds[i].name, n) != 0)
            continue;
        struct rule rule = {.when = kinds[i].when};
        memcpy(rule.point, word, (size_t)(colon - word));
        for (; number < end; number++) {
            if (*number < '0' || *number > '9' || rule.n > UINT32_MAX)
                return false;
            rule.n = rule.n * 10 + (uint64_t)(*number - '0');
        }
        if (rule.n == 0)
            return false;
        rules[nrules++] = rule;
        return true;
    }
    return false;
}

static bool parse(const char *text) {
    bool understood = true;
    nrules = 0;
    trace = false;
    while (text && *text) {
        size_t len = strcspn(text, ",");
        if (len > 0 && !parse_word(text, len)) {
            notice("ODONATA_FAULT: not understood: %.*s", (int)len, text);
            understood = false;
        }
        text += len;
        text += *text == ',';
    }
    if (!understood)
        nrules = 0;
    a32_store_release(&ready, 1); /* release: whoever sees it sees the rules */
    return understood;
}

static void begin(void) {
    while (!a32_cas_acquire(&busy, 0, 1)) /* acquire: pairs with end */
        sched_yield();
}

static void end(void) {
    a32_store_release(&busy, 0); /* release: pairs with begin */
}

bool fault_set(const char *text) {
    begin();
    bool understood = parse(text);
    end();
    return understood;
}

bool fault_hit(const char *point) {
    if (a32_load_acquire(&ready) == 0) { /* acquire: pairs with the release in parse */
        begin();
        if (ready == 0)
            parse(getenv("ODONATA_FAULT"));
        end();
    }
    bool hit = false;
    for (uint32_t i = 0; i < nrules; i++) {
        struct rule *rule = &rules[i];
        if (strcmp(rule->point, point) != 0)
            continue;
        uint64_t call = a64_add(&rule->calls, 1) + 1; /* relaxed: a count, nothing hangs on it */
        bool now = rule->when == NTH ? call == rule->n
                                     : (rule->when == FROM ? call >= rule->n : call % rule->n == 0);
        if (now && trace)
            notice("fault: call %lu of %s fails", (unsigned long)call, point);
        hit |= now;
    }
    return hit;
}

#endif
