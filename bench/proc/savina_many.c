/* savina.h: the shapes in which many processes deal with one, or with each other. */
#include "savina.h"

enum { END = 1, ASK, PING, PONG, HUNGRY, DONE, EAT, DENIED, READ, WRITE, VALUE, COLOUR };

/* A tag of a kind and a number. */
static uint64_t tag_of(unsigned kind, uint64_t number) {
    return number << 8 | kind;
}

static unsigned kind_of(const struct mn_msg *m) {
    return m->tag & 0xff;
}

static uint64_t number_of(const struct mn_msg *m) {
    return m->tag >> 8;
}

static uint64_t as_number(const void *arg) {
    return (uint64_t)(uintptr_t)arg;
}

static void *as_argument(uint64_t n) {
    return (void *)(uintptr_t)n;
}

static mn_pid boss; /* who runs the rounds, the first green thread */

/* ---- chameneos: two that are in the mall exchange their colours, and both become the third one, or stay */

enum { CREATURES = 100, MEETINGS = 5000 };

static int creature(void *arg) {
    uint64_t colour = as_number(arg) % 3, met = 0;
    mn_pid mall = boss;
    for (;;) {
        post(mall, tag_of(COLOUR, colour));
        struct mn_msg m = next_message();
        if (kind_of(&m) == END) {
            post(mall, tag_of(DONE, met));
            return 0;
        }
        uint64_t other = number_of(&m);
        colour = other == colour ? colour : 3 - other - colour;
        met++;
    }
}

unsigned long chameneos(void) {
    boss = mn_pid_self();
    for (uint64_t i = 0; i < CREATURES; i++)
        start(creature, as_argument(i));
    struct mn_msg waits = {0};
    for (int i = 0; i < MEETINGS;) {
        struct mn_msg m = next_message();
        if (!waits.from) {
            waits = m;
            continue;
        }
        post(waits.from, m.tag);
        post(m.from, waits.tag);
        waits.from = 0;
        i++;
    }
    uint64_t sum = 0, ended = 0;
    while (ended < CREATURES) {
        struct mn_msg m = next_message();
        if (kind_of(&m) == DONE) {
            sum += number_of(&m);
            ended++;
        } else {
            post(m.from, END);
        }
    }
    verify(sum == 2 * MEETINGS, "%lu creatures met in %d meetings", (unsigned long)sum, MEETINGS);
    return MEETINGS;
}

/* ---- big: each asks any other, and answers others while it waits */

enum { PEERS = 120, PINGS = 100 };

static mn_pid peers[PEERS];

static int peer(void *arg) {
    uint64_t x = as_number(arg), me = as_number(arg), answered = 0;
    struct mn_msg *begin; /* all are there; another's ping may come before it */
    must(mn_receive_match(&begin, &(struct mn_match){.fields = MN_MATCH_TAG, .tag = ASK}));
    mn_msg_free(begin);
    for (int i = 0; i <= PINGS; i++) {
        if (i < PINGS)
            post(peers[next_random(&x) % PEERS], tag_of(PING, me));
        else
            post(boss, DONE);
        for (;;) {
            struct mn_msg m = next_message();
            if (kind_of(&m) == PING) {
                post(m.from, tag_of(PONG, number_of(&m)));
                answered++;
                continue;
            }
            if (kind_of(&m) == END) {
                post(boss, tag_of(DONE, answered));
                return 0;
            }
            verify(kind_of(&m) == PONG && number_of(&m) == me, "another's answer");
            break;
        }
    }
    return 0;
}

unsigned long big(void) {
    boss = mn_pid_self();
    for (uint64_t i = 0; i < PEERS; i++)
        peers[i] = start(peer, as_argument(i));
    for (int i = 0; i < PEERS; i++)
        post(peers[i], ASK);
    for (int i = 0; i < PEERS; i++)
        take();
    uint64_t answered = 0;
    for (int i = 0; i < PEERS; i++)
        post(peers[i], END);
    for (int i = 0; i < PEERS; i++)
        answered += take() >> 8;
    verify(answered == PEERS * PINGS, "%lu pings were answered", (unsigned long)answered);
    return PEERS * PINGS;
}

/* ---- concurrent dictionary */

enum { WORKERS = 20, OPERATIONS = 500, KEYS = 512 };

static int keeper(void *arg) {
    (void)arg;
    uint64_t values[KEYS] = {0};
    for (;;) {
        struct mn_msg m = next_message();
        uint64_t number = number_of(&m), key = number % KEYS;
        if (kind_of(&m) == END)
            return 0;
        if (kind_of(&m) == WRITE)
            values[key] = number;
        post(m.from, tag_of(VALUE, values[key]));
    }
}

static int worker(void *arg) {
    mn_pid keeps = as_number(arg);
    uint64_t x = mn_pid_self();
    for (uint64_t i = 0; i < OPERATIONS; i++) {
        uint64_t key = next_random(&x) % KEYS, value = (i + 1) * KEYS + key;
        int write = i % 10 == 9;
        post(keeps, write ? tag_of(WRITE, value) : tag_of(READ, key));
        struct mn_msg m = next_message();
        verify(kind_of(&m) == VALUE &&
                   (write ? number_of(&m) == value : !number_of(&m) || number_of(&m) % KEYS == key),
               "another value");
    }
    post(boss, DONE);
    return 0;
}

unsigned long dictionary(void) {
    boss = mn_pid_self();
    mn_pid keeps = start(keeper, NULL);
    for (int i = 0; i < WORKERS; i++)
        start(worker, as_argument(keeps));
    for (int i = 0; i < WORKERS; i++)
        take();
    post(keeps, END);
    return WORKERS * OPERATIONS;
}

/* ---- dining philosophers: who is refused asks again */

enum { TABLE = 20, MEALS = 200 };

static int philosopher(void *arg) {
    uint64_t me = as_number(arg);
    for (int i = 0; i < MEALS;) {
        post(boss, tag_of(HUNGRY, me));
        if (take() == DENIED)
            continue;
        post(boss, tag_of(DONE, me));
        i++;
    }
    post(boss, END);
    return 0;
}

unsigned long philosophers(void) {
    int taken[TABLE] = {0}, left = TABLE;
    unsigned long meals = 0;
    boss = mn_pid_self();
    for (uint64_t i = 0; i < TABLE; i++)
        start(philosopher, as_argument(i));
    while (left > 0) {
        struct mn_msg m = next_message();
        uint64_t one = number_of(&m), other = (one + 1) % TABLE;
        switch (kind_of(&m)) {
        case HUNGRY:
            if (taken[one] || taken[other]) {
                post(m.from, DENIED);
                break;
            }
            taken[one] = taken[other] = 1;
            post(m.from, EAT);
            break;
        case DONE:
            verify(taken[one] && taken[other], "forks were not taken");
            taken[one] = taken[other] = 0;
            meals++;
            break;
        default:
            left--;
        }
    }
    verify(meals == TABLE * MEALS, "%lu meals", meals);
    return meals;
}
