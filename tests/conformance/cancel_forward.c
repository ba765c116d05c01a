/* models: 1to1 */
/* not under: asan */ /* as cancel_points */
/* Under a libc whose inside we do not know, its own cancellation does the work: the same points, under that
 * switch. */
#include "tap.h"

int main(int argc, char **argv) {
    char path[4096];
    (void)argc;
    const char *slash = strrchr(argv[0], '/');
    snprintf(path, sizeof path, "%.*scancel_points", slash ? (int)(slash - argv[0] + 1) : 0, argv[0]);
    setenv("ODONATA_DISABLE", "cancelword", 1);
    execl(path, path, NULL);
    ok(0, "no %s", path);
    return done();
}
