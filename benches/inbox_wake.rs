//! What it costs to reach another shard: a message put into its inbox while it is awake, and while it sleeps, when an
//! eventfd has to be written besides.

use std::io::Write;
use std::os::fd::{FromRawFd, OwnedFd};

use criterion::{Criterion, criterion_group, criterion_main};
use signal_fish_relay::shard::{InboxLimits, Priority, Wake, inbox};

struct Bell(std::fs::File);

impl Wake for Bell {
    fn wake(&self) {
        (&self.0)
            .write_all(&1_u64.to_ne_bytes())
            .expect("an eventfd takes a count");
    }
}

fn bench(criterion: &mut Criterion) {
    // SAFETY: the call makes a new descriptor, and nobody else owns it.
    let bell = unsafe { OwnedFd::from_raw_fd(libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC)) };
    let limits = InboxLimits { bulk: 64, reserve: 8 };
    let (sender, inbox) = inbox::<u64>(limits, Box::new(Bell(bell.into())));
    let mut group = criterion.benchmark_group("inbox");
    group.bench_function("awake", |bencher| {
        bencher.iter(|| {
            sender.try_send(Priority::Bulk, 1).expect("there is room");
            inbox.try_recv()
        });
    });
    group.bench_function("asleep", |bencher| {
        bencher.iter(|| {
            assert!(inbox.prepare_to_sleep());
            sender.try_send(Priority::Bulk, 1).expect("there is room");
            inbox.awake();
            inbox.try_recv()
        });
    });
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
