// What the C++ library makes of POSIX threads; C++17, and with C++20 its newer objects too.  Prints TAP.
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <new>
#include <numeric>
#include <shared_mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <pthread.h>
#include <unistd.h>
#if __cplusplus >= 202002L
#include <barrier>
#include <latch>
#include <semaphore>
#include <stop_token>
#endif

using namespace std::chrono_literals;

static int count, failed;

static void check(bool passed, const char *name) {
    std::printf("%s %d - %s\n", passed ? "ok" : "not ok", ++count, name);
    failed += !passed;
}

template <typename F> static void each(int n, F work) {
    std::vector<std::thread> threads;
    for (int i = 0; i < n; i++)
        threads.emplace_back(work, i);
    for (auto &thread : threads)
        thread.join();
}

// ---- threads, arguments, ids
static void threads() {
    std::atomic<int> sum{0};
    each(16, [&](int i) { sum += i; });
    check(sum == 120, "std::thread runs and joins");

    std::string text = "moved";
    auto owned = std::make_unique<int>(42);
    int got = 0;
    std::thread mover([&](std::unique_ptr<int> p, const std::string &s) { got = *p + int(s.size()); }, std::move(owned),
                      text);
    auto id = mover.get_id();
    mover.join();
    check(got == 47 && id != std::this_thread::get_id(), "arguments are moved into a thread");

    std::promise<void> gone;
    std::thread([&] { gone.set_value_at_thread_exit(); }).detach();
    check(gone.get_future().wait_for(20s) == std::future_status::ready, "set_value_at_thread_exit of a detached thread");

    bool refused = false;
    try {
        std::thread none;
        none.join();
    } catch (const std::system_error &e) {
        refused = e.code() == std::errc::invalid_argument;
    }
    check(refused, "join of no thread throws system_error");
    check(std::thread::hardware_concurrency() >= 1, "hardware_concurrency");
}

// ---- thread_local
static std::atomic<int> constructed, destroyed, order_errors;

struct Local {
    int value;
    Local() : value(7) { constructed++; }
    ~Local() {
        destroyed++;
        value = 0;
    }
};
static thread_local Local first;

struct Second {
    ~Second() {
        if (first.value != 8) // made after `first`, so destroyed before it
            order_errors++;
    }
};

static void locals() {
    each(12, [](int) {
        first.value++;
        static thread_local Second second;
        static thread_local std::string text(2000, 'x');
        if (first.value != 8 || text.size() != 2000)
            order_errors++;
        (void)second;
    });
    check(constructed == 12 && destroyed == 12, "thread_local objects are constructed and destroyed once a thread");
    check(order_errors == 0, "and destroyed in reverse order");
}

// ---- exceptions
struct Guard {
    std::atomic<int> &n;
    explicit Guard(std::atomic<int> &m) : n(m) {}
    ~Guard() { n++; }
};

__attribute__((noinline)) static int deep(int n, std::atomic<int> &unwound) {
    Guard guard(unwound);
    if (n == 0)
        throw std::out_of_range("bottom");
    return deep(n - 1, unwound) + 1;
}

static void exceptions() {
    std::atomic<int> unwound{0}, caught{0};
    each(8, [&](int) {
        for (int turn = 0; turn < 50; turn++) {
            try {
                deep(20, unwound);
            } catch (const std::exception &e) {
                caught += std::strcmp(e.what(), "bottom") == 0;
            }
        }
    });
    check(caught == 400 && unwound == 8 * 50 * 21, "eight threads throw and catch");

    try {
        deep(20, unwound);
        check(false, "main throws and catches");
    } catch (const std::out_of_range &) {
        check(true, "main throws and catches");
    }

    // Across threads.
    std::exception_ptr travelling;
    std::thread([&] {
        try {
            throw std::runtime_error("from afar");
        } catch (...) {
            travelling = std::current_exception();
        }
    }).join();
    try {
        std::rethrow_exception(travelling);
    } catch (const std::runtime_error &e) {
        check(std::string(e.what()) == "from afar", "an exception travels by exception_ptr");
    }

    // While another is handled; each thread has its own.
    std::atomic<int> nested{0};
    each(4, [&](int i) {
        try {
            throw i;
        } catch (int outer) {
            std::this_thread::sleep_for(5ms);
            try {
                throw std::to_string(outer);
            } catch (const std::string &inner) {
                nested += inner == std::to_string(i) && std::uncaught_exceptions() == 0;
            }
        }
    });
    check(nested == 4, "exceptions inside handlers of four threads");

    bool thrown = false;
    try {
        (void)std::stoi("no number");
    } catch (const std::invalid_argument &) {
        thrown = true;
    }
    check(thrown, "an exception thrown by the C++ library");
}

