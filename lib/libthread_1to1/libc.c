/* What is known of the libc's inside: libc.h. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "libc.h"

#include <dlfcn.h>
#include <errno.h>
#include <gnu/libc-version.h>
#include <link.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "atomic.h"
#include "fault.h"
#include "sys.h"
#include "thr.h"
#include "umtx.h"

struct libc_abi libc_abi;

/*
 * Offsets that the libc does not export, per version and architecture.  A row is used only when the version
 * string, the size of struct pthread and every exported offset agree with it.
 */
struct known_libc {
    const char *version;
    uint32_t size, list, tid, cancelhandling, start_routine; /* exported: must agree */
    uint32_t stack_user;                                     /* exported: in _rtld_global */
    uint32_t stack_lock, stack_flags;                        /* in _rtld_global */
    struct libc_abi rest;
};

static const struct known_libc known[] = {
#if defined(__x86_64__)
    {
        .version = "2.36",
        .size = 2368,
        .list = 704,
        .tid = 720,
        .cancelhandling = 776,
        .start_routine = 1592,
        .stack_user = 0x10b8,
        .stack_lock = 0x10e8,
        .stack_flags = 0x1060,
        .rest = {.robust_head = 736,
                 .cleanup_jmp_buf = 768,
                 .flags = 780,
                 .report_events = 1553,
                 .user_stack = 1554,
                 .setxid_futex = 1564,
                 .joinid = 1568,
                 .result = 1576,
                 .arg = 1600,
                 .stackblock = 1680,
                 .stackblock_size = 1688,
                 .guardsize = 1696,
                 .sigmask = 2288,
                 .strsignal_buf = 2304,
                 .strerror_buf = 2312,
                 .flag_rseq = 0x80},
    },
#endif
    {.version = NULL},
};

/*
 * Not by a handle from dlopen(): our constructor comes before the libc's, and a dlopen there would run the
 * libc's constructor with no environment.  The libc comes after us in every search order in which we do our
 * work.
 */
void *libc_symbol(const char *name) {
    return dlsym(RTLD_NEXT, name);
}

/* The descriptor of a field, for debuggers: { bits, elements, offset }. */
static uint32_t exported_offset(const char *name) {
    const uint32_t *d = libc_symbol(name);
    return d ? d[2] : 0;
}

static const struct known_libc *find_known(void) {
    const uint32_t *size = libc_symbol("_thread_db_sizeof_pthread");
    for (const struct known_libc *k = known; size && k->version; k++) {
        const char *rest = text_after(gnu_get_libc_version(), k->version);
        if (rest && *rest == 0 && k->size == *size &&
            k->list == exported_offset("_thread_db_pthread_list") &&
            k->tid == exported_offset("_thread_db_pthread_tid") &&
            k->cancelhandling == exported_offset("_thread_db_pthread_cancelhandling") &&
            k->start_routine == exported_offset("_thread_db_pthread_start_routine") &&
            k->stack_user == exported_offset("_thread_db_rtld_global__dl_stack_user"))
            return k;
    }
    return NULL;
}

static const struct known_libc *table_row;

/* From the pthread_t to the word that holds a thread's kernel id, tried on this one's; 0: not known. */
static intptr_t find_tid(void) {
    const uint32_t *size = libc_symbol("_thread_db_sizeof_pthread");
    uint32_t offset = exported_offset("_thread_db_pthread_tid");
    if (!size || offset == 0 || offset % 4 != 0 || offset >= *size || !thr_feature("libcabi"))
        return 0;
    return tcb_word(offset) == (uint32_t)sys(SYS_gettid) ? offset : 0;
}

static void (*call_tls_dtors)(void); /* NULL: the libc has no such symbol */

/* The section's bounds, from the linker. */
extern struct libc_ref __start_thr_libc_refs[] __attribute__((visibility("hidden")));
extern struct libc_ref __stop_thr_libc_refs[] __attribute__((visibility("hidden")));

