//! What Rust's standard library makes of POSIX threads; exit code 0: all right.
use std::cell::RefCell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{mpsc, Arc, Barrier, Condvar, Mutex, Once, RwLock};
use std::thread;
use std::time::{Duration, Instant};

static DROPPED: AtomicUsize = AtomicUsize::new(0);

struct Noted;
impl Drop for Noted {
    fn drop(&mut self) {
        DROPPED.fetch_add(1, Ordering::SeqCst);
    }
}

thread_local!(static LOCAL: RefCell<Option<Noted>> = const { RefCell::new(None) });

fn main() {
    let total = Arc::new(Mutex::new(0));
    let threads: Vec<_> = (0..8)
        .map(|i| {
            let total = total.clone();
            thread::Builder::new()
                .name(format!("worker{i}"))
                .stack_size(64 * 1024)
                .spawn(move || {
                    LOCAL.with(|l| *l.borrow_mut() = Some(Noted));
                    for _ in 0..10_000 {
                        *total.lock().unwrap() += 1;
                    }
                    i * i
                })
                .unwrap()
        })
        .collect();
    let squares: usize = threads.into_iter().map(|t| t.join().unwrap()).sum();
    assert_eq!((*total.lock().unwrap(), squares), (80_000, 140));
    assert_eq!(DROPPED.load(Ordering::SeqCst), 8, "thread locals are dropped");

    // A panic unwinds its thread and is the result of its join.
    std::panic::set_hook(Box::new(|_| {}));
    let panicking = thread::spawn(|| {
        let _guard = Noted;
        if true {
            panic!("inside");
        }
    });
    assert_eq!(*panicking.join().unwrap_err().downcast_ref::<&str>().unwrap(), "inside");
    assert_eq!(DROPPED.load(Ordering::SeqCst), 9);
    let _ = std::panic::take_hook();

    let (send, receive) = mpsc::sync_channel(3);
    for i in 0..4u64 {
        let send = send.clone();
        thread::spawn(move || (0..1000).for_each(|n| send.send(n * 4 + i).unwrap()));
    }
    drop(send);
    assert_eq!(receive.iter().sum::<u64>(), 4000 * 3999 / 2);

    let (barrier, once, ran) = (Barrier::new(4), Once::new(), AtomicUsize::new(0));
    let (pair, table) = ((Mutex::new(false), Condvar::new()), RwLock::new((0, 0)));
    thread::scope(|s| {
        for i in 0..4 {
            let (barrier, once, ran, pair, table) = (&barrier, &once, &ran, &pair, &table);
            s.spawn(move || {
                once.call_once(|| {
                    ran.fetch_add(1, Ordering::SeqCst);
                });
                barrier.wait();
                for _ in 0..1000 {
                    if i == 0 {
                        let mut t = table.write().unwrap();
                        t.0 += 1;
                        t.1 += 1;
                    } else {
                        let t = table.read().unwrap();
                        assert_eq!(t.0, t.1);
                    }
                }
                let mut open = pair.0.lock().unwrap();
                while !*open {
                    open = pair.1.wait(open).unwrap();
                }
            });
        }
        thread::sleep(Duration::from_millis(20));
        *pair.0.lock().unwrap() = true;
        pair.1.notify_all();
    });
    assert_eq!(ran.load(Ordering::SeqCst), 1);

    let start = Instant::now();
    let (_send, nothing) = mpsc::channel::<()>();
    assert!(nothing.recv_timeout(Duration::from_millis(20)).is_err());
    assert!(start.elapsed() >= Duration::from_millis(20));
    let waiter = thread::spawn(thread::park);
    waiter.thread().unpark();
    waiter.join().unwrap();
}
