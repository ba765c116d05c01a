/* Looks a name up in ODONATA_DISABLE. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "feature.h"

#include <stdlib.h>
#include <string.h>

bool mni_feature(const char *name) {
    const char *disabled = secure_getenv("ODONATA_DISABLE");
    size_t n = strlen(name);
    for (const char *p = disabled; p && (p = strstr(p, name)) != NULL; p += n)
        if ((p == disabled || p[-1] == ',') && (p[n] == ',' || p[n] == 0))
            return false;
    return true;
}
