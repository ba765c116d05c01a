// What the jobs for Boost.Fiber share: options, result lines, stacks, workers.
//
//     boost_peer JOB --workers N [--seconds S] [--threads N] [--count N] [--cross]
//
// One worker: the default round-robin scheduler.  More: the library's work_stealing, one kernel thread a
// worker.
#ifndef PEER_HPP
#define PEER_HPP

#include <atomic>
#include <boost/fiber/all.hpp>
#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace peer {

namespace fibers = boost::fibers;
using boost::this_fiber::yield;

struct options {
    int workers = 1;
    double seconds = 0.3;
    int threads = 2;
    long count = 1000000;
    bool cross = false;
};
extern options opt;

[[noreturn]] void fail(const std::string &what);

inline void verify(bool ok, const char *what) {
    if (__builtin_expect(!ok, 0))
        fail(what);
}

void result(const std::string &name, double figure, const char *unit, const std::string &extra = "");

inline double now() { // seconds
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double resident(); // resident size and page tables, bytes

// A count alone on two cache lines.
struct alignas(128) line {
    std::uint64_t n = 0;
};

double share(const std::vector<std::uint64_t> &counts); // the smallest / the mean
double share(const std::vector<line> &counts);
std::string text(const char *format, ...) __attribute__((format(printf, 1, 2)));

// Stacks of 16 KiB that are kept when their fiber ends: a list a worker, and one that they share.  The
// library's own pooled_fixedsize_stack is not for several threads.
class kept_stack {
  public:
    enum { SIZE = 16384 };
    boost::context::stack_context allocate();
    void deallocate(boost::context::stack_context &);
};

// A new fiber: queued (post), or run at once (dispatch).
template <typename Fn> fibers::fiber start(Fn &&fn) {
    return fibers::fiber(fibers::launch::post, std::allocator_arg, kept_stack(), std::forward<Fn>(fn));
}
template <typename Fn> fibers::fiber start_at_once(Fn &&fn) {
    return fibers::fiber(fibers::launch::dispatch, std::allocator_arg, kept_stack(), std::forward<Fn>(fn));
}

// Blocks a fiber until a number of others have said done().
class group {
    std::atomic<long> left{0};
    fibers::mutex mutex;
    fibers::condition_variable all_done;

  public:
    void add(long n) {
        left.fetch_add(n);
    }
    void done() {
        if (left.fetch_sub(1) == 1) {
            std::unique_lock<fibers::mutex> lock(mutex);
            all_done.notify_all();
        }
    }
    void wait() {
        std::unique_lock<fibers::mutex> lock(mutex);
        all_done.wait(lock, [this] { return left.load() == 0; });
    }
};

void yield_job();
void pingpong();
void ring();
void meet();
void mutex_job();
void channel();
void spawn_join();
void spawn_batch();
void parked();
void forkjoin();
void skynet();
void timers();

} // namespace peer

#endif