// ---- pthread_exit and cancellation unwind C++ frames
static void forced_unwinding() {
    static std::atomic<int> unwound;
    pthread_t t;
    void *result = nullptr;
    pthread_create(
        &t, nullptr,
        [](void *) -> void * {
            Guard guard(unwound);
            std::string text(1000, 'a');
            pthread_exit(const_cast<char *>("out"));
        },
        nullptr);
    pthread_join(t, &result);
    check(unwound == 1 && result && !std::strcmp(static_cast<char *>(result), "out"), "pthread_exit runs destructors");

    static std::atomic<int> seen;
    pthread_create(
        &t, nullptr,
        [](void *) -> void * {
            Guard guard(unwound);
            try {
                for (;;)
                    sleep(100);
            } catch (...) { // a cancellation must be rethrown
                seen++;
                throw;
            }
        },
        nullptr);
    std::this_thread::sleep_for(20ms);
    pthread_cancel(t);
    pthread_join(t, &result);
    check(unwound == 2 && seen == 1 && result == PTHREAD_CANCELED, "cancellation passes catch (...) and destructors");
}

// ---- async, futures, packaged tasks
static void asynchronous() {
    std::vector<std::future<long>> parts;
    for (int i = 0; i < 8; i++)
        parts.push_back(std::async(std::launch::async, [i] {
            std::vector<long> v(10000);
            std::iota(v.begin(), v.end(), i * 10000L);
            return std::accumulate(v.begin(), v.end(), 0L);
        }));
    long sum = 0;
    for (auto &part : parts)
        sum += part.get();
    check(sum == 80000L * 79999 / 2, "std::async");

    auto failing = std::async(std::launch::async, []() -> int { throw std::logic_error("inside"); });
    bool caught = false;
    try {
        failing.get();
    } catch (const std::logic_error &e) {
        caught = std::string(e.what()) == "inside";
    }
    check(caught, "an exception comes out of a future");

    auto deferred = std::async(std::launch::deferred, [] { return std::this_thread::get_id(); });
    check(deferred.get() == std::this_thread::get_id(), "deferred work runs here");

    std::packaged_task<int(int)> task([](int n) { return n * 2; });
    auto doubled = task.get_future();
    std::thread runner(std::move(task), 21);
    check(doubled.get() == 42, "packaged_task");
    runner.join();

    auto slow = std::async(std::launch::async, [] { std::this_thread::sleep_for(200ms); });
    auto early = slow.wait_for(10ms);
    check(early == std::future_status::timeout && slow.wait_for(20s) == std::future_status::ready,
          "wait_for of a future");

    std::promise<int> promise;
    std::shared_future<int> shared(promise.get_future());
    std::atomic<int> total{0};
    std::thread setter([&] { promise.set_value(5); });
    each(6, [&](int) { total += shared.get(); });
    setter.join();
    check(total == 30, "six threads share a future");
}

// ---- call_once
static void once() {
    std::once_flag flag;
    std::atomic<int> tries{0}, done{0}, thrown{0};
    each(8, [&](int) {
        try {
            std::call_once(flag, [&] {
                if (tries++ < 3)
                    throw std::runtime_error("not yet");
                std::this_thread::sleep_for(10ms);
                done++;
            });
            if (done != 1)
                done = 100;
        } catch (const std::runtime_error &) {
            thrown++;
        }
    });
    check(tries == 4 && thrown == 3 && done == 1, "call_once that throws is tried again by others");

    std::atomic<int> statics{0};
    auto initialise = [&]() -> int & {
        static int value = [&] {
            std::this_thread::sleep_for(5ms);
            return ++statics;
        }();
        return value;
    };
    each(8, [&](int) { (void)initialise(); });
    check(statics == 1, "a function's static is initialised once");
}

