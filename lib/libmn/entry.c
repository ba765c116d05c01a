/* entry: the call of a thread's function. */
#include "exit.h"

void *mni_call_entry(struct mni_thread *t) {
    return t->fn(t->arg);
}
