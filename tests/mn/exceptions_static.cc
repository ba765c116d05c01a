/*
 * exceptions.cc with the C++ library linked statically: libmn comes before it on the command line, so the linker takes
 * libmn's functions and leaves its own in the archive.
 */
#include "exceptions.cc"
