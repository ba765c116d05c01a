/* solo.h's word: whether one owner alone touches the library's words.  The runtime sets it (foreign.c says
 * when). */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "solo.h"

uint32_t mni_solo_word;
