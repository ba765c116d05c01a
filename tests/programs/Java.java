import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.*;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.LongAdder;
import java.util.stream.IntStream;
import java.util.stream.LongStream;

/** Executors, parallel streams, monitors, interrupts, thread locals and collections of garbage; exit code 0: all right. */
public class Java {
    static int failed;

    static void check(boolean passed, String name) {
        if (!passed) {
            failed++;
            System.out.println("wrong: " + name);
        }
    }

    static synchronized void touch(int[] n) {
        n[0]++;
    }

    public static void main(String[] args) throws Exception {
        ExecutorService pool = Executors.newFixedThreadPool(6);
        List<Future<Long>> parts = new ArrayList<>();
        for (int i = 0; i < 60; i++) {
            final long from = i * 1000L;
            parts.add(pool.submit(() -> LongStream.range(from, from + 1000).sum()));
        }
        long sum = 0;
        for (Future<Long> part : parts)
            sum += part.get();
        check(sum == 60000L * 59999 / 2, "executor");

        check(IntStream.range(0, 1_000_000).parallel().mapToLong(i -> i).sum() == 1_000_000L * 999_999 / 2, "stream");

        int[] n = {0};
        CountDownLatch latch = new CountDownLatch(6);
        for (int i = 0; i < 6; i++)
            pool.submit(() -> {
                for (int k = 0; k < 20000; k++)
                    touch(n);
                latch.countDown();
            });
        check(latch.await(30, TimeUnit.SECONDS) && n[0] == 120000, "monitors");

        Object monitor = new Object();
        AtomicInteger turn = new AtomicInteger();
        Thread[] pair = new Thread[2];
        for (int i = 0; i < 2; i++) {
            final int me = i;
            pair[i] = new Thread(() -> {
                for (int k = 0; k < 2000; k++)
                    synchronized (monitor) {
                        while (turn.get() % 2 != me)
                            try {
                                monitor.wait(1000);
                            } catch (InterruptedException e) {
                                return;
                            }
                        turn.incrementAndGet();
                        monitor.notifyAll();
                    }
            });
            pair[i].start();
        }
        for (Thread t : pair)
            t.join();
        check(turn.get() == 4000, "wait and notify");

        AtomicInteger interrupted = new AtomicInteger();
        Thread sleeper = new Thread(() -> {
            try {
                Thread.sleep(100_000);
            } catch (InterruptedException e) {
                interrupted.incrementAndGet();
            }
        });
        sleeper.start();
        sleeper.interrupt();
        sleeper.join();
        check(interrupted.get() == 1, "interrupt");

        LongAdder garbage = new LongAdder();
        List<Future<?>> makers = new ArrayList<>();
        for (int i = 0; i < 4; i++)
            makers.add(pool.submit(() -> {
                byte[][] kept = new byte[64][];
                for (int k = 0; k < 20000; k++) {
                    kept[k % 64] = new byte[2000 + k % 3000];
                    garbage.add(kept[k % 64].length);
                }
            }));
        for (Future<?> maker : makers)
            maker.get();
        System.gc();
        check(garbage.sum() == 4L * IntStream.range(0, 20000).map(k -> 2000 + k % 3000).sum(), "garbage");

        List<Thread> many = new ArrayList<>();
        AtomicInteger ran = new AtomicInteger();
        for (int i = 0; i < 300; i++) {
            Thread t = new Thread(null, ran::incrementAndGet, "t" + i, 128 * 1024);
            many.add(t);
            t.start();
        }
        for (Thread t : many)
            t.join();
        check(ran.get() == 300, "300 threads");

        // The virtual machine turns a fault of a thread, and the end of its stack, into exceptions.
        AtomicInteger overflows = new AtomicInteger();
        for (int i = 0; i < 3; i++) {
            Thread t = new Thread(() -> {
                try {
                    recurse(0);
                } catch (StackOverflowError e) {
                    overflows.incrementAndGet();
                }
                try {
                    String nothing = System.getProperty("no such property");
                    nothing.length();
                } catch (NullPointerException e) {
                    overflows.incrementAndGet();
                }
            });
            t.start();
            t.join();
        }
        check(overflows.get() == 6, "stack overflow and null pointer: " + overflows.get());

        ProcessBuilder builder = new ProcessBuilder("/bin/echo", "child");
        Process child = builder.start();
        check(new String(child.getInputStream().readAllBytes()).trim().equals("child") && child.waitFor() == 0, "child");

        pool.shutdown();
        check(pool.awaitTermination(30, TimeUnit.SECONDS), "shutdown");
        System.out.println(failed == 0 ? "all right" : "failed");
        System.exit(failed == 0 ? 0 : 1);
    }

    static int recurse(int n) {
        return recurse(n + 1) + 1;
    }
}
