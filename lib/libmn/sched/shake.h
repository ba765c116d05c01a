/* shake: see shake.c. */
#ifndef MNI_SHAKE_H
#define MNI_SHAKE_H

#include <stdbool.h>

int mni_shake_start(void);

/* It does; whatever is done now and then only is to be done whenever it may be. */
bool mni_shakes(void);

void mni_shake_stop(void);

#endif
