// Starting and ending fibers, and having many.
#include "peer.hpp"

#include <algorithm>
#include <memory>
#include <random>
#include <sys/resource.h>

namespace peer {

// Start one, wait for its end.
void spawn_join() {
    std::uint64_t started = 0, ran = 0;
    auto some = [&](int n) {
        for (int i = 0; i < n; i++)
            start_at_once([&] { ran++; }).join();
        started += std::uint64_t(n);
    };
    some(1000);
    double from = now(), to;
    do {
        some(64);
        to = now();
    } while (to - from < opt.seconds);
    verify(started == ran, "not all ran");
    result("spawn_join", (to - from) * 1e9 / double(started - 1000), "ns");
}

// Start --count, wait for the end of all.  Gated, none ends before all have been started.
static double batch(bool gated) {
    group all;
    fibers::mutex mutex;
    fibers::condition_variable gate;
    bool open = !gated;
    std::atomic<long> ended{0};
    all.add(opt.count);
    double from = now();
    for (long i = 0; i < opt.count; i++)
        start([&] {
            if (gated) {
                std::unique_lock<fibers::mutex> lock(mutex);
                gate.wait(lock, [&] { return open; });
            }
            ended++;
            all.done();
        }).detach();
    verify(!gated || ended == 0, "some ended early");
    if (gated) {
        std::unique_lock<fibers::mutex> lock(mutex);
        open = true;
        gate.notify_all();
    }
    all.wait();
    verify(ended == opt.count, "not all ended");
    return (now() - from) * 1e9 / double(opt.count);
}

void spawn_batch() {
    double first = batch(true);
    result("spawn_batch_1m", batch(true), "ns", text("count=%ld", opt.count));
    result("spawn_batch_1m_first", first, "ns");
    result("spawn_batch_1m_free", batch(false), "ns");
}

namespace {
struct one {
    fibers::mutex mutex;
    fibers::condition_variable cond;
    int wanted = 0, woken = 0;
    bool stop = false;
};
} // namespace

// --count fibers that wait, each for a condition of its own.
void parked() {
    const std::size_t n = std::size_t(opt.count);
    double before = resident();
    auto all = std::make_unique<one[]>(n);
    group ready, ended;
    std::vector<std::size_t> in_order(n);
    for (std::size_t i = 0; i < n; i++)
        in_order[i] = i;
    double order_bytes = double(n * sizeof in_order[0]);
    auto create = [&] {
        ready.add(opt.count);
        ended.add(opt.count);
        double from = now();
        for (std::size_t i = 0; i < n; i++)
            start([&ready, &ended, me = &all[i]] {
                std::unique_lock<fibers::mutex> lock(me->mutex);
                for (;;) {
                    ready.done();
                    me->cond.wait(lock, [&] { return me->wanted > me->woken || me->stop; });
                    if (me->stop)
                        break;
                    me->woken++;
                }
                lock.unlock();
                ended.done();
            }).detach();
        ready.wait();
        return (now() - from) * 1e9 / double(n);
    };
    auto wake = [&](const std::vector<std::size_t> &order, bool stop) {
        (stop ? ended : ready).add(stop ? 0 : opt.count);
        double from = now();
        for (std::size_t i : order) {
            std::unique_lock<fibers::mutex> lock(all[i].mutex);
            all[i].stop = stop;
            all[i].wanted += !stop;
            all[i].cond.notify_one();
        }
        (stop ? ended : ready).wait();
        return (now() - from) * 1e9 / double(n);
    };
    double first = create();
    double bytes = (resident() - before - order_bytes) / double(n);
    wake(in_order, true);
    for (std::size_t i = 0; i < n; i++)
        all[i].stop = false;
    double again = create();
    double in = wake(in_order, false);
    std::shuffle(in_order.begin(), in_order.end(), std::mt19937(1));
    double random = wake(in_order, false);
    wake(in_order, true);
    for (std::size_t i = 0; i < n; i++)
        verify(all[i].woken == 2, "a fiber was not woken twice");
    result("parked_1m", bytes, "B", text("count=%ld", opt.count));
    result("parked_1m_create_first", first, "ns");
    result("parked_1m_create", again, "ns");
    result("parked_1m_wake", in, "ns");
    result("parked_1m_wake_random", random, "ns");
}

static long fib(int n) {
    if (n < 2)
        return n;
    long a = 0;
    auto child = start_at_once([&a, n] { a = fib(n - 1); });
    long b = fib(n - 2);
    child.join();
    return a + b;
}

// fib(22), a fiber for each fib(n - 1): 28,656 of them.
void forkjoin() {
    verify(fib(22) == 17711, "wrong sum");
    double from = now(), to;
    long turns = 0;
    do {
        verify(fib(22) == 17711, "wrong sum");
        turns++;
        to = now();
    } while (to - from < opt.seconds);
    result("forkjoin_fib", (to - from) * 1e9 / double(turns * 28656), "ns");
}

static long skynet_node(long number, long size) {
    if (size == 1)
        return number;
    long sums[10];
    fibers::fiber children[10];
    for (long i = 0; i < 10; i++)
        children[i] = start_at_once(
            [&sums, i, number, size] { sums[i] = skynet_node(number + i * (size / 10), size / 10); });
    long sum = 0;
    for (long i = 0; i < 10; i++) {
        children[i].join();
        sum += sums[i];
    }
    return sum;
}

// A tree of fibers, ten below each, a million leaves.
void skynet() {
    auto once = [] {
        double from = now();
        long sum = 0;
        start_at_once([&] { sum = skynet_node(0, 1000000); }).join();
        verify(sum == 499999500000, "wrong sum");
        return now() - from;
    };
    double first = once();
    result("skynet_1m", once(), "s");
    result("skynet_1m_first", first, "s");
}

// --count fibers sleep a time between 0 and 1 s each; CPU seconds.
void timers() {
    auto spent = [] {
        struct rusage r;
        verify(getrusage(RUSAGE_SELF, &r) == 0, "getrusage");
        return double(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
               double(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
    };
    std::mt19937 random(1);
    auto once = [&](std::chrono::nanoseconds more) {
        group all;
        std::atomic<long> early{0};
        double from = spent();
        all.add(opt.count);
        for (long i = 0; i < opt.count; i++) {
            std::chrono::nanoseconds span = std::chrono::nanoseconds(random() % 1000000000) + more;
            start([&, span] {
                auto began = std::chrono::steady_clock::now();
                boost::this_fiber::sleep_for(span);
                if (std::chrono::steady_clock::now() - began < span)
                    early++;
                all.done();
            }).detach();
        }
        all.wait();
        verify(early == 0, "some woke early");
        return spent() - from;
    };
    using namespace std::chrono_literals;
    double first = once(0s);
    once(2s); /* all alive at once, or the next would meet new memory */
    result("timers_1m", once(0s), "s", text("count=%ld", opt.count));
    result("timers_1m_first", first, "s");
}

} // namespace peer
