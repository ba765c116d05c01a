/* models: 1to1 */
/* Under a libc of which nothing is known: what cancel_basic tests, under that switch. */
#include "without.h"

int main(int argc, char **argv) {
    (void)argc;
    return run_without("libcabi", "cancel_basic", argv[0]);
}
