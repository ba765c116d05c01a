#!/bin/sh
# A C program that is linked with the library (nothing is preloaded), against the build tree.
. "$(dirname "$0")/lib.sh"
CC=${CC:-cc}
need "$CC" readelf ldd
case ${ODONATA_SANITIZERS:-} in ?*)
    skip 'a sanitizer build: its library does not load into a plain program'
    finish
    ;;
esac
set --
if [ -n "$LIB" ]; then
    dir=$(dirname "$LIB")
    set -- "-L$dir" "-Wl,-rpath,$dir" -lthread_1to1
fi
"$CC" -D_GNU_SOURCE -O2 -Wall -o "$T/linked" "$HERE/linked.c" "$@" -pthread 2>"$T/stderr"
result $? 'compiles and links' || finish
if [ -n "$LIB" ]; then
    readelf -d "$T/linked" | grep -q 'NEEDED.*libthread_1to1\.so\.0'
    result $? 'the program names the library as needed'
    ldd "$T/linked" | grep -q "libthread_1to1\.so\.0 => $dir/"
    result $? 'ldd finds it'
    [ "$(readelf -d "$LIB" | grep -c NEEDED)" = 1 ] && readelf -d "$LIB" | grep -q 'NEEDED.*libc\.so\.6'
    result $? 'the library itself needs libc alone'
fi
linked "$T/linked" >"$T/out"
result $? "$(grep -c '^ok ' "$T/out") checks pass" || note <"$T/out"
if [ -n "$LIB" ]; then
    grep -q '^# pthread_create is in .*libthread_1to1' "$T/out"
    result $? 'pthread_create is the library'"'"'s'
fi
proof 11
if [ -n "$LIB" ]; then
    # The linker takes pthread_atfork from the library, which cannot tell whose handlers these are.
    cat >"$T/plugin.c" <<'END'
#include <pthread.h>
static int forks;
static void at_fork(void) { forks++; }
int plugin(void) { return pthread_atfork(at_fork, at_fork, at_fork); }
END
    cat >"$T/host.c" <<'END'
#include <dlfcn.h>
#include <sys/wait.h>
#include <unistd.h>
int main(int n, char **arg) {
    void *handle = dlopen(arg[n - 1], RTLD_NOW);
    int (*plugin)(void) = handle ? (int (*)(void))dlsym(handle, "plugin") : 0, status;
    if (!plugin || plugin() != 0 || dlclose(handle) != 0)
        return 1;
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    return waitpid(pid, &status, 0) != pid || status != 0;
}
END
    "$CC" -O2 -shared -fPIC -o "$T/plugin.so" "$T/plugin.c" "$@" && "$CC" -o "$T/host" "$T/host.c" "$@" &&
        "$T/host" "$T/plugin.so"
    result $? 'fork after dlclose of a plugin with handlers for fork'
fi
finish
