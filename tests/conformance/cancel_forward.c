/* models: 1to1 */
/* not under: asan */ /* as cancel_points */
/* Under a libc whose inside we do not know, its own cancellation does the work: the same points, under that
 * switch. */
#include "without.h"

int main(int argc, char **argv) {
    (void)argc;
    return run_without("cancelword", "cancel_points", argv[0]);
}
