/* An exception that leaves a thread ends the program, by std::terminate, and says of which thread it was. */
#include <mn.h>

#include <sys/wait.h>
#include <exception>
#include <stdexcept>

#include "tap.h"

extern "C" __attribute__((visibility("default"))) void *thrower(void *); /* with a name that dladdr finds */

static bool unwound;
struct Frame {
    ~Frame() { unwound = true; }
};

void *thrower(void *) {
    Frame f;
    mn_yield();
    throw std::runtime_error("out");
}

static void handler() {
    /* The stack has not been unwound yet, and the exception is the current one. */
    try {
        throw;
    } catch (std::exception &e) {
        fprintf(stderr, "handler: %s%s\n", e.what(), unwound ? ", unwound" : "");
    }
    _exit(7);
}

static int run(void *arg) {
    mn_thread t;
    std::set_terminate(handler);
    struct mn_attr attr = {};
    attr.name = "the culprit";
    attr.flags = arg ? unsigned(MN_BOUND) : 0u;
    mn_go_attr(&t, &attr, thrower, nullptr);
    mn_join(t, nullptr);
    return 0;
}

/* The child's standard error and its status. */
static int child(bool bound, char *text, size_t size) {
    int fds[2];
    if (pipe(fds) != 0)
        return -1;
    pid_t pid = fork();
    if (pid == 0) {
        dup2(fds[1], 2);
        mn_run(run, bound ? text : nullptr, nullptr);
        _exit(0);
    }
    close(fds[1]);
    size_t got = 0;
    for (ssize_t n; got < size - 1 && (n = read(fds[0], text + got, size - 1 - got)) > 0;)
        got += static_cast<size_t>(n);
    text[got] = 0;
    close(fds[0]);
    int status = -1;
    waitpid(pid, &status, 0);
    return status;
}

int main() {
    for (int bound = 0; bound < 2; bound++) {
        char text[4096];
        int status = child(bound, text, sizeof text);
        ok(WIFEXITED(status) && WEXITSTATUS(status) == 7, "the terminate handler ran");
        ok(strstr(text, "handler: out\n") != nullptr, "in front of the stack as it was");
        ok(strstr(text, "\"the culprit\"") && strstr(text, "(thrower)"), "the message names the thread: %.160s", text);
    }
    return done();
}
