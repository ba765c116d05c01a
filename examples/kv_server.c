/*
 * kv_server: a key-value server in which each session is a process, and any process may be killed.
 *
 *     kv_server [-p PORT] [-n SESSIONS] [-k KILLS] [-j JOURNAL]
 *
 *     PUT session key value  ->  OK, or AGAIN          session: 0 up to SESSIONS - 1 (a million)
 *     GET session key        ->  VALUE value, NONE, or AGAIN
 *     STATUS                 ->  how many sessions are alive, and how many kills there were
 *
 * -k: the server kills so many of its own processes a second, at random.  What was answered with OK is not lost
 * by that:
 *
 *     top (one for one)
 *      |- store          a process with a thread; owns the journal, and knows where each session's last record is
 *      |- sessions       a dynamic supervisor
 *      |   |- session    a handler of a few hundred bytes; keeps its pairs in memory of its own
 *      |   :
 *      '- killer
 *
 * A session writes to the journal, by a call to the store, before it changes its pairs and answers.  One that
 * was killed is started again without pairs, and reads them from the journal when it is asked for something.  A
 * store that was killed is started again and reads the journal.  A call that ends because its callee ended is
 * tried again.
 */
#include <fcntl.h>
#include <stdatomic.h>
#include <unistd.h>

#include "net.h"

enum { KEY = 32, VALUE = 88, APPEND = 1, LOAD, PUT, GET, TRIES = 50, TRY_NS = 2000000, CHUNK = 256 };

struct pair {
    char key[KEY], value[VALUE];
};

/* The journal: records of one size, each with the place of the session's record before it. */
struct record {
    uint32_t sum, session;
    int64_t before; /* -1: none */
    struct pair pair;
};

static uint32_t nsessions = 1000000;
static unsigned kills_a_second;
static const char *journal = "kv.journal";
static _Atomic mn_pid *sessions;
static atomic_uint kills, alive;

/* ---- the store */

static uint32_t sum_of(const struct record *r) {
    const unsigned char *bytes = (const unsigned char *)r;
    uint32_t h = 2166136261u; /* FNV-1a */
    for (size_t i = sizeof r->sum; i < sizeof *r; i++)
        h = (h ^ bytes[i]) * 16777619u;
    return h;
}

struct store {
    int fd;
    int64_t end;   /* of the journal */
    int64_t *last; /* of each session: where its last record is */
};

/* Reads the whole journal; what a crash left half-written at its end is cut off. */
static int replay(struct store *s) {
    struct record chunk[CHUNK];
    for (;;) {
        ssize_t n = mn_pread(s->fd, chunk, sizeof chunk, s->end);
        if (n < 0)
            return (int)n;
        for (size_t i = 0; (i + 1) * sizeof *chunk <= (size_t)n; i++, s->end += sizeof *chunk) {
            if (chunk[i].sum != sum_of(&chunk[i]))
                return ftruncate(s->fd, s->end);
            if (chunk[i].session < nsessions) /* others stay, for a server that has more */
                s->last[chunk[i].session] = s->end;
        }
        if ((size_t)n < sizeof chunk)
            return ftruncate(s->fd, s->end);
    }
}

static int append(struct store *s, struct record *r) {
    r->before = s->last[r->session];
    r->sum = sum_of(r);
    ssize_t n = mn_pwrite(s->fd, r, sizeof *r, s->end);
    if (n != (ssize_t)sizeof *r)
        return n < 0 ? (int)n : -ENOSPC;
    s->last[r->session] = s->end;
    s->end += sizeof *r;
    return 0;
}

/* Answers with all records of a session, the newest first. */
static int load(const struct store *s, const struct mn_msg *call) {
    uint32_t session = *(const uint32_t *)call->data;
    size_t n = 0, room = 0;
    struct pair *pairs = NULL;
    for (int64_t at = s->last[session]; at >= 0;) {
        struct record r;
        if (n == room) {
            struct pair *more = mn_alloc((room = 2 * room + 8) * sizeof *pairs);
            if (!more)
                return -ENOMEM;
            if (n)
                memcpy(more, pairs, n * sizeof *pairs);
            mn_free(pairs);
            pairs = more;
        }
        ssize_t got = mn_pread(s->fd, &r, sizeof r, at);
        if (got != (ssize_t)sizeof r)
            return got < 0 ? (int)got : -EIO;
        pairs[n++] = r.pair;
        at = r.before;
    }
    mn_reply(call, 0, pairs, n * sizeof *pairs);
    mn_free(pairs);
    return 1;
}

