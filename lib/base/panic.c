#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "panic.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "sys.h"

void panic_at(const char *file, int line, const char *func, const char *what, long detail) {
    char text[512];
    int n = snprintf(text, sizeof text, "odonata: broken invariant: %s (%ld) in %s, %s:%d\n", what, detail,
                     func, file, line);
    if (n > (int)sizeof text - 1)
        n = sizeof text - 1;
    sys(SYS_write, 2, text, n);
    abort();
}

void notice(const char *format, ...) {
    char text[1024];
    int n = snprintf(text, sizeof text, "odonata: ");
    va_list ap;
    va_start(ap, format);
    n += vsnprintf(text + n, sizeof text - (size_t)n - 1, format, ap);
    va_end(ap);
    if (n > (int)sizeof text - 2)
        n = sizeof text - 2;
    text[n++] = '\n';
    sys(SYS_write, 2, text, n);
}
