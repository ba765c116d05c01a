/* solo.h's word: whether one owner alone touches the library's words (sched/solo_mode.c). */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "solo.h"

uint32_t mni_solo_word;

#ifdef OD_LOCK_RANKS
/* For programs that link solo.h's users without solo_mode.c, whose own takes the place of this one. */
__attribute__((weak)) void mni_solo_check(void) {
}
#endif
