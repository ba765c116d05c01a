/* block_call: the program's own blocking calls (mn/offload.h). */
#include <errno.h>

#include "export.h"
#include "offload.h"

MN_EXPORT int mn_block_call_until(void (*fn)(void *), void *arg, int64_t deadline) {
    return fn ? mni_offload_call(MNI_POOL_USER, fn, arg, deadline) : -EINVAL;
}

MN_EXPORT int mn_block_call(void (*fn)(void *), void *arg) {
    return mn_block_call_until(fn, arg, MN_FOREVER);
}