void libc_init(void) {
    for (struct libc_ref *r = __start_thr_libc_refs; r < __stop_thr_libc_refs; r++)
        r->address = libc_symbol(r->name);
    call_tls_dtors = (void (*)(void))libc_symbol("__call_tls_dtors");
    tcb_init((uintptr_t)libc_real(pthread_self)());
    thr_tid_offset = find_tid();
    table_row = find_known();
    if (table_row)
        libc_abi.cancelhandling = table_row->cancelhandling;
}

/* ---- TLS blocks */

static void *static_tls(const struct libc_abi *abi, const void *address) {
    struct dl_find_object found;
    if (_dl_find_object((void *)(uintptr_t)address, &found) != 0)
        return NULL;
    intptr_t offset = *(const intptr_t *)((const char *)found.dlfo_link_map + abi->map_tls_offset);
    if (offset == 0 || offset == -1) /* no TLS yet; or dynamic for ever */
        return NULL;
    return (void *)tcb_static_tls(tcb_self(), offset);
}

void *libc_static_tls(const void *address) {
    return static_tls(&libc_abi, address);
}

/* ---- the primer: a thread that the libc made, in which everything is verified */

enum { PRIMER_RESULT = 0x0d0a7a };

struct primer {
    struct libc_abi abi; /* the candidate */
    const char *why;
    sigset_t mask; /* that the creator had */
    void *stack;
    size_t stack_size;
    uintptr_t tcb;
    uint32_t nthreads_before;
};

/*
 * The start of the function that `pc` lies in, from the table that unwinders search: .eh_frame_hdr, sorted by
 * address (Linux Standard Base, "DWARF extensions").  Loading an unwinder to ask it would cost every threaded
 * program 0.2 ms.  0: not found, or not in the encoding that linkers write.
 */
static uintptr_t function_of(uintptr_t pc) {
    enum { PCREL_SDATA4 = 0x1b, UDATA4 = 0x03, DATAREL_SDATA4 = 0x3b };
    struct dl_find_object found;
    if (_dl_find_object((void *)pc, &found) != 0 || !found.dlfo_eh_frame)
        return 0;
    const uint8_t *header = found.dlfo_eh_frame;
    if (header[0] != 1 || header[1] != PCREL_SDATA4 || header[2] != UDATA4 || header[3] != DATAREL_SDATA4)
        return 0;
    uint32_t count = *(const uint32_t *)(const void *)(header + 8), low = 0;
    /* { function, its unwind data }. */
    const int32_t(*table)[2] = (const int32_t(*)[2])(const void *)(header + 12);
    while (count > 1) {
        uint32_t half = count / 2;
        if ((uintptr_t)header + (uintptr_t)(intptr_t)table[low + half][0] <= pc) {
            low += half;
            count -= half;
        } else {
            count = half;
        }
    }
    return count ? (uintptr_t)header + (uintptr_t)(intptr_t)table[low][0] : 0;
}

/* By the creator, never in the primer: it takes the loader's lock, which a constructor's caller holds. */
static bool in_libc(void (*function)(void *)) {
    Dl_info at, libc;
    return dladdr((void *)(uintptr_t)function, &at) &&
           dladdr((void *)(uintptr_t)libc_real(pthread_join), &libc) && at.dli_fbase == libc.dli_fbase;
}

#define FIELD(type, name) (*(type *)(p->tcb + p->abi.name))
#define CHECK(cond)                                                                                          \
    do {                                                                                                     \
        if (!(cond)) {                                                                                       \
            p->why = #cond;                                                                                  \
            return (void *)PRIMER_RESULT;                                                                    \
        }                                                                                                    \
    } while (0)

static bool on_list(const struct libc_list *head, const struct libc_list *what) {
    const struct libc_list *l = head->next;
    for (int i = 0; l && l != head && i < 1 << 20; i++, l = l->next)
        if (l == what)
            return true;
    return false;
}

/* The words at robust_head: the kernel's struct robust_list_head, behind the libc's pointer to the last
 * mutex. */
