/*
 * pages: what does the first touch of a page cost, and is there memory to touch?
 *
 * On a virtual machine the host may have lent memory on, and a page that the kernel hands out then costs ten
 * times what a page costs that the machine has.  Which program meets such pages is chance, so the driver runs
 * this before each program of the jobs that need much memory: --gib of it (or half of what is there) are
 * faulted in and given back to the kernel, then 1/16 is touched page by page: ns a page.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "bench.h"

static char *map(size_t bytes, int flags) {
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
    if (p == MAP_FAILED)
        bench_fail("%zu bytes: no memory", bytes);
    return p;
}

int main(int argc, char **argv) {
    bench_init(argc, argv, "pthread_create");
    size_t page = (size_t)sysconf(_SC_PAGESIZE), half = (size_t)sysconf(_SC_AVPHYS_PAGES) / 2 * page;
    size_t bytes = (size_t)(bench_number("--gib", 9) * (1 << 30));
    bench_options_end();
    if (bytes > half)
        bytes = half;
    must(munmap(map(bytes, MAP_POPULATE), bytes));
    size_t pages = bytes / 16 / page;
    volatile char *p = map(pages * page, MAP_NORESERVE);
    uint64_t from = bench_now();
    for (size_t i = 0; i < pages; i++)
        p[i * page] = 1;
    bench_result("pages", (double)(bench_now() - from) / (double)pages, "ns", "");
    return 0;
}
