// Fibers that give way to each other, share a mutex, or pass messages.
#include "peer.hpp"

#include <mutex>
#include <thread>

namespace peer {

// --threads fibers give way in turn.
void yield_job() {
    std::vector<line> counts(std::size_t(opt.threads));
    std::atomic<bool> go{false}, stop{false};
    std::vector<fibers::fiber> all;
    for (auto &me : counts)
        all.push_back(start([&] {
            while (!go)
                yield();
            while (!stop.load(std::memory_order_relaxed)) {
                yield();
                me.n++;
            }
        }));
    for (int i = 0; i < 3; i++)
        yield();
    double from = 0, elapsed = 0;
    std::thread timer([&] {
        from = now();
        go = true;
        std::this_thread::sleep_for(std::chrono::duration<double>(opt.seconds));
        stop = true;
        elapsed = now() - from;
    });
    for (auto &f : all)
        f.join();
    timer.join();
    std::uint64_t sum = 0;
    for (auto &c : counts)
        sum += c.n;
    verify(sum > 0, "nothing was done");
    result(text("yield_%d", opt.threads), elapsed * 1e9 / double(sum), "ns", text("share=%.3f", share(counts)));
}

// A message there, a message back.
void pingpong() {
    fibers::unbuffered_channel<int> there, back;
    auto echo = [&] {
        for (int n : there)
            back.push(n + 1);
        back.close();
    };
    std::thread other;
    fibers::fiber near;
    if (opt.cross)
        other = std::thread(echo);
    else
        near = start(echo);
    auto turn = [&](int n) {
        there.push(n);
        int got = 0;
        back.pop(got);
        verify(got == n + 1, "another message came back");
    };
    for (int i = 0; i < 1000; i++)
        turn(i);
    double from = now(), to;
    long turns = 0;
    do {
        for (int i = 0; i < 64; i++)
            turn(i);
        turns += 64;
        to = now();
    } while (to - from < opt.seconds);
    there.close();
    if (opt.cross)
        other.join();
    else
        near.join();
    result(opt.cross ? "pingpong_cross" : "pingpong_same", (to - from) * 1e9 / double(turns), "ns");
}

// A token goes round through --threads fibers.
void ring() {
    using link = fibers::unbuffered_channel<int>;
    std::vector<link> links(std::size_t(opt.threads));
    std::vector<fibers::fiber> all;
    for (std::size_t i = 0; i + 1 < links.size(); i++)
        all.push_back(start([from = &links[i], to = &links[i + 1]] {
            for (int token : *from)
                to->push(token + 1);
            to->close();
        }));
    auto round = [&] {
        links.front().push(0);
        int token = -1;
        links.back().pop(token);
        verify(token == opt.threads - 1, "the token went astray");
    };
    for (int i = 0; i < 10; i++)
        round();
    double from = now(), to;
    long rounds = 0;
    do {
        for (int i = 0; i < 4; i++)
            round();
        rounds += 4;
        to = now();
    } while (to - from < opt.seconds);
    links.front().close();
    for (auto &f : all)
        f.join();
    result(text("ring_%d", opt.threads), (to - from) * 1e9 / double(rounds * opt.threads), "ns");
}

// --threads fibers meet again and again, by a mutex and a condition variable.
void meet() {
    constexpr unsigned long warm_up = 64;
    fibers::mutex mutex;
    fibers::condition_variable all_here;
    int arrived = 0;
    unsigned long meetings = 0;
    bool stop = false;
    double from = 0, to = 0;
    std::vector<line> counts(std::size_t(opt.threads));
    std::vector<fibers::fiber> all;
    for (auto &me : counts)
        all.push_back(start([&] {
            for (bool stopped = false; !stopped; me.n++) {
                std::unique_lock<fibers::mutex> lock(mutex);
                unsigned long next = meetings + 1;
                if (++arrived == opt.threads) {
                    arrived = 0;
                    if (++meetings % warm_up == 0) {
                        to = now();
                        if (meetings == warm_up)
                            from = to;
                        stop = to - from >= opt.seconds;
                    }
                    all_here.notify_all();
                }
                while (meetings < next)
                    all_here.wait(lock);
                stopped = stop;
            }
        }));
    for (auto &f : all)
        f.join();
    for (auto &c : counts)
        verify(c.n == meetings, "not all were at each meeting");
    result(text("cond_meet_%d", opt.threads),
           (to - from) * 1e9 / double((meetings - warm_up) * unsigned(opt.threads)), "ns");
}

// --threads fibers lock and unlock one mutex; share: in the worst of the windows of 100 ms.
void mutex_job() {
    const double span = 0.1;
    const std::size_t n = std::size_t(opt.threads);
    struct alignas(128) counter {
        std::atomic<std::uint64_t> n{0};
    };
    struct alignas(128) {
        fibers::mutex mutex;
        std::uint64_t pairs = 0;
    } shared;
    std::vector<counter> counts(n);
    std::atomic<bool> stop{false};
    std::vector<fibers::fiber> all;
    for (auto &me : counts)
        all.push_back(start([&] {
            std::uint64_t mine = 0;
            while (!stop.load(std::memory_order_relaxed)) {
                shared.mutex.lock();
                shared.pairs++;
                shared.mutex.unlock();
                me.n.store(++mine, std::memory_order_relaxed);
                // A fiber that never gives way would be the only one: the fibers of the library are
                // cooperative.
                if (mine % 64 == 0)
                    yield();
            }
        }));
    double worst = 1e9, elapsed = 0;
    std::uint64_t units = 0;
    std::thread observer([&] {
        auto picture = [&] {
            std::vector<std::uint64_t> p;
            for (auto &c : counts)
                p.push_back(c.n.load(std::memory_order_relaxed));
            return p;
        };
        std::this_thread::sleep_for(std::chrono::duration<double>(span / 5));
        auto before = picture();
        double from = now();
        int windows = int(opt.seconds / span + 0.5) > 1 ? int(opt.seconds / span + 0.5) : 1;
        for (int w = 0; w < windows; w++) {
            std::this_thread::sleep_for(std::chrono::duration<double>(span));
            auto after = picture(), part = after;
            for (std::size_t i = 0; i < n; i++) {
                part[i] -= before[i];
                units += part[i];
            }
            worst = std::min(worst, share(part));
            before = after;
        }
        elapsed = now() - from;
        stop = true;
    });
    for (auto &f : all)
        f.join();
    observer.join();
    std::uint64_t sum = 0;
    for (auto &c : counts)
        sum += c.n;
    verify(sum == shared.pairs && units > 0, "the mutex did not exclude");
    result(text("mutex_mn_%d", opt.threads), elapsed * 1e9 / double(units), "ns", text("share=%.3f", worst));
}

// 16 fibers send, 16 receive, through one channel.
void channel() {
    enum { ENDS = 16, CAPACITY = 128 };
    fibers::buffered_channel<std::uint64_t> ch(CAPACITY);
    std::vector<line> sent(ENDS), received(ENDS), sums(2 * ENDS);
    std::atomic<bool> stop{false};
    std::vector<fibers::fiber> senders, receivers;
    double from = now();
    for (int i = 0; i < ENDS; i++) {
        receivers.push_back(start([&, i] {
            std::uint64_t v;
            while (ch.pop(v) == fibers::channel_op_status::success) {
                received[std::size_t(i)].n++;
                sums[std::size_t(i)].n += v;
            }
        }));
        senders.push_back(start([&, i] {
            for (std::uint64_t v = 0; !stop.load(std::memory_order_relaxed); v++) {
                ch.push(v);
                sent[std::size_t(i)].n++;
                sums[std::size_t(ENDS + i)].n += v;
            }
        }));
    }
    std::thread timer([&] {
        std::this_thread::sleep_for(std::chrono::duration<double>(opt.seconds));
        stop = true;
    });
    for (auto &f : senders)
        f.join();
    ch.close();
    for (auto &f : receivers)
        f.join();
    double elapsed = now() - from;
    timer.join();
    std::uint64_t in = 0, out = 0, wrong = 0;
    for (std::size_t i = 0; i < ENDS; i++) {
        in += sent[i].n;
        out += received[i].n;
        wrong += sums[ENDS + i].n - sums[i].n;
    }
    verify(in == out && wrong == 0, "messages were lost");
    result("chan_mpmc_16", elapsed * 1e9 / double(in), "ns",
           text("share=%.3f capacity=%d", std::min(share(sent), share(received)), CAPACITY));
}

} // namespace peer
