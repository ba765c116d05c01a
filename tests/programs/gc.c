/*
 * Threads that allocate from a collector (Boehm's) that stops all of them by signals, scans their stacks, and
 * lets them go on: many that come and go, joined and detached, and some that are cancelled meanwhile.  Whoever
 * was overlooked, or scanned by the wrong bounds, finds its tree taken from it.  Prints figures that are always
 * the same.
 */
#define GC_THREADS
#include <gc.h>
#include <pthread.h>
#include <stdio.h>

enum { workers = 6, leaves = 40, cancelled = 60 };

struct node {
    struct node *left, *right;
    long value;
};

static struct node *grow(int depth) {
    struct node *node = GC_MALLOC(sizeof *node);
    node->value = 1;
    if (depth) {
        node->left = grow(depth - 1);
        node->right = grow(depth - 1);
    }
    return node;
}

static long sum(const struct node *node) {
    return node ? node->value + sum(node->left) + sum(node->right) : 0;
}

static void *leaf(void *arg) {
    return (void *)sum(grow((int)(long)arg));
}

/* The tree in `kept` is known to this thread's stack alone, through all the collections. */
static void *worker(void *arg) {
    struct node *kept = grow(12);
    long total = 0;
    for (long i = 0; i < leaves; i++) {
        pthread_t thread;
        void *result;
        if (pthread_create(&thread, NULL, leaf, (void *)(i % 11)))
            return arg;
        if (i % 3 == 0) {
            pthread_detach(thread);
        } else {
            pthread_join(thread, &result);
            total += (long)result;
        }
        total += sum(grow(8));
    }
    return (void *)(total + sum(kept));
}

static void *allocate(void *arg) {
    for (;;) {
        if (sum(grow(5)) != 63)
            return arg;
        pthread_testcancel();
    }
}

int main(void) {
    GC_INIT();
    for (int turn = 0; turn < 2; turn++) {
        pthread_t thread[workers];
        void *result;
        for (int i = 0; i < workers; i++)
            if (pthread_create(&thread[i], NULL, worker, NULL))
                return 1;
        for (int i = 0; i < workers; i++) {
            pthread_join(thread[i], &result);
            printf("worker: %ld\n", (long)result);
        }
    }
    int bad = 0;
    for (int i = 0; i < cancelled; i++) {
        pthread_t thread;
        void *result;
        if (pthread_create(&thread, NULL, allocate, NULL))
            return 1;
        GC_gcollect();
        pthread_cancel(thread);
        pthread_join(thread, &result);
        bad += result != PTHREAD_CANCELED;
    }
    printf("not cancelled: %d\n", bad);
    printf("collections: %s\n", GC_get_gc_no() > cancelled ? "many" : "few");
    return 0;
}
