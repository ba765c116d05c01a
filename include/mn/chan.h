/* mn/chan.h: channels. */
#ifndef MN_CHAN_H
#define MN_CHAN_H

#include <mn/thread.h>

#endif
