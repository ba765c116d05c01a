/* The least stack that the libc accepts for a thread (its compile-time PTHREAD_STACK_MIN; sysconf's may be
 * more). */
#ifndef OD_ARCH_STACK_MIN_H
#define OD_ARCH_STACK_MIN_H

enum { STACK_MIN = 16384 };

#endif