static int store_main(void *arg) {
    (void)arg;
    struct store s = {.last = mn_alloc(nsessions * sizeof(int64_t))};
    if (!s.last)
        return -ENOMEM;
    memset(s.last, -1, nsessions * sizeof(int64_t));
    s.fd = mn_open(journal, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (s.fd < 0 || mn_own_fd(s.fd) < 0)
        return s.fd < 0 ? s.fd : -ENOMEM;
    int r = replay(&s);
    if (r < 0 || (r = mn_register("store", mn_pid_self())) < 0)
        return r;
    for (;;) {
        struct mn_msg *m;
        if ((r = mn_receive(&m)) < 0)
            return r;
        if (m->tag == APPEND) {
            struct record record = *(const struct record *)m->data;
            r = append(&s, &record);
        } else if (m->tag == LOAD) {
            r = load(&s, m);
        }
        if (r <= 0)
            mn_reply(m, (uint64_t)(int64_t)r, NULL, 0);
        mn_msg_free(m);
    }
}

/* Until there is a store that answers. */
static int ask_store(uint64_t tag, const void *data, size_t size, struct mn_msg **reply) {
    int r = -ESRCH;
    for (int i = 0; i < TRIES; i++) {
        r = mn_call_name("store", tag, data, size, reply, SECONDS(5));
        if (r != -ENOENT && r != -ESRCH && r != -ECONNRESET)
            break;
        mn_sleep(TRY_NS);
    }
    return r < 0 ? r : (int)(int64_t)(*reply)->tag;
}

/* ---- sessions */

struct known {
    struct known *next;
    struct pair pair;
};
struct session {
    uint32_t id;
    bool loaded;
    struct known *pairs; /* by mn_alloc: gone when the process ends */
};

static struct known *find(struct session *s, const char *key) {
    struct known *k = s->pairs;
    while (k && strcmp(k->pair.key, key) != 0)
        k = k->next;
    return k;
}

static int set(struct session *s, const struct pair *pair) {
    struct known *k = find(s, pair->key);
    if (!k) {
        if (!(k = mn_alloc(sizeof *k)))
            return -ENOMEM;
        k->next = s->pairs;
        s->pairs = k;
    }
    k->pair = *pair;
    return 0;
}

static int load_session(struct session *s) {
    struct mn_msg *reply = NULL;
    int r = ask_store(LOAD, &s->id, sizeof s->id, &reply);
    const struct pair *pairs = reply ? reply->data : NULL;
    for (size_t n = reply ? reply->size / sizeof *pairs : 0; r >= 0 && n > 0; n--)
        r = set(s, &pairs[n - 1]);
    mn_msg_free(reply);
    s->loaded = r >= 0;
    return r;
}

static int put(struct session *s, const struct pair *pair) {
    struct record record = {.session = s->id, .pair = *pair};
    struct mn_msg *reply = NULL;
    int r = ask_store(APPEND, &record, sizeof record, &reply);
    mn_msg_free(reply);
    return r < 0 ? r : set(s, pair);
}

static int session_init(void *state) {
    const struct session *s = state;
    sessions[s->id] = mn_pid_self();
    alive++;
    return MN_GO_ON;
}

/* A session whose memory and journal may differ ends: the next one reads the journal. */
static int session_call(void *state, struct mn_msg *m) {
    struct session *s = state;
    const struct pair *pair = m->data;
    if (!s->loaded && load_session(s) < 0)
        return -EIO;
    if (m->tag == PUT) {
        int r = put(s, pair);
        if (r < 0)
            return r;
        mn_reply(m, PUT, NULL, 0);
    } else {
        const struct known *k = find(s, pair->key);
        mn_reply(m, GET, k ? k->pair.value : NULL, k ? VALUE : 0);
    }
    return MN_GO_ON;
}

static const struct mn_handler session_handler = {
    .name = "session", .state_size = sizeof(struct session), .init = session_init, .handle_call = session_call};

/* ---- kills */

static int killer(void *arg) {
    (void)arg;
    unsigned seed = 1;
    for (;;) {
        int r = mn_sleep(1000000000ll / kills_a_second);
        if (r < 0)
            return r;
        seed = seed * 1103515245 + 12345;
        mn_pid victim = (seed >> 16) % 20 == 0 ? mn_whereis("store") : sessions[(seed >> 8) % nsessions];
        if (victim && mn_exit_signal(victim, MN_REASON_KILL) == 0)
            kills++;
    }
}

/* ---- connections */

static int ask_session(uint32_t id, uint64_t tag, const struct pair *pair, struct mn_msg **reply) {
    int r = -ESRCH;
    for (int i = 0; i < TRIES; i++) {
        r = mn_call_until(sessions[id], tag, pair, sizeof *pair, reply, SECONDS(10));
        if (r != -ESRCH && r != -ECONNRESET)
            break;
        mn_sleep(TRY_NS);
    }
    return r;
}

static int answer(const char *line, char *out, size_t size) {
    struct pair pair = {.key = ""};
    struct mn_msg *reply = NULL;
    unsigned long id; /* what is too large for it is its largest */
    int middle = 0, end = 0, n;
    if (strcmp(line, "STATUS") == 0)
        return snprintf(out, size, "STARTED %u KILLS %u\n", alive, kills);
    if (sscanf(line, "PUT %lu %31s%n %87[^\n]%n", &id, pair.key, &middle, pair.value, &end) == 3 &&
        line[middle] == ' ' && !line[end] && id < nsessions) {
        n = ask_session((uint32_t)id, PUT, &pair, &reply) < 0 ? snprintf(out, size, "AGAIN\n")
                                                    : snprintf(out, size, "OK\n");
    } else if (sscanf(line, "GET %lu %31s%n", &id, pair.key, &end) == 2 && !line[end] && id < nsessions) {
        if (ask_session((uint32_t)id, GET, &pair, &reply) < 0)
            n = snprintf(out, size, "AGAIN\n");
        else if (reply->size == 0)
            n = snprintf(out, size, "NONE\n");
        else
            n = snprintf(out, size, "VALUE %s\n", (const char *)reply->data);
    } else {
        n = snprintf(out, size, "ERROR\n");
    }
    mn_msg_free(reply);
    return n;
}

static void *connection(void *arg) {
    int fd = (int)(intptr_t)arg;
    char in[512], out[128];
    size_t used = 0;
    ssize_t got;
    while ((got = mn_read(fd, in + used, sizeof in - 1 - used)) > 0) {
        char *line = in, *end;
        used += (size_t)got;
        in[used] = '\0';
        for (; (end = memchr(line, '\n', (size_t)(in + used - line))); line = end + 1) {
            *end = '\0';
            int n = answer(line, out, sizeof out);
            if (mn_write_all(fd, out, (size_t)n) != n)
                goto out;
        }
        used -= (size_t)(line - in);
        memmove(in, line, used);
        if (used == sizeof in - 1)
            break; /* no command is that long */
    }
out:
    mn_close(fd);
    return NULL;
}

/* ---- the tree */

static int run(void *arg) {
    static const struct mn_sup dynamic = {
        .name = "sessions", .strategy = MN_DYNAMIC, .intensity = 1000000, .period = 1000000000};
    struct mn_child children[] = {
        {.id = "store", .fn = store_main}, {.id = "sessions", .sup = &dynamic}, {.id = "killer", .fn = killer}};
    struct mn_child_info info[2];
    mn_pid top;
    mn_close(check(mn_open(journal, O_RDWR | O_CREAT | O_CLOEXEC, 0600), journal)); /* no store can without */
    if (!(sessions = calloc(nsessions, sizeof *sessions)))
        return check(-ENOMEM, "sessions");
    check(mn_sup_start(&top, &(struct mn_sup){.name = "top",
                                              .intensity = 100000,
                                              .period = 1000000000,
                                              .children = children,
                                              .nchildren = kills_a_second ? 3 : 2}),
          "start");
    check((int)mn_sup_children(top, info, 2), "children");
    for (uint32_t i = 0; i < nsessions; i++) {
        struct session state = {.id = i};
        struct mn_child session = {.handler = &session_handler, .init = &state, .init_size = sizeof state};
        check(mn_sup_start_child(info[1].pid, &session, NULL), "session");
    }
    int listener = check(listen_on(NULL, arg), "listen");
    return check(serve(listener, connection), "accept");
}

int main(int argc, char **argv) {
    const char *port = "7002";
    for (int o; (o = getopt(argc, argv, "p:n:k:j:")) != -1;) {
        switch (o) {
        case 'p': port = optarg; break;
        case 'n': nsessions = (uint32_t)strtoul(optarg, NULL, 10); break;
        case 'k': kills_a_second = (unsigned)strtoul(optarg, NULL, 10); break;
        case 'j': journal = optarg; break;
        default: nsessions = 0;
        }
    }
    if (nsessions == 0 || optind < argc) {
        fprintf(stderr, "usage: kv_server [-p PORT] [-n SESSIONS] [-k KILLS] [-j JOURNAL]\n");
        return 2;
    }
    return check(mn_run(run, (void *)(uintptr_t)port, NULL), "mn_run");
}
