// C++: destructors on the stack run when a thread is ended from below by pthread_exit or a cancellation, thread_local
// objects are constructed and destructed per thread, in every thread anew, before the destructors of thread-specific
// data; exceptions stay within their thread.
#include "life.h"

#include <atomic>
#include <condition_variable>
#include <exception>
#include <functional>
#include <future>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

static std::mutex order_lock;
static std::string order;

static void note(const std::string &what) {
    std::lock_guard<std::mutex> hold(order_lock);
    order += what + " ";
}

static void expect(const char *want, const char *what) {
    bool good = order == want;
    ok(good, "%s", what);
    if (!good) {
        printf("#   got  %s\n#   want %s\n", order.c_str(), want);
        fflush(stdout);
    }
    order.clear();
}

struct Local {
    std::string name;
    explicit Local(const char *n) : name(n) {}
    ~Local() { note("~" + name); }
};

static std::atomic<int> alive{0}, constructed{0};
struct Counted {
    int value = 7;
    std::string text = "a text long enough to be on the heap, in every thread";
    Counted() {
        alive++;
        constructed++;
    }
    ~Counted() { alive--; }
};
static thread_local Counted counted;
static thread_local std::vector<int> numbers{1, 2, 3};
static thread_local Local first("first");
static thread_local Local second("second");

static pthread_key_t key;
static void destroy(void *) {
    // thread_local objects are gone, and the libc runs no constructor again
    note("tsd");
}

static void *leave(void *arg) {
    Local a("a");
    try {
        Local b("b");
        pthread_exit(arg);
    } catch (std::exception &) {
        note("wrong");
    }
    return nullptr;
}

static void *catch_all(void *arg) {
    Local a("a");
    try {
        Local b("b");
        pthread_exit(arg);
    } catch (...) {
        note("caught");
        throw; // which is required of a handler that sees a forced unwinding
    }
    return nullptr;
}

static void *use_locals(void *) {
    (void)first.name;
    (void)second.name;
    pthread_setspecific(key, &key);
    Local a("stack");
    return nullptr;
}

static void *check_counted(void *arg) {
    auto *bad = static_cast<std::atomic<int> *>(arg);
    if (counted.value != 7 || counted.text[0] != 'a' || numbers.size() != 3)
        ++*bad;
    counted.value = 8;
    counted.text = "changed to something else that is long enough as well";
    numbers.assign(1000, 5);
    return nullptr;
}

static void *wait_for_cancel(void *arg) {
    Local a("cancelled");
    sem_post(static_cast<sem_t *>(arg));
    for (;;)
        pause();
    return nullptr;
}

static void *throw_and_catch(void *arg) {
    auto *bad = static_cast<std::atomic<int> *>(arg);
    for (int i = 0; i < 50; i++) {
        try {
            if (std::uncaught_exceptions() != 0)
                ++*bad;
            throw std::runtime_error(std::to_string(i));
        } catch (std::runtime_error &e) {
            if (std::stoi(e.what()) != i || !std::current_exception())
                ++*bad;
        }
    }
    if (std::current_exception())
        ++*bad;
    return nullptr;
}

// A thread that ends within a catch block leaves a caught exception behind: not in the next thread.
static void *leave_in_catch(void *arg) {
    try {
        throw std::runtime_error("left behind");
    } catch (std::runtime_error &) {
        pthread_exit(arg);
    }
    return nullptr;
}

static void *cleanup_and_destructor(void *arg) {
    Local a("outer");
    pthread_cleanup_push([](void *) { note("cleanup"); }, nullptr);
    Local b("inner");
    pthread_exit(arg);
    pthread_cleanup_pop(0);
    return nullptr;
}

static int uncaught() {
    struct rlimit no = {0, 0};
    setrlimit(RLIMIT_CORE, &no);
    int null = open("/dev/null", O_WRONLY);
    dup2(null, 2);
    std::thread t([] { throw std::runtime_error("nobody catches"); });
    t.join();
    return 1;
}

