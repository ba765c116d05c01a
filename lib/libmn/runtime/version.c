/* Which version this is. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <mn/run.h>

#include "export.h"

MN_EXPORT const char *mn_version(void) {
    return PACKAGE_VERSION;
}
