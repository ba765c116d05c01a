/*
 * stack_watch: what is looked at when a slot comes back, in runs that need it.
 */
#ifndef MNI_STACK_WATCH_H
#define MNI_STACK_WATCH_H

#include "stack.h"

/* Bits of mni_stack_watch. */
enum {
    MNI_WATCH_BARE = 1,  /* some slots have no guard: look whether they overflowed */
    MNI_WATCH_MARKS = 2, /* note how deep each entry function went */
};

/* The runtime starts (reads MN_STACK_REPORT); it has ended, before the slots are unmapped: prints the report if
 * it was asked for by the environment. */
void mni_stack_watch_start(void);
void mni_stack_watch_end(void);

/* In a fork's child. */
void mni_stack_watch_forked(void);

#endif
