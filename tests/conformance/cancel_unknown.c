/* models: 1to1 */
/* Under a libc of which nothing is known: what cancel_basic tests, under that switch. */
#include "tap.h"

int main(int argc, char **argv) {
    char path[4096];
    (void)argc;
    const char *slash = strrchr(argv[0], '/');
    snprintf(path, sizeof path, "%.*scancel_basic", slash ? (int)(slash - argv[0] + 1) : 0, argv[0]);
    setenv("ODONATA_DISABLE", "libcabi", 1);
    execl(path, path, NULL);
    ok(0, "no %s", path);
    return done();
}
