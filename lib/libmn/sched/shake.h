/* shake: see shake.c. */
#ifndef MNI_SHAKE_H
#define MNI_SHAKE_H

int mni_shake_start(void);
void mni_shake_stop(void);

#endif