// ---- locks
static void locks() {
    std::mutex m;
    std::recursive_mutex recursive;
    long n = 0;
    each(4, [&](int) {
        for (int i = 0; i < 20000; i++) {
            std::lock_guard<std::mutex> lock(m);
            n++;
        }
    });
    check(n == 80000, "std::mutex");

    n = 0;
    std::function<void(int)> nest = [&](int depth) {
        std::lock_guard<std::recursive_mutex> lock(recursive);
        if (depth)
            nest(depth - 1);
        else
            n++;
    };
    each(4, [&](int) {
        for (int i = 0; i < 1000; i++)
            nest(5);
    });
    check(n == 4000, "std::recursive_mutex");

    std::mutex a, b;
    n = 0;
    each(4, [&](int i) {
        for (int turn = 0; turn < 3000; turn++) {
            if (i % 2) {
                std::scoped_lock both(a, b);
                n++;
            } else {
                std::scoped_lock both(b, a);
                n++;
            }
        }
    });
    check(n == 12000, "scoped_lock of two mutexes in both orders");

    std::timed_mutex timed;
    timed.lock();
    bool got = true;
    auto start = std::chrono::steady_clock::now();
    std::thread([&] { got = timed.try_lock_for(50ms); }).join();
    auto took = std::chrono::steady_clock::now() - start;
    check(!got && took >= 50ms && took < 10s, "timed_mutex gives up at its time");
    timed.unlock();

    std::shared_mutex shared;
    int value = 0, twice = 0;
    std::atomic<int> torn{0};
    each(6, [&](int i) {
        for (int turn = 0; turn < 5000; turn++) {
            if (i == 0) {
                std::unique_lock<std::shared_mutex> lock(shared);
                value++;
                twice += 2;
            } else {
                std::shared_lock<std::shared_mutex> lock(shared);
                torn += twice != 2 * value;
            }
        }
    });
    check(value == 5000 && torn == 0, "shared_mutex: five readers, one writer");

    std::shared_timed_mutex reading;
    reading.lock_shared();
    bool wrote = true, read = false;
    std::thread([&] {
        wrote = reading.try_lock_for(30ms);
        read = reading.try_lock_shared_until(std::chrono::steady_clock::now() + 30ms);
        if (read)
            reading.unlock_shared();
    }).join();
    reading.unlock_shared();
    check(!wrote && read, "shared_timed_mutex");
}