enum { ROBUST_LAST = -1, ROBUST_FIRST, ROBUST_OFFSET, ROBUST_PENDING };
enum { ROBUST_WORD = -32 }; /* from a mutex's list node to its lock word */

static void *__attribute__((noinline)) primer_main(void *arg) {
    struct primer *p = arg;
    uintptr_t local = (uintptr_t)&p;
    p->tcb = (uintptr_t)libc_real(pthread_self)();
    if (p->why) /* not even a candidate: the thread was only made for its side effects */
        return (void *)PRIMER_RESULT;
    CHECK(p->tcb == tcb_self());
    CHECK(FIELD(uint32_t, tid) == (uint32_t)sys(SYS_gettid));
    CHECK(FIELD(void *, start_routine) == (void *)primer_main);
    CHECK(FIELD(void *, arg) == arg);
    CHECK(FIELD(void *, stackblock) == p->stack);
    CHECK(FIELD(size_t, stackblock_size) == p->stack_size);
    CHECK(FIELD(uint8_t, user_stack) == 1);
    CHECK(FIELD(void *, joinid) == NULL);
    CHECK(FIELD(uint32_t, setxid_futex) == 0); /* -1 until the libc's start function has run */
    CHECK(memcmp(&FIELD(char, sigmask), &p->mask, sizeof(uint64_t)) == 0);
    CHECK(FIELD(uintptr_t, cleanup_jmp_buf) > local && FIELD(uintptr_t, cleanup_jmp_buf) < p->tcb);
    const uintptr_t *robust = &FIELD(uintptr_t, robust_head);
    CHECK(robust[ROBUST_LAST] == (uintptr_t)robust && robust[ROBUST_FIRST] == (uintptr_t)robust); /* empty */
    CHECK((long)robust[ROBUST_OFFSET] == ROBUST_WORD && robust[ROBUST_PENDING] == 0);
    CHECK(FIELD(void *, strerror_buf) == NULL && FIELD(void *, strsignal_buf) == NULL);
    int old;
    uint32_t before = FIELD(uint32_t, cancelhandling);
    libc_real(pthread_setcancelstate)(PTHREAD_CANCEL_DISABLE, &old);
    CHECK(before == 0 && FIELD(uint32_t, cancelhandling) == 1);
    libc_real(pthread_setcancelstate)(PTHREAD_CANCEL_ENABLE, &old);
    libc_real(pthread_setcanceltype)(PTHREAD_CANCEL_ASYNCHRONOUS, &old);
    CHECK(FIELD(uint32_t, cancelhandling) == 2);
    libc_real(pthread_setcanceltype)(PTHREAD_CANCEL_DEFERRED, &old);
    uintptr_t mine = (uintptr_t)static_tls(&p->abi, &libc_abi);
    CHECK(mine != 0 && mine <= (uintptr_t)&thr_tls && (uintptr_t)&thr_tls - mine < 65536);
    CHECK(*p->abi.nthreads == p->nthreads_before + 1);
    CHECK(*p->abi.stack_lock <= 2);
    CHECK(on_list(p->abi.stack_user, &FIELD(struct libc_list, list)));
    CHECK(p->abi.tls_size >= p->abi.size && p->abi.tls_size < 1 << 20 && p->abi.tls_align >= 16);
    p->abi.rseq_flags = FIELD(uint32_t, flags) & p->abi.flag_rseq;
    /* It called us: what lies before the address that we return to is in it. */
    uintptr_t pc = (uintptr_t)__builtin_return_address(0), entry = function_of(pc - 1);
    CHECK(entry != 0 && pc - entry <= 4096);
    p->abi.start_thread = (void (*)(void *))entry;
    return (void *)PRIMER_RESULT;
}

static int object_wants_exec(struct dl_phdr_info *info, size_t size, void *arg) {
    (void)size;
    bool said = false;
    for (int i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_GNU_STACK) {
            said = true;
            if (info->dlpi_phdr[i].p_flags & PF_X)
                *(int *)arg = 1;
        }
    bool vdso = info->dlpi_name[0] != 0 && strncmp(info->dlpi_name, "linux-vdso", 10) == 0;
    if (!said && !vdso)
        *(int *)arg = 1;
    return 0;
}

