// Options, workers and result lines of the Boost.Fiber jobs.
#include "peer.hpp"

#include <boost/version.hpp>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

namespace peer {

options opt;

void fail(const std::string &what) {
    std::fprintf(stderr, "boost_peer: %s\n", what.c_str());
    std::_Exit(1);
}

std::string text(const char *format, ...) {
    char buffer[256];
    va_list ap;
    va_start(ap, format);
    std::vsnprintf(buffer, sizeof buffer, format, ap);
    va_end(ap);
    return buffer;
}

void result(const std::string &name, double figure, const char *unit, const std::string &extra) {
    std::printf("%s %.4f %s %s%scpus=%d model=boost_fiber-%d.%d\n", name.c_str(), figure, unit, extra.c_str(),
                extra.empty() ? "" : " ", opt.workers, BOOST_VERSION / 100000, BOOST_VERSION / 100 % 1000);
    std::fflush(stdout);
}

double resident() {
    std::ifstream status("/proc/self/status");
    std::string row;
    double kib = 0, n;
    while (std::getline(status, row))
        if (std::sscanf(row.c_str(), "VmRSS: %lf", &n) == 1 || std::sscanf(row.c_str(), "VmPTE: %lf", &n) == 1)
            kib += n;
    return kib * 1024;
}

double share(const std::vector<std::uint64_t> &counts) {
    std::uint64_t least = ~std::uint64_t(0), sum = 0;
    for (auto n : counts) {
        least = n < least ? n : least;
        sum += n;
    }
    return sum ? double(least) * double(counts.size()) / double(sum) : 0;
}

double share(const std::vector<line> &counts) {
    std::vector<std::uint64_t> plain;
    for (auto &c : counts)
        plain.push_back(c.n);
    return share(plain);
}

// ---- stacks

namespace {
constexpr std::size_t KEPT = 4096, MOVED = 2048;
std::mutex common_mutex;
std::vector<void *> common;
thread_local std::vector<void *> kept;
} // namespace

boost::context::stack_context kept_stack::allocate() {
    if (kept.empty()) {
        std::lock_guard<std::mutex> lock(common_mutex);
        std::size_t n = common.size() < MOVED ? common.size() : MOVED;
        kept.insert(kept.end(), common.end() - long(n), common.end());
        common.resize(common.size() - n);
    }
    if (kept.empty()) { // pages of their own, so that a stack in use is one page and not parts of two
        enum { MANY = 64 };
        char *more = static_cast<char *>(std::aligned_alloc(4096, MANY * SIZE));
        if (!more)
            fail("out of memory");
        for (int i = MANY - 1; i >= 0; i--)
            kept.push_back(more + i * SIZE);
    }
    void *low = kept.back();
    kept.pop_back();
    boost::context::stack_context stack;
    stack.size = SIZE;
    stack.sp = static_cast<char *>(low) + SIZE;
    return stack;
}

void kept_stack::deallocate(boost::context::stack_context &stack) {
    kept.push_back(static_cast<char *>(stack.sp) - stack.size);
    if (opt.workers > 1 && kept.size() > KEPT) {
        std::lock_guard<std::mutex> lock(common_mutex);
        common.insert(common.end(), kept.end() - long(MOVED), kept.end());
        kept.resize(kept.size() - MOVED);
    }
}

// ---- workers

namespace {

// Runs a job with opt.workers kernel threads, of which this is the first.
void with_workers(void (*job)()) {
    if (opt.workers == 1 || opt.cross) { // across, the job brings its own second thread
        job();
        return;
    }
    fibers::mutex mutex;
    fibers::condition_variable over_cond;
    bool over = false;
    std::vector<std::thread> others;
    for (int i = 1; i < opt.workers; i++)
        others.emplace_back([&] {
            fibers::use_scheduling_algorithm<fibers::algo::work_stealing>(std::uint32_t(opt.workers));
            std::unique_lock<fibers::mutex> lock(mutex);
            over_cond.wait(lock, [&] { return over; });
        });
    fibers::use_scheduling_algorithm<fibers::algo::work_stealing>(std::uint32_t(opt.workers));
    job();
    // The library's end of several threads is delicate, and nothing is left to be verified.
    std::fflush(stdout);
    std::_Exit(0);
}

} // namespace

} // namespace peer

int main(int argc, char **argv) {
    using namespace peer;
    const std::map<std::string, void (*)()> jobs = {
        {"yield", yield_job},       {"pingpong", pingpong}, {"ring", ring},
        {"mutex", mutex_job},       {"meet", meet},         {"chan", channel},
        {"spawn_join", spawn_join}, {"parked", parked},     {"spawn_batch", spawn_batch},
        {"forkjoin", forkjoin},     {"skynet", skynet},     {"timers", timers}};
    if (argc < 2 || !jobs.count(argv[1]))
        fail("which job?");
    for (int i = 2; i < argc; i++) {
        std::string word = argv[i];
        if (word == "--cross") {
            opt.cross = true;
            continue;
        }
        if (i + 1 == argc)
            fail(word + " needs a number");
        double n = std::atof(argv[++i]);
        if (word == "--workers")
            opt.workers = int(n);
        else if (word == "--seconds")
            opt.seconds = n;
        else if (word == "--threads")
            opt.threads = int(n);
        else if (word == "--count")
            opt.count = long(n);
        else
            fail("unknown option " + word);
    }
    with_workers(jobs.at(argv[1]));
    return 0;
}
