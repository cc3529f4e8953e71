//! A queue in pieces, so that growing moves nothing: one in one piece of 100,000 handshakes copies three megabytes.

use std::collections::VecDeque;

/// Items of one piece.
const CHUNK: usize = 256;

/// A queue that can be searched.
#[derive(Debug)]
pub(super) struct Queue<T> {
    /// All but the last are full.
    chunks: VecDeque<Vec<T>>,
    /// Items of the first chunk that were taken out.
    taken: usize,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self {
            chunks: VecDeque::new(),
            taken: 0,
        }
    }
}

impl<T: Copy> Queue<T> {
    pub(super) fn len(&self) -> usize {
        let last = self.chunks.back().map_or(0, Vec::len);
        self.chunks.len().saturating_sub(1) * CHUNK + last - self.taken
    }

    pub(super) fn back(&self) -> Option<&T> {
        self.len().checked_sub(1).and_then(|last| self.get(last))
    }

    fn get(&self, index: usize) -> Option<&T> {
        let place = self.taken + index;
        self.chunks.get(place / CHUNK)?.get(place % CHUNK)
    }

    pub(super) fn push_back(&mut self, item: T) {
        match self.chunks.back_mut().filter(|chunk| chunk.len() < CHUNK) {
            Some(chunk) => chunk.push(item),
            None => self.chunks.push_back(vec![item]),
        }
    }

    /// Takes the first item out, if it is one to be taken.
    pub(super) fn pop_front_if(&mut self, is_due: impl FnOnce(&T) -> bool) -> Option<T> {
        let item = *self.get(0).filter(|item| is_due(item))?;
        self.taken += 1;
        if self.taken == CHUNK {
            self.chunks.pop_front();
            self.taken = 0;
        }
        Some(item)
    }

    /// How many items come before the first that is not one; those that are come first.
    pub(super) fn partition_point(&self, is_one: impl Fn(&T) -> bool) -> usize {
        let (mut from, mut to) = (0, self.len());
        while from < to {
            let middle = from + (to - from) / 2;
            if self.get(middle).is_some_and(&is_one) {
                from = middle + 1;
            } else {
                to = middle;
            }
        }
        from
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flatten().skip(self.taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_of_many_chunks_is_one_queue() {
        let mut queue = Queue::default();
        for number in 0..3 * CHUNK {
            queue.push_back(number);
            assert_eq!((queue.len(), queue.back()), (number + 1, Some(&number)));
        }
        assert!(
            queue.chunks.iter().all(|chunk| chunk.len() == CHUNK),
            "no chunk ever grows further"
        );
        for number in 0..CHUNK + 7 {
            assert_eq!(queue.pop_front_if(|_| false), None);
            assert_eq!(queue.pop_front_if(|_| true), Some(number));
        }
        assert_eq!((queue.len(), queue.chunks.len()), (2 * CHUNK - 7, 2));
        assert_eq!(queue.partition_point(|number| *number < 2 * CHUNK), CHUNK - 7);
        assert_eq!(queue.partition_point(|_| true), queue.len());
        assert!(queue.iter().copied().eq(CHUNK + 7..3 * CHUNK));
        while queue.pop_front_if(|_| true).is_some() {}
        assert_eq!((queue.len(), queue.back(), queue.chunks.len()), (0, None, 0));
    }
}
