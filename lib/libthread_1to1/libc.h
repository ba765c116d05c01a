/*
 * libc: everything that this library knows about the inside of the libc, in one place.
 *
 * We live beside the libc, not instead of it: its malloc, stdio, dynamic loader and debugger interface must see
 * our threads as its own.  What that takes was found by experiment (doc/design/libc.md) and is never guessed:
 * offsets come from the descriptors that the libc exports for debuggers (_thread_db_*), the few others from a
 * table per version, and all are checked against known values in a thread that the libc itself made.  If
 * anything does not fit, libc_abi.known stays false and LWPs come from the libc's own pthread_create.
 */
#ifndef THR_LIBC_H
#define THR_LIBC_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The libc's doubly linked list. */
struct libc_list {
    struct libc_list *next, *prev;
};

struct libc_abi {
    bool known;      /* the fields below are verified: set by libc_prime() */
    const char *why; /* when not known: what did not fit */

    /* Offsets into struct pthread. */
    uint32_t size;
    uint32_t list, tid, cancelhandling, start_routine; /* from the libc's own descriptors */
    /* From the table of versions. */
    uint32_t robust_head, cleanup_jmp_buf, flags, report_events, user_stack, setxid_futex, joinid, result, arg;
    uint32_t stackblock, stackblock_size, guardsize, sigmask, strsignal_buf, strerror_buf;
    uint32_t flag_rseq; /* in flags: register rseq for the thread */

    uint32_t rseq_flags;             /* flags & flag_rseq of a thread that the libc made */
    const uint32_t *stack_flags;     /* PF_X: some loaded object wants executable stacks */
    uint32_t *stack_lock;            /* guards the lists of stacks; the libc's low-level lock: 0, 1, 2 */
    struct libc_list *stack_user;    /* threads on stacks that the libc does not manage */
    /* Threads that have not ended: the one that makes it 0 exits the process. */
    uint32_t *nthreads;
    void (*start_thread)(void *);    /* the libc's first function in a thread; argument: struct pthread */

    uint32_t map_tls_offset; /* in struct link_map: where the module's static TLS block lies, from the TCB */

    void *(*allocate_tls)(void *tcb);
    void (*deallocate_tls)(void *tcb, bool free_tcb);
    size_t tls_size, tls_align; /* of the static TLS block with struct pthread */
};

extern struct libc_abi libc_abi __attribute__((visibility("hidden")));

/* Fills in what can be known without a thread: the offset of cancelhandling (0: unknown), and libc_real's
 * functions.  From the constructor. */
void libc_init(void);

/*
 * Before the first thread: creates and joins one thread through the libc, so that it stops believing that the
 * process is single-threaded (malloc, stdio), installs its signal handlers, and shows us a thread of its
 * making, in which everything is verified.  Again in a fork's child, where the libc believes it is
 * single-threaded once more.  0, or a negative errno if no thread can be made at all.
 */
int libc_prime(void);

/* The libc's own definition of a symbol, whoever else defines it; NULL if it has none. */
void *libc_symbol(const char *name);

/* Where `s` goes on after `head`; NULL if it does not begin so.  By hand, for start-up: strcmp and its kin may be the
 * program's own (ThreadSanitizer's, say), which do not work before their own start. */
static inline const char *text_after(const char *s, const char *head) {
    for (; *head; s++, head++)
        if (*s != *head)
            return NULL;
    return s;
}

/*
 * libc_real(pthread_join)(...): the libc's function of that name, with its type.
 *
 * Each use puts a reference into a section of its own, and libc_init() looks all of them up: dlsym takes the
 * loader's lock, which dlopen holds while it runs constructors.  One that waits for a thread would wait for
 * ever if that thread had something to look up.  A use before libc_init() (an interposed malloc's, say) looks
 * its own up.
 */
struct libc_ref {
    const char *name;
    void *address;
} __attribute__((aligned(16)));

#define libc_real(name_)                                                                                     \
    ({                                                                                                       \
        static struct libc_ref ref_ __attribute__((section("thr_libc_refs"), used)) = {#name_, NULL};        \
        void *f_ = aptr_load_acquire(&ref_.address); /* relaxed would do: the address is the datum */        \
        if (!f_) {                                                                                           \
            f_ = libc_symbol(ref_.name);                                                                     \
            aptr_store_release(&ref_.address, f_);                                                           \
        }                                                                                                    \
        (__typeof__(name_) *)f_;                                                                             \
    })

/* A field of struct pthread. */
#define libc_field(tcb, type, offset) ((__typeof__(type) *)((uintptr_t)(tcb) + libc_abi.offset))

/* Whether some loaded object wants (or wanted) executable stacks. */
bool libc_stacks_executable(void);

/* The list of stacks: a thread of ours is on it from before its LWP exists until after it is gone. */
void libc_list_add(uintptr_t tcb);
void libc_list_remove(uintptr_t tcb);

/* In a thread that does not run yet: its list of robust mutexes is empty. */
void libc_robust_list_init(uintptr_t tcb);

/* Takes back libc_list_add and libc_count_up for a thread that could not be started. */
void libc_thread_failed(uintptr_t tcb);

/* The libc's count of threads: a thread is counted from its creation until its last destructor has run. */
bool libc_count_up(void);   /* false: there was none; the process is in exit() */
bool libc_count_down(void); /* whether that was the last one: the caller calls exit(0) */

/* The calling thread's block of static TLS that belongs to the module which `address` is in; NULL: it has
 * none. */
void *libc_static_tls(const void *address);

/* C++ thread_local destructors of the calling thread. */
void libc_run_tls_destructors(void);

#endif
