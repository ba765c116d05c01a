/* exit_paths.c compiled with unwind tables for C (-fexceptions, in Makefile.inc). */
#include "exit_paths.c"
