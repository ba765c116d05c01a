/* symbol: the name of a function, for messages. */
#ifndef MNI_SYMBOL_H
#define MNI_SYMBOL_H

#include <stddef.h>

/* "name (object)", or what comes nearest: "object+0x12", "0x1234".  Takes the loader's lock.  Returns text. */
const char *mni_symbol(const void *function, char *text, size_t size);

#endif
