//! How the lists of an outbox grow and shrink, so that what is held stays near what is needed.
//!
//! Promises that a list never takes more than half of what its outbox may still hold, unless it needs it, and that each byte
//! is moved a bounded number of times. Must never decide whether something is queued.

use std::collections::VecDeque;

/// The least that a list grows by.
const LEAST_STEP_BYTES: usize = 256;

/// Up to here a list doubles. Beyond it grows by an eighth and at least by this.
const DOUBLING_BYTES: usize = 256 * 1024;

/// Up to here what is held is kept, however little of it is used.
const KEPT_BYTES: usize = 64 * 1024;

/// Memory that a list holds.
pub(super) fn held_bytes<T>(list: &VecDeque<T>) -> usize {
    list.capacity() * size_of::<T>()
}

/// Memory that a list holds for elements to come.
pub(super) fn unused_bytes<T>(list: &VecDeque<T>) -> usize {
    (list.capacity() - list.len()) * size_of::<T>()
}

/// Memory that a list lacks for `more` elements.
pub(super) fn lacking_bytes<T>(list: &VecDeque<T>, more: usize) -> usize {
    (list.len() + more).saturating_sub(list.capacity()) * size_of::<T>()
}

/// Makes room for `more` elements; `spare_bytes` is what the outbox may still hold.
pub(super) fn make_room<T>(list: &mut VecDeque<T>, more: usize, spare_bytes: usize) {
    let needed = list.len() + more;
    if needed <= list.capacity() {
        return;
    }
    let held = held_bytes(list);
    let step = if held < DOUBLING_BYTES {
        held.max(LEAST_STEP_BYTES)
    } else {
        DOUBLING_BYTES.max(held / 8)
    };
    let wished = list.capacity() + step.min(spare_bytes / 2) / size_of::<T>();
    list.reserve_exact(needed.max(wished) - list.len());
}

/// Gives back most of what a list no longer uses.
pub(super) fn let_go<T>(list: &mut VecDeque<T>) {
    if held_bytes(list) > KEPT_BYTES && list.len() < list.capacity() / 4 {
        list.shrink_to(list.len() * 2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_grows_by_steps_that_are_bounded_by_what_is_left() {
        let mut list: VecDeque<u64> = VecDeque::new();
        make_room(&mut list, 1, usize::MAX);
        assert_eq!(list.capacity(), LEAST_STEP_BYTES / 8);
        list.extend(0..32);
        make_room(&mut list, 1, usize::MAX);
        assert_eq!(list.capacity(), 64);
        list.extend(0..32);
        make_room(&mut list, 1, 160);
        assert_eq!(list.capacity(), 74, "half of what is left");
        list.extend(0..10);
        make_room(&mut list, 3, 0);
        assert_eq!(list.capacity(), 77, "what is needed");
        list.extend(0..60_000);
        let held = list.capacity();
        let beyond = held - list.len() + 1;
        make_room(&mut list, beyond, usize::MAX);
        assert_eq!(list.capacity(), held + DOUBLING_BYTES / 8);
    }

    #[test]
    fn a_list_that_shrank_gives_back_what_it_held() {
        let mut list: VecDeque<u64> = (0..40_000).collect();
        list.truncate(11_000);
        let_go(&mut list);
        assert!(list.capacity() >= 40_000);
        list.truncate(1_000);
        let_go(&mut list);
        assert_eq!((list.capacity(), list.len()), (2_000, 1_000));
    }
}