/* The loader's word on stacks may say more than the objects that are loaded now: one may have been closed. */
static bool stack_flags_agree(uint32_t flags) {
    int exec = 0;
    dl_iterate_phdr(object_wants_exec, &exec);
    return (flags & ~(uint32_t)PF_X) == (PF_R | PF_W) && (!exec || flags & PF_X);
}

bool libc_stacks_executable(void) {
    /* Relaxed: the program orders dlopen against creation. */
    return (a32_load(libc_abi.stack_flags) & PF_X) != 0;
}

static const char *candidate(struct libc_abi *abi) {
    if (!table_row)
        return "this version of the libc is not in the table";
    if (!thr_feature("libcabi"))
        return "ODONATA_DISABLE";
    if (!thr_tid_offset)
        return "the place of a thread's id";
    *abi = table_row->rest;
    abi->size = table_row->size;
    abi->list = table_row->list;
    abi->tid = table_row->tid;
    abi->cancelhandling = table_row->cancelhandling;
    abi->start_routine = table_row->start_routine;
    char *rtld = libc_symbol("_rtld_global");
    if (!rtld) /* defined by the loader; the libc's scope reaches it */
        return "_rtld_global is not to be found";
    abi->stack_lock = (uint32_t *)(rtld + table_row->stack_lock);
    abi->stack_flags = (const uint32_t *)(rtld + table_row->stack_flags);
    if (!stack_flags_agree(*abi->stack_flags))
        return "the place of the loader's word on stacks";
    abi->stack_user = (struct libc_list *)(rtld + table_row->stack_user);
    abi->map_tls_offset = exported_offset("_thread_db_link_map_l_tls_offset");
    abi->nthreads = libc_symbol("__nptl_nthreads");
    abi->allocate_tls = (void *(*)(void *))libc_symbol("_dl_allocate_tls");
    abi->deallocate_tls = (void (*)(void *, bool))libc_symbol("_dl_deallocate_tls");
    void (*static_info)(size_t *, size_t *) =
        (void (*)(size_t *, size_t *))libc_symbol("_dl_get_tls_static_info");
    if (!abi->map_tls_offset || !abi->nthreads || !abi->allocate_tls || !abi->deallocate_tls || !static_info)
        return "a private symbol of the libc is missing";
    static_info(&abi->tls_size, &abi->tls_align);
    return NULL;
}

