/* Look-ups that take long: the resolver is a function of this program, which waits until it is let go. */
#include <mn/resolve.h>
#include <stdatomic.h>

#include "procfs.h"
#include "sync.h"

static int held, inside, answers;

/* The library's call comes here: a program's functions are found first. */
__attribute__((visibility("default"))) int getaddrinfo(const char *host, const char *service,
                                                       const struct addrinfo *hints, struct addrinfo **list) {
    (void)service;
    (void)hints;
    add(&inside, 1);
    while (get(&held))
        usleep(200);
    add(&inside, -1);
    if (!strcmp(host, "lost.example"))
        return EAI_AGAIN;
    *list = calloc(1, sizeof **list);
    (*list)->ai_flags = (int)strlen(host);
    add(&answers, 1);
    return 0;
}

static int freed;
__attribute__((visibility("default"))) void freeaddrinfo(struct addrinfo *list) {
    add(&freed, 1);
    free(list);
}

static int results[8];

static void *asks(void *arg) {
    int i = (int)(intptr_t)arg;
    char name[] = "some.example";
    struct addrinfo *list;
    int r = mn_getaddrinfo_until(name, NULL, NULL, &list, i & 1 ? after_ms(10) : MN_FOREVER);
    memset(name, 'x', sizeof name); /* a look-up that goes on has copies */
    if (r == 0 && list->ai_flags != (int)sizeof name - 1)
        r = 77;
    if (r == 0)
        freeaddrinfo(list);
    set(&results[i], r);
    return NULL;
}

static int slow(void *arg) {
    (void)arg;
    mn_thread t[8];
    set(&held, 1);
    for (intptr_t i = 0; i < 8; i++)
        mn_go(&t[i], asks, (void *)i);
    until(&inside, 4);
    for (int i = 1; i < 8; i += 2)
        mn_join(t[i], NULL);
    ok(results[1] == -ETIMEDOUT && results[3] == -ETIMEDOUT && results[5] == -ETIMEDOUT &&
           results[7] == -ETIMEDOUT,
       "those with a deadline go on");
    is(get(&inside), 4, "no more at a time than there may be LWPs");
    mn_cancel(t[0]);
    mn_join(t[0], NULL);
    is(results[0], -ECANCELED, "so do those that are cancelled");
    set(&held, 0);
    for (int i = 2; i < 8; i += 2)
        mn_join(t[i], NULL);
    ok(results[2] == 0 && results[4] == 0 && results[6] == 0, "the others get their answers");
    struct addrinfo *list;
    is(mn_getaddrinfo("lost.example", NULL, NULL, &list), -EAGAIN, "no answer");
    return 0;
}

static void *asks_for_long(void *arg) {
    *(int *)arg = 0;
    struct addrinfo *list;
    *(int *)arg = mn_getaddrinfo("far.example", NULL, NULL, &list);
    return NULL;
}

static int left_behind;
static int leaves(void *arg) {
    set(&held, 1);
    /* It is cancelled when the runtime ends. */
    mn_go(NULL, asks_for_long, &left_behind);
    until(&inside, *(int *)arg);
    return 0;
}

/* ---- deadlines and cancellations against answers */

static int wrong;

static void *hurries(void *arg) {
    uint32_t state = (uint32_t)(uintptr_t)arg * 2654435761u | 1;
    for (int i = 0; i < (int)(150 * scale()) + 1; i++) {
        struct addrinfo *list;
        int r = mn_getaddrinfo_until("some.example", NULL, NULL, &list, now() + random_next(&state) % 100000);
        if (r == 0)
            freeaddrinfo(list);
        else if (r == -ECANCELED)
            break;
        else if (r != -ETIMEDOUT)
            add(&wrong, 1);
    }
    return NULL;
}

static int stress(void *arg) {
    (void)arg;
    mn_thread t[16];
    for (intptr_t i = 0; i < 16; i++)
        mn_go(&t[i], hurries, (void *)(i + 1));
    nap_ms(20);
    for (int i = 0; i < 4; i++)
        mn_cancel(t[i]);
    for (int i = 0; i < 16; i++)
        mn_join(t[i], NULL);
    is(wrong, 0, "answers and deadlines at the same time");
    return 0;
}

int main(void) {
    const struct mn_config four = {.dns_lwps = 4};
    is(mn_run(slow, NULL, &four), 0, "slow");
    ok(settles_at(count_lwps, 1), "no LWP is left");
    is(get(&freed), get(&answers), "each answer is released");
    for (int i = 0; i < 3; i++) {
        int n = i + 1;
        is(mn_run(leaves, &n, &four), 0, "the runtime ends before a look-up does");
        is(left_behind, -ECANCELED, "whose thread was cancelled");
        is(get(&inside), i + 1, "and which goes on");
    }
    is(mn_run(stress, NULL, &four), 0, "a runtime beside them");
    set(&held, 0);
    ok(settles_at(count_lwps, 1), "the LWPs end with their look-ups");
    is(get(&freed), get(&answers), "each answer is released");
    is(mn_run(stress, NULL, &four), 0, "stress");
    ok(settles_at(count_lwps, 1), "no LWP is left");
    is(get(&freed), get(&answers), "each answer is released");
    return done();
}