// ---- condition variables
static void conditions() {
    std::mutex m;
    std::condition_variable not_empty, not_full;
    std::deque<int> queue;
    std::atomic<long> sum{0};
    each(6, [&](int i) {
        if (i < 3) {
            for (int n = 0; n < 3000; n++) {
                std::unique_lock<std::mutex> lock(m);
                not_full.wait(lock, [&] { return queue.size() < 5; });
                queue.push_back(n);
                not_empty.notify_one();
            }
        } else {
            for (int n = 0; n < 3000; n++) {
                std::unique_lock<std::mutex> lock(m);
                if (!not_empty.wait_for(lock, 20s, [&] { return !queue.empty(); }))
                    return;
                sum += queue.front();
                queue.pop_front();
                not_full.notify_one();
            }
        }
    });
    check(sum == 3L * 3000 * 2999 / 2, "three producers, three consumers, five places");

    std::unique_lock<std::mutex> lock(m);
    std::condition_variable never;
    auto start = std::chrono::steady_clock::now();
    auto status = never.wait_until(lock, start + 40ms);
    auto system_status = never.wait_until(lock, std::chrono::system_clock::now() + 40ms);
    check(status == std::cv_status::timeout && system_status == std::cv_status::timeout &&
              std::chrono::steady_clock::now() - start >= 75ms,
          "wait_until on both clocks");
    lock.unlock();

    std::condition_variable_any any;
    std::shared_mutex shared;
    bool go = false;
    std::atomic<int> went{0};
    std::thread waiter([&] {
        std::shared_lock<std::shared_mutex> held(shared);
        any.wait(held, [&] { return go; });
        went++;
    });
    {
        std::unique_lock<std::shared_mutex> held(shared);
        go = true;
    }
    any.notify_all();
    waiter.join();
    check(went == 1, "condition_variable_any over a shared_mutex");

    // Objects on a stack that ends as soon as the waiter has gone on.
    for (int i = 0; i < 300; i++) {
        auto cv = std::make_unique<std::condition_variable>();
        auto mu = std::make_unique<std::mutex>();
        bool ready = false;
        std::thread t([&] {
            std::lock_guard<std::mutex> l(*mu);
            ready = true;
            cv->notify_one();
        });
        {
            std::unique_lock<std::mutex> l(*mu);
            cv->wait(l, [&] { return ready; });
        }
        t.join();
    }
    check(true, "300 short-lived condition variables");

    std::mutex exit_mutex;
    std::condition_variable exit_cv;
    bool exited = false;
    std::thread([&] {
        std::unique_lock<std::mutex> l(exit_mutex);
        exited = true;
        std::notify_all_at_thread_exit(exit_cv, std::move(l));
    }).detach();
    std::unique_lock<std::mutex> l(exit_mutex);
    check(exit_cv.wait_for(l, 20s, [&] { return exited; }), "notify_all_at_thread_exit");
}

#if __cplusplus >= 202002L
static void newer() {
    std::atomic<int> turns{0};
    {
        std::jthread spinner([&](std::stop_token stop) {
            while (!stop.stop_requested()) {
                turns++;
                std::this_thread::sleep_for(1ms);
            }
        });
        std::this_thread::sleep_for(30ms);
    }
    check(turns > 0, "jthread is stopped and joined by its destructor");

    std::mutex m;
    std::condition_variable_any cv;
    bool stopped = false;
    std::jthread waiter([&](std::stop_token stop) {
        std::unique_lock<std::mutex> lock(m);
        stopped = !cv.wait(lock, stop, [] { return false; });
    });
    waiter.request_stop();
    waiter.join();
    check(stopped, "a stop request ends a wait");

    std::atomic<int> phases{0}, wrong{0};
    std::barrier barrier(4, [&]() noexcept { phases++; });
    each(4, [&](int) {
        for (int i = 0; i < 200; i++) {
            barrier.arrive_and_wait();
            wrong += phases < i + 1;
        }
    });
    check(phases == 200 && wrong == 0, "std::barrier");

    std::latch latch(5);
    std::atomic<int> before{0};
    each(5, [&](int) {
        before++;
        latch.arrive_and_wait();
        wrong += before != 5;
    });
    check(wrong == 0, "std::latch");

    std::counting_semaphore<3> room(3);
    std::atomic<int> inside{0}, most{0};
    each(8, [&](int) {
        for (int i = 0; i < 200; i++) {
            room.acquire();
            int now = ++inside, m2 = most;
            while (now > m2 && !most.compare_exchange_weak(m2, now)) {
            }
            inside--;
            room.release();
        }
    });
    check(most >= 1 && most <= 3, "counting_semaphore");
    check(!std::binary_semaphore(0).try_acquire_for(20ms), "try_acquire_for gives up");

    std::atomic<int> word{0};
    std::jthread changer([&] {
        std::this_thread::sleep_for(10ms);
        word = 1;
        word.notify_all();
    });
    word.wait(0);
    check(word == 1, "atomic wait and notify");
}
#endif

int main() {
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    threads();
    locals();
    exceptions();
    forced_unwinding();
    asynchronous();
    once();
    locks();
    conditions();
#if __cplusplus >= 202002L
    newer();
#endif
    std::printf("1..%d\n", count);
    return failed != 0;
}
