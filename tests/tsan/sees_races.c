/* The tool is awake: a counter without a lock is reported, and the program ends with the tool's exit code. */
#include "crew.h"

#include <fcntl.h>
#include <sys/wait.h>

static long counter;

static void body(unsigned index, uint32_t *random) {
    (void)index;
    for (int i = 0; i < 1000; i++) {
        counter++;
        delay(random);
    }
}

int main(void) {
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        dup2(open("/dev/null", O_WRONLY), 2);
        crew(2, body);
        _exit(0);
    }
    waitpid(pid, &status, 0);
    ok(WIFEXITED(status) && WEXITSTATUS(status) != 0, "a race is reported");
    return done();
}