int libc_prime(void) {
    struct primer p = {.why = NULL};
    p.why = candidate(&p.abi);
    if (p.why == NULL)
        p.nthreads_before = a32_load(p.abi.nthreads); /* relaxed: no other thread exists yet */
    p.stack_size = (size_t)256 * 1024 + ((p.abi.tls_size + 65535) & ~(size_t)65535);
    p.stack = fault("mmap") ? MAP_FAILED
                            : mmap(NULL, p.stack_size, PROT_READ | PROT_WRITE,
                                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (p.stack == MAP_FAILED)
        return -EAGAIN;

    pthread_attr_t attr;
    int err = libc_real(pthread_attr_init)(&attr);
    if (err == 0)
        err = libc_real(pthread_attr_setstack)(&attr, p.stack, p.stack_size);
    /* A mask with a pattern in it, so that the saved mask can be recognised; and no handler runs in the
     * primer. */
    sigset_t block, old;
    sigfillset(&block);
    sigdelset(&block, SIGURG);
    sys(SYS_rt_sigprocmask, SIG_SETMASK, &block, &old, sizeof(uint64_t));
    sys(SYS_rt_sigprocmask, SIG_SETMASK, NULL, &p.mask, sizeof(uint64_t));
    pthread_t t;
    if (err == 0)
        err = libc_real(pthread_create)(&t, &attr, primer_main, &p);
    void *result = NULL;
    if (err == 0)
        err = libc_real(pthread_join)(t, &result);
    sys(SYS_rt_sigprocmask, SIG_SETMASK, &old, NULL, sizeof(uint64_t));
    libc_real(pthread_attr_destroy)(&attr);
    if (err == 0 && p.why == NULL) {
        /* The thread is gone, its struct pthread is in our memory still. */
        if (*(void **)(p.tcb + p.abi.result) != (void *)PRIMER_RESULT || result != (void *)PRIMER_RESULT)
            p.why = "the result's place";
        else if (a32_load(p.abi.nthreads) != p.nthreads_before) /* relaxed: no other thread exists yet */
            p.why = "the count of threads after the join";
        else if (!in_libc(p.abi.start_thread))
            p.why = "the function that called the primer's is not the libc's";
    }
    munmap(p.stack, p.stack_size);
    if (err)
        return -err;
    if (p.why == NULL)
        p.abi.known = true;
    p.abi.why = p.why;
    if (!p.abi.known)
        p.abi.cancelhandling = 0;
    libc_abi = p.abi;
    return 0;
}

/* ---- its structures */

/* The libc's low-level lock, which its own code takes too: 0 free, 1 held, 2 held with waiters. */
static void stack_lock_take(void) {
    uint32_t *word = libc_abi.stack_lock;
    if (a32_cas_acquire(word, 0, 1)) /* acquire: pairs with the release of the libc's and our unlock */
        return;
    while (a32_swap_full(word, 2) != 0) /* as above */
        umtx_wait(word, 2, NULL, CLOCK_MONOTONIC, UMTX_PRIVATE);
}

static void stack_lock_drop(void) {
    if (a32_swap_full(libc_abi.stack_lock, 0) > 1) /* release: pairs with the next holder's acquire */
        umtx_wake(libc_abi.stack_lock, 1, UMTX_PRIVATE);
}

/*
 * Readers of the list hold the lock, except the debugger and a fork's child: fork.c keeps fork out of these.
 * The node is complete before it is linked, so a debugger that stops us in the middle sees a list.
 */
void libc_list_add(uintptr_t tcb) {
    struct libc_list *l = libc_field(tcb, struct libc_list, list), *head = libc_abi.stack_user;
    stack_lock_take();
    l->next = head->next;
    l->prev = head;
    fence_release();
    head->next->prev = l;
    head->next = l;
    stack_lock_drop();
}

void libc_robust_list_init(uintptr_t tcb) {
    uintptr_t *robust = libc_field(tcb, uintptr_t, robust_head);
    robust[ROBUST_LAST] = robust[ROBUST_FIRST] = (uintptr_t)robust;
    robust[ROBUST_OFFSET] = (uintptr_t)ROBUST_WORD;
    robust[ROBUST_PENDING] = 0;
}

void libc_thread_failed(uintptr_t tcb) {
    uint32_t *word = libc_field(tcb, uint32_t, setxid_futex);
    /* Full: as the libc's start function does in a thread that lives. */
    if (a32_swap_full(word, 0) == (uint32_t)-2)
        umtx_wake(word, 1, UMTX_PRIVATE);
    libc_list_remove(tcb);
    libc_count_down();
}

void libc_list_remove(uintptr_t tcb) {
    struct libc_list *l = libc_field(tcb, struct libc_list, list);
    stack_lock_take();
    l->next->prev = l->prev;
    l->prev->next = l->next;
    stack_lock_drop();
}

bool libc_count_up(void) {
    /* Full: as the libc's own; pairs with libc_count_down and the libc's. */
    return a32_add_full(libc_abi.nthreads, 1) != 0;
}

bool libc_count_down(void) {
    return a32_add_full(libc_abi.nthreads, (uint32_t)-1) == 1; /* full: all that the thread did is before */
}

void libc_run_tls_destructors(void) {
    /* Else the libc's start function runs them a little later, after our keys' destructors. */
    if (call_tls_dtors)
        call_tls_dtors();
}
