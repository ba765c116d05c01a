/* solo.h's word: whether one owner alone touches the library's words (sched/solo_mode.c). */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "solo.h"

uint32_t mni_solo_word;
