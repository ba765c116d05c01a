/* What the init routine wrote is visible to every thread that pthread_once lets pass. */
#include "crew.h"

enum { CREW = 4, ONCES = 400 };
static pthread_once_t onces[ONCES];
static long values[ONCES];
static int runs[ONCES], wrong[CREW];
static __thread int current;

static void init(void) {
    runs[current]++;
    values[current] = current + 1;
}

static void body(unsigned index, uint32_t *random) {
    for (current = 0; current < ONCES; current++) {
        pthread_once(&onces[current], init);
        wrong[index] += values[current] != current + 1;
        delay(random);
    }
}

int main(void) {
    int odd = 0;
    crew(CREW, body);
    for (int i = 0; i < ONCES; i++)
        odd += runs[i] != 1;
    is(odd, 0, "each ran once");
    is(wrong[0] + wrong[1] + wrong[2] + wrong[3], 0, "all see what it wrote");
    return done();
}
