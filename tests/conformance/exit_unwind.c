/* not under: clang */ /* it runs no cleanup macro again that a handler left by pthread_exit; on the libc as
 * well */
/* exit_paths.c compiled with unwind tables for C (-fexceptions, in Makefile.inc). */
#include "exit_paths.c"
