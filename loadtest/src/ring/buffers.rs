//! Buffers that the kernel fills in the order in which it gets them back, and the ring that tells it which are free.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::io;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::types::BufRingEntry;

const PAGE_BYTES: usize = 4096;

/// `count` buffers of equal size.
pub(crate) struct Buffers {
    entries: *mut BufRingEntry,
    layout: Layout,
    memory: Vec<u8>,
    count: u16,
    bytes_each: usize,
    /// Written to the shared tail by [`Buffers::publish`]; wraps.
    tail: u16,
}

impl Buffers {
    /// `count` must be a power of two.
    pub(crate) fn new(count: u16, bytes_each: usize) -> io::Result<Self> {
        assert!(count.is_power_of_two(), "the kernel asks for a power of two");
        let layout = Layout::array::<BufRingEntry>(usize::from(count))
            .and_then(|layout| layout.align_to(PAGE_BYTES))
            .map_err(io::Error::other)?;
        // SAFETY: the layout is not empty. All-zero entries are valid, so is a zero tail.
        let entries: *mut BufRingEntry = unsafe { alloc_zeroed(layout) }.cast();
        if entries.is_null() {
            handle_alloc_error(layout);
        }
        let mut buffers = Self {
            entries,
            layout,
            memory: vec![0; usize::from(count) * bytes_each],
            count,
            bytes_each,
            tail: 0,
        };
        for id in 0..count {
            buffers.recycle(id);
        }
        buffers.publish();
        Ok(buffers)
    }

    pub(super) fn address(&self) -> u64 {
        self.entries as u64
    }

    pub(super) fn count(&self) -> u16 {
        self.count
    }

    /// The first `length` bytes of a buffer that a completion named and that has not been recycled since.
    pub(crate) fn bytes(&mut self, id: u16, length: usize) -> &mut [u8] {
        &mut self.memory[usize::from(id) * self.bytes_each..][..length]
    }

    /// Puts a buffer back; the kernel sees it after the next [`Buffers::publish`].
    pub(crate) fn recycle(&mut self, id: u16) {
        let slot = usize::from(self.tail & (self.count - 1));
        let address = self.memory[usize::from(id) * self.bytes_each..].as_mut_ptr() as u64;
        // SAFETY: `slot` is below the number of entries, and the kernel does not read an entry at or past the shared tail.
        let entry = unsafe { &mut *self.entries.add(slot) };
        entry.set_addr(address);
        entry.set_len(self.bytes_each as u32);
        entry.set_bid(id);
        self.tail = self.tail.wrapping_add(1);
    }

    /// Shows the recycled buffers to the kernel.
    pub(crate) fn publish(&self) {
        // SAFETY: `entries` is the first entry of the ring, whose unused field is the tail; it is aligned for a u16 and
        // shared with the kernel alone, which reads it with acquire ordering.
        unsafe { &*BufRingEntry::tail(self.entries).cast::<AtomicU16>() }.store(self.tail, Ordering::Release);
    }
}

impl Drop for Buffers {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout; whoever registered the buffers has promised to close its ring before.
        unsafe { dealloc(self.entries.cast(), self.layout) };
    }
}