int main() {
    int x;
    is(must_join(must_create(nullptr, leave, &x)) == &x, 1, "pthread_exit through C++ frames: the value");
    expect("~b ~a ", "destructors on the stack ran");
    is(must_join(must_create(nullptr, catch_all, &x)) == &x, 1, "pthread_exit through catch (...) that rethrows");
    expect("~b caught ~a ", "the handler and the destructors ran");
    is(must_join(must_create(nullptr, cleanup_and_destructor, &x)) == &x, 1, "cleanup handlers among destructors");
    expect("~inner cleanup ~outer ", "in the order of the stack");

    pthread_key_create(&key, destroy);
    must_join(must_create(nullptr, use_locals, nullptr));
    expect("~stack ~second ~first tsd ", "thread_local destructors in reverse, before TSD destructors");
    must_join(must_create(nullptr, do_nothing, nullptr));
    expect("", "a thread that does not use them constructs none");

    std::atomic<int> bad{0};
    for (int i = 0; i < 100; i++) {
        std::thread a(check_counted, &bad), b(check_counted, &bad);
        a.join();
        b.join();
    }
    is(bad, 0, "thread_local objects are constructed anew in 200 threads");
    // Those of one file are all constructed at the first use of any of them, once a thread.
    is(constructed, 201, "once each");
    is(alive, 0, "and destructed when it ends");
    order.clear();

    sem_t s;
    sem_init(&s, 0, 0);
    pthread_t t = must_create(nullptr, wait_for_cancel, &s);
    while (sem_wait(&s))
        ;
    pthread_cancel(t);
    ok(must_join(t) == PTHREAD_CANCELED, "a cancelled thread");
    expect("~cancelled ", "runs its destructors");

    pthread_t many[4];
    for (auto &m : many)
        m = must_create(nullptr, throw_and_catch, &bad);
    for (auto &m : many)
        must_join(m);
    is(bad, 0, "exceptions stay in their thread");
    for (int i = 0; i < 5; i++) {
        must_join(must_create(nullptr, leave_in_catch, nullptr));
        must_join(must_create(nullptr, throw_and_catch, &bad));
    }
    is(bad, 0, "an exception that a former thread left uncaught is not in the next");

    std::vector<std::thread> threads;
    std::mutex m;
    std::condition_variable cv;
    int arrived = 0;
    for (int i = 0; i < 8; i++)
        threads.emplace_back([&] {
            std::unique_lock<std::mutex> hold(m);
            arrived++;
            cv.notify_all();
            cv.wait(hold, [&] { return arrived == 8; });
        });
    for (auto &one : threads)
        one.join();
    is(arrived, 8, "std::thread, std::mutex, std::condition_variable");

    auto value = std::async(std::launch::async, [](int v) { return v * 2; }, 21);
    is(value.get(), 42, "std::async");
    auto thrown = std::async(std::launch::async, []() -> int { throw std::logic_error("carried"); });
    try {
        thrown.get();
        ok(0, "an exception through a future");
    } catch (std::logic_error &e) {
        ok(!strcmp(e.what(), "carried"), "an exception through a future");
    }

    std::once_flag flag;
    int tries = 0;
    for (int i = 0; i < 3; i++)
        try {
            std::call_once(flag, [&] {
                if (++tries < 3)
                    throw std::runtime_error("not yet");
            });
        } catch (std::runtime_error &) {
        }
    is(tries, 3, "std::call_once is run again when it threw");
    std::call_once(flag, [&] { tries++; });
    is(tries, 3, "and not again when it returned");

    std::promise<int> at_exit;
    auto future = at_exit.get_future();
    std::thread([&] { at_exit.set_value_at_thread_exit(5); }).detach();
    is(future.get(), 5, "set_value_at_thread_exit");
    ok(std::thread::hardware_concurrency() > 0, "hardware_concurrency");

    if (sanitized())
        skip("the tool sees the abort");
    else
        is(in_child(uncaught), 1000 + SIGABRT, "an exception that leaves a thread ends the process");
    return done();
}
