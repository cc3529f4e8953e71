//! What every user of io_uring here shares: a ring for one thread, and buffers that the kernel picks by itself.

mod buffers;

use std::io;
use std::time::Duration;

use io_uring::types::{SubmitArgs, Timespec};
use io_uring::{IoUring, squeue};

pub(crate) use buffers::Buffers;

/// A ring whose deferred work runs only when its thread asks for completions (Linux 6.1 or newer).
pub(crate) struct Ring {
    inner: IoUring,
    /// Calls into the kernel so far.
    pub(crate) entries: u64,
}

impl Ring {
    /// A ring for the calling thread alone, with room for `submissions` entries and eight times as many completions.
    pub(crate) fn new(submissions: u32) -> io::Result<Self> {
        let inner = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            // Tells without a system call whether deferred work waits.
            .setup_taskrun_flag()
            .setup_submit_all()
            .setup_cqsize(submissions * 8)
            .build(submissions)?;
        Ok(Self { inner, entries: 0 })
    }

    /// Registers a ring of buffers under `group`.
    ///
    /// # Safety
    ///
    /// `buffers` must outlive this ring.
    pub(crate) unsafe fn register(&self, buffers: &Buffers, group: u16) -> io::Result<()> {
        // SAFETY: the caller keeps the buffers for as long as the kernel knows them.
        unsafe {
            self.inner
                .submitter()
                .register_buf_ring_with_flags(buffers.address(), buffers.count(), group, 0)
        }
    }

    /// Queues an entry; a full queue is submitted first.
    ///
    /// # Safety
    ///
    /// Everything that the entry points to must stay as it is until its completion has been seen.
    pub(crate) unsafe fn push(&mut self, entry: &squeue::Entry) -> io::Result<()> {
        // SAFETY: the caller's promise.
        while unsafe { self.inner.submission().push(entry) }.is_err() {
            self.entries += 1;
            self.inner.submit()?;
        }
        Ok(())
    }

    /// Submits what is queued and runs deferred work, without waiting; no system call when there is nothing of either.
    pub(crate) fn poll(&mut self) -> io::Result<()> {
        let submission = self.inner.submission();
        let needed = !submission.is_empty() || submission.taskrun() || submission.cq_overflow();
        drop(submission);
        if !needed {
            return Ok(());
        }
        self.entries += 1;
        Self::tolerate(self.inner.submit())
    }

    /// Submits what is queued and waits for `want` completions or the timeout. With `gather`, completions are gathered for
    /// that long first; after it, the first one ends the wait (Linux 6.12 or newer).
    pub(crate) fn submit_and_wait(
        &mut self,
        want: usize,
        timeout: Duration,
        gather: Option<Duration>,
    ) -> io::Result<()> {
        let limit = Timespec::from(timeout);
        let mut arguments = SubmitArgs::new().timespec(&limit);
        if let Some(gather) = gather {
            arguments = arguments.min_wait_usec(gather.as_micros() as u32);
        }
        self.entries += 1;
        Self::tolerate(self.inner.submitter().submit_with_args(want, &arguments))
    }

    /// The completions that are there.
    pub(crate) fn completions(&mut self) -> io_uring::CompletionQueue<'_> {
        self.inner.completion()
    }

    fn tolerate(result: io::Result<usize>) -> io::Result<()> {
        match result {
            Ok(_) => Ok(()),
            // EBUSY: completions have to be taken before more can be made.
            Err(error) if matches!(error.raw_os_error(), Some(libc::ETIME | libc::EINTR | libc::EBUSY)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
