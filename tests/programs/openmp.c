/* GNU OpenMP: parallel loops, reductions, tasks, critical sections, nested teams.  Prints TAP. */
#include <omp.h>
#include <pthread.h>
#include <stdio.h>

static int count, failed;

static void check(int passed, const char *name) {
    printf("%s %d - %s\n", passed ? "ok" : "not ok", ++count, name);
    failed += !passed;
}

static long fibonacci(int n) {
    if (n < 2)
        return n;
    long a, b;
#pragma omp task shared(a) if (n > 12)
    a = fibonacci(n - 1);
#pragma omp task shared(b) if (n > 12)
    b = fibonacci(n - 2);
#pragma omp taskwait
    return a + b;
}

static int mine;
#pragma omp threadprivate(mine)

static void *team_of_another(void *arg) {
    long sum = 0;
#pragma omp parallel for num_threads(3) reduction(+ : sum)
    for (int i = 0; i < 1000; i++)
        sum += i;
    *(long *)arg = sum;
    return NULL;
}

int main(void) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    omp_set_dynamic(0);
    long sum = 0, critical = 0, atomic = 0, fib = 0;
    int members = 0, kept = 0;

#pragma omp parallel num_threads(4)
    {
#pragma omp single
        members = omp_get_num_threads();
        mine = omp_get_thread_num() + 1;
    }
    check(members == 4, "a team of four");
#pragma omp parallel num_threads(4) reduction(+ : kept)
    kept += mine == omp_get_thread_num() + 1;
    check(kept == 4, "thread-private variables stay");
    for (int turn = 0; turn < 200; turn++) {
#pragma omp parallel for num_threads(4) reduction(+ : sum) schedule(dynamic, 16)
        for (int i = 0; i < 1000; i++)
            sum += i;
    }
    check(sum == 200L * 1000 * 999 / 2, "reduction");
#pragma omp parallel for num_threads(4)
    for (int i = 0; i < 20000; i++) {
#pragma omp critical
        critical++;
#pragma omp atomic
        atomic++;
    }
    check(critical == 20000 && atomic == 20000, "critical and atomic");
#pragma omp parallel num_threads(4)
#pragma omp single
    fib = fibonacci(20);
    check(fib == 6765, "tasks");

    int inner = 0;
    omp_set_max_active_levels(2);
#pragma omp parallel num_threads(2) reduction(+ : inner)
    {
#pragma omp parallel num_threads(3) reduction(+ : inner)
        inner++;
    }
    check(inner == 6, "nested teams");

    long sums[3] = {0};
    pthread_t t[3];
    for (int i = 0; i < 3; i++)
        pthread_create(&t[i], NULL, team_of_another, &sums[i]);
    for (int i = 0; i < 3; i++)
        pthread_join(t[i], NULL);
    check(sums[0] == 499500 && sums[1] == 499500 && sums[2] == 499500, "teams of three other threads");
    printf("1..%d\n", count);
    return failed != 0;
}
