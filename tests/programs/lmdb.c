/*
 * LMDB: processes and threads that write to one environment under a robust mutex in its lock file.
 *
 *     lmdb write DIRECTORY   three processes of four threads each count up, some transactions are given up
 *     lmdb kill DIRECTORY    processes are killed while they hold the lock and this one's threads wait for it
 *     lmdb hold DIRECTORY    starts a transaction in a thread, says so on standard output, and never ends
 *
 * Prints the counters, which are always the same.
 */
#include <lmdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { processes = 3, threads = 4, rounds = 150, kills = 20 };

static MDB_env *env;
static MDB_dbi counters;
static const char *directory;

static void must(int error, const char *what) {
    if (error) {
        printf("%s: %s\n", what, mdb_strerror(error));
        fflush(stdout);
        _exit(1);
    }
}

static MDB_txn *begin(unsigned flags) {
    MDB_txn *txn;
    must(mdb_txn_begin(env, NULL, flags, &txn), "begin");
    return txn;
}

static void open_environment(void) {
    must(mdb_env_create(&env), "create");
    must(mdb_env_set_mapsize(env, 8 << 20), "mapsize");
    must(mdb_env_open(env, directory, MDB_NOSYNC, 0644), "open");
    MDB_txn *txn = begin(0);
    must(mdb_dbi_open(txn, NULL, MDB_INTEGERKEY, &counters), "dbi_open");
    must(mdb_txn_commit(txn), "commit");
}

/* One more on the counter of this name; not in the end if the transaction is given up. */
static void count(size_t name, int give_up) {
    MDB_txn *txn = begin(0);
    MDB_val key = {sizeof name, &name}, value;
    size_t sum = 0;
    int error = mdb_get(txn, counters, &key, &value);
    if (!error)
        memcpy(&sum, value.mv_data, sizeof sum);
    else if (error != MDB_NOTFOUND)
        must(error, "get");
    sum++;
    value = (MDB_val){sizeof sum, &sum};
    must(mdb_put(txn, counters, &key, &value, 0), "put");
    if (give_up)
        mdb_txn_abort(txn);
    else
        must(mdb_txn_commit(txn), "commit");
}

/* Its own counter, and one that all threads share. */
static void *writer(void *arg) {
    for (int i = 0; i < rounds; i++) {
        count((size_t)arg, i % 7 == 3);
        count(0, 0);
        mdb_txn_abort(begin(MDB_RDONLY));
    }
    return NULL;
}

static void write_all(void) {
    for (size_t process = 0; process < processes; process++)
        if (fork() == 0) {
            pthread_t thread[threads];
            open_environment();
            for (size_t i = 0; i < threads; i++)
                must(pthread_create(&thread[i], NULL, writer, (void *)(process * threads + i + 1)), "create");
            for (int i = 0; i < threads; i++)
                must(pthread_join(thread[i], NULL), "join");
            mdb_env_close(env);
            exit(0);
        }
    for (int status; wait(&status) > 0;)
        must(status, "a process that writes");
    open_environment();
}

static void *holder(void *arg) {
    (void)arg;
    begin(0);
    if (write(STDOUT_FILENO, "!", 1) != 1)
        _exit(1);
    for (;;)
        pause();
}

static void *waiter(void *arg) {
    count((size_t)arg, 0);
    return NULL;
}

/* A process of its own program, not only a fork: what it inherits of an open environment would be in its way.
 */
static void kill_all(void) {
    open_environment();
    for (int i = 0; i < kills; i++) {
        int ends[2];
        char told;
        must(pipe(ends), "pipe");
        pid_t victim = fork();
        if (victim == 0) {
            dup2(ends[1], STDOUT_FILENO);
            execl("/proc/self/exe", "lmdb", "hold", directory, (char *)NULL);
            _exit(127);
        }
        close(ends[1]);
        must(read(ends[0], &told, 1) != 1, "a process that holds the lock");
        close(ends[0]);
        pthread_t thread[threads];
        for (size_t t = 0; t < threads; t++)
            must(pthread_create(&thread[t], NULL, waiter, (void *)(100 + t)), "create");
        kill(victim, SIGKILL);
        waitpid(victim, NULL, 0);
        for (int t = 0; t < threads; t++)
            must(pthread_join(thread[t], NULL), "join");
    }
}

int main(int argc, char **argv) {
    if (argc != 3)
        return 2;
    directory = argv[2];
    switch (*argv[1]) {
    case 'w':
        write_all();
        break;
    case 'k':
        kill_all();
        break;
    default:
        open_environment();
        pthread_t thread;
        must(pthread_create(&thread, NULL, holder, NULL), "create");
        pthread_join(thread, NULL);
        return 1;
    }
    int dead;
    must(mdb_reader_check(env, &dead), "reader_check");
    MDB_txn *txn = begin(MDB_RDONLY);
    MDB_cursor *cursor;
    must(mdb_cursor_open(txn, counters, &cursor), "cursor");
    MDB_val key, value;
    while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0)
        printf("%zu: %zu\n", *(size_t *)key.mv_data, *(size_t *)value.mv_data);
    mdb_cursor_close(cursor);
    mdb_txn_abort(txn);
    mdb_env_close(env);
    return 0;
}
