/* memcheck: what valgrind is told of memory; nothing, where its headers are not there. */
#ifndef MNI_MEMCHECK_H
#define MNI_MEMCHECK_H

#ifdef HAVE_VALGRIND_VALGRIND_H
#include <valgrind/memcheck.h>
#else
#define RUNNING_ON_VALGRIND 0
#define VALGRIND_STACK_REGISTER(low, high) 0
#define VALGRIND_STACK_DEREGISTER(id) ((void)0)
#define VALGRIND_MAKE_MEM_UNDEFINED(memory, size) ((void)0)
#define VALGRIND_DISABLE_ERROR_REPORTING ((void)0)
#define VALGRIND_ENABLE_ERROR_REPORTING ((void)0)
#endif

#endif
