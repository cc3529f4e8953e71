use proptest::prelude::*;

use super::*;
use crate::protocol::PlayerId;

const AL: PlayerId = PlayerId::from_bytes([1; 16]);

fn data(class: DeliveryClass, key: u32, seq: u64) -> FrameMark {
    FrameMark {
        queued_at_ms: seq,
        lane: Lane::Data,
        origin: Some(FrameOrigin {
            sender: AL,
            epoch: 1,
            seq,
            class,
            key,
        }),
    }
}

const CONTROL: FrameMark = FrameMark {
    queued_at_ms: 0,
    lane: Lane::Control,
    origin: None,
};

/// A newer value of a key.
fn newer(key: u32) -> FrameOrigin {
    data(DeliveryClass::Latest, key, u64::MAX)
        .origin
        .expect("data has an origin")
}

fn gaps(outbox: &mut Outbox) -> Vec<(u64, u64)> {
    let due = outbox.take_due_gaps(Gap::MAX_IN_REPORT);
    due.iter().map(|gap| (gap.from_seq, gap.to_seq)).collect()
}

#[test]
fn frames_leave_in_the_order_in_which_they_were_queued() {
    let (mut outbox, mut pool) = (Outbox::default(), OutboxPool::default());
    outbox.push(&mut pool, &FrameMark::in_order(5), b"one");
    outbox.push(&mut pool, &FrameMark::in_order(6), b"two");
    assert_eq!(outbox.unsent(), b"onetwo");
    assert_eq!(outbox.oldest_queued_at_ms(false), Some(5));
    outbox.advance(&mut pool, 4);
    assert_eq!(outbox.unsent(), b"wo");
    assert_eq!(
        (outbox.unsent_frames(), outbox.oldest_queued_at_ms(false)),
        (1, Some(6))
    );
    outbox.advance(&mut pool, 2);
    assert!(outbox.is_empty());
}

#[test]
fn a_control_frame_overtakes_data_but_not_a_cut_head_nor_earlier_control() {
    let (mut outbox, mut pool) = (Outbox::default(), OutboxPool::default());
    outbox.push(&mut pool, &data(DeliveryClass::Reliable, 0, 1), b"head");
    outbox.push(&mut pool, &data(DeliveryClass::Reliable, 0, 2), b"tail");
    outbox.advance(&mut pool, 1);
    outbox.push(&mut pool, &CONTROL, b"[1]");
    outbox.push(&mut pool, &CONTROL, b"[2]");
    assert_eq!(outbox.unsent(), b"ead[1][2]tail");
}

#[test]
fn only_frames_that_are_not_on_the_wire_can_be_taken_back() {
    let (mut outbox, mut pool) = (Outbox::default(), OutboxPool::default());
    outbox.push(&mut pool, &data(DeliveryClass::Latest, 7, 1), b"aa");
    outbox.push(&mut pool, &data(DeliveryClass::Latest, 7, 2), b"bb");
    outbox.push(&mut pool, &data(DeliveryClass::Volatile, 0, 3), b"cc");
    outbox.advance(&mut pool, 1);
    assert!(outbox.supersede(&newer(7)) && !outbox.supersede(&newer(7)));
    assert_eq!(gaps(&mut outbox), [(2, 2)]);
    assert_eq!(outbox.unsent(), b"acc");
    assert!(outbox.evict_oldest_volatile() && !outbox.evict_oldest_volatile());
    assert_eq!(gaps(&mut outbox), [(3, 3)]);
    assert_eq!(outbox.unsent(), b"a");
}

#[test]
fn what_may_be_left_out_makes_way_oldest_first_and_volatile_before_latest() {
    let (mut outbox, mut pool) = (Outbox::default(), OutboxPool::default());
    let classes = [
        DeliveryClass::Latest,
        DeliveryClass::Volatile,
        DeliveryClass::Reliable,
        DeliveryClass::Volatile,
        DeliveryClass::Latest,
    ];
    for (seq, class) in (1..).zip(classes) {
        outbox.push(&mut pool, &data(class, seq as u32, seq), format!("<{seq}>").as_bytes());
    }
    let mut evict = || {
        let class = outbox.evict_oldest_droppable().map(|(class, _)| class);
        let gap = outbox.take_due_gaps(9);
        assert!(outbox.is_coherent());
        class.map(|class| (class, gap[0].from_seq, gap[0].reason))
    };
    let (volatile, latest) = (DeliveryClass::Volatile, DeliveryClass::Latest);
    assert_eq!(evict(), Some((volatile, 2, GapReason::VolatileDropped)));
    assert_eq!(evict(), Some((volatile, 4, GapReason::VolatileDropped)));
    assert_eq!(evict(), Some((latest, 1, GapReason::LatestDroppedFull)));
    assert_eq!(evict(), Some((latest, 5, GapReason::LatestDroppedFull)));
    assert_eq!(evict(), None);
    assert_eq!(outbox.unsent(), b"<3>");
}

#[test]
fn an_outbox_weighs_what_it_holds_up_to_its_cap() {
    const CAP_BYTES: usize = 300_000;
    for frame_bytes in [2, 60, 3_000, 40_000] {
        let (mut outbox, mut pool) = (Outbox::default(), OutboxPool::capped(CAP_BYTES));
        let frame = vec![7; frame_bytes];
        assert_eq!(outbox.weight_bytes(), 0);
        let mut frames = 0;
        while outbox.weight_bytes_with(frame_bytes) <= CAP_BYTES {
            outbox.push(&mut pool, &FrameMark::in_order(0), &frame);
            frames += 1;
            let needed = frames * (frame_bytes + size_of::<entry::Entry>());
            let weight = outbox.weight_bytes();
            assert!(needed <= weight && weight <= CAP_BYTES, "{weight} for {frames} frames");
        }
        let needed = (frames + 1) * (frame_bytes + size_of::<entry::Entry>()) + size_of::<Storage>();
        assert!(
            needed > CAP_BYTES * 98 / 100,
            "full with {frames} of {frame_bytes} bytes"
        );
        // What has left is room again, and what is not used is given back.
        let sent = frames / 2 * frame_bytes;
        let _ = outbox.unsent();
        outbox.advance(&mut pool, sent);
        assert!(outbox.weight_bytes_with(frame_bytes) <= CAP_BYTES);
        for _ in 0..frames / 2 {
            outbox.push(&mut pool, &FrameMark::in_order(0), &frame);
        }
        assert!(outbox.weight_bytes() <= CAP_BYTES && outbox.is_coherent());
        while outbox.unsent_frames() > frames / 20 {
            let piece = outbox.unsent().len().min(frame_bytes);
            outbox.advance(&mut pool, piece);
        }
        assert!(
            outbox.weight_bytes() < CAP_BYTES / 2,
            "{} bytes are kept",
            outbox.weight_bytes()
        );
    }
}

#[test]
fn what_was_taken_back_is_room_at_the_cap() {
    const CAP_BYTES: usize = 300_000;
    let (mut outbox, mut pool) = (Outbox::default(), OutboxPool::capped(CAP_BYTES));
    let mut seq = 0;
    let mut push = |outbox: &mut Outbox, class| {
        seq += 1;
        outbox.push(&mut pool, &data(class, 0, seq), &[7; 1_000]);
    };
    while outbox.weight_bytes_with(1_000) <= CAP_BYTES {
        push(&mut outbox, DeliveryClass::Volatile);
        push(&mut outbox, DeliveryClass::Reliable);
    }
    let full = outbox.unsent_frames();
    for _ in 0..full / 3 {
        let mut evicted = 0;
        while outbox.weight_bytes_with(1_000) > CAP_BYTES {
            assert!(outbox.evict_oldest_volatile());
            evicted += 1;
        }
        assert!(evicted <= full / 16 + 1, "{evicted} of {full} made way at once");
        push(&mut outbox, DeliveryClass::Reliable);
        assert!(outbox.is_coherent() && outbox.weight_bytes() < CAP_BYTES + 60_000);
    }
}

#[test]
fn discarding_keeps_the_rest_of_a_cut_head() {
    let (mut outbox, mut pool) = (Outbox::default(), OutboxPool::default());
    for _ in 0..3 {
        outbox.push(&mut pool, &FrameMark::in_order(0), b"frame");
    }
    outbox.advance(&mut pool, 7);
    assert_eq!(outbox.discard_unsent(&mut pool), 1);
    assert_eq!(outbox.unsent(), b"ame");
    outbox.advance(&mut pool, 3);
    outbox.push(&mut pool, &FrameMark::in_order(0), b"next");
    assert_eq!(outbox.discard_unsent(&mut pool), 1);
    assert!(outbox.is_empty());
}

#[test]
fn an_incoherent_outbox_is_recognised() {
    let queued = || {
        let (mut outbox, mut pool) = (Outbox::default(), OutboxPool::default());
        for _ in 0..3 {
            outbox.push(&mut pool, &FrameMark::in_order(0), b"frame");
        }
        outbox.advance(&mut pool, 7);
        outbox
    };
    assert!(Outbox::default().is_coherent() && queued().is_coherent());
    let damages: [fn(&mut Storage); 7] = [
        |storage| storage.cut_bytes = 5,
        |storage| storage.cut_bytes = 3,
        |storage| storage.living = [0; 5],
        |storage| storage.bytes.truncate(7),
        |storage| storage.entries[1].is_dead = true,
        |storage| storage.entries[1].kind = entry::Kind::Volatile,
        |storage| storage.entries.clear(),
    ];
    for (number, damage) in damages.into_iter().enumerate() {
        let mut outbox = queued();
        damage(outbox.storage.as_mut().expect("queued"));
        assert!(!outbox.is_coherent(), "damage {number}");
    }
}

#[test]
fn an_idle_outbox_is_one_pointer_and_its_storage_is_reused() {
    assert_eq!(size_of::<Outbox>(), size_of::<usize>());
    let (mut outbox, mut pool) = (Outbox::default(), OutboxPool::default());
    outbox.push(&mut pool, &FrameMark::in_order(0), b"x");
    outbox.advance(&mut pool, 1);
    assert_eq!(pool.spare.len(), 1);
    outbox.push(
        &mut pool,
        &FrameMark::in_order(0),
        &[0; OutboxPool::MAX_BYTES_OF_ONE + 1],
    );
    assert_eq!((pool.spare.len(), pool.spare_bytes), (0, 0));
    outbox.advance(&mut pool, OutboxPool::MAX_BYTES_OF_ONE + 1);
    assert_eq!(pool.spare.len(), 0, "a blown-up storage is freed, not kept");
}

#[test]
fn what_drained_outboxes_leave_is_kept_up_to_a_bound() {
    let mut pool = OutboxPool::default();
    let frame = [0; OutboxPool::MAX_BYTES_OF_ONE / 2];
    let mut outboxes: Vec<_> = (0..2 * OutboxPool::MAX_SPARE_BYTES / frame.len())
        .map(|_| Outbox::default())
        .collect();
    for outbox in &mut outboxes {
        outbox.push(&mut pool, &FrameMark::in_order(0), &frame);
    }
    for outbox in &mut outboxes {
        outbox.advance(&mut pool, frame.len());
    }
    let held: usize = pool.spare.iter().map(|(storage, _)| storage.held_bytes()).sum();
    assert_eq!(pool.spare_bytes, held);
    assert!(
        held <= OutboxPool::MAX_SPARE_BYTES && held > OutboxPool::MAX_SPARE_BYTES * 9 / 10,
        "{held}"
    );
}

#[test]
fn nothing_behind_a_hole_is_handed_out_before_the_hole_was_told() {
    let (mut outbox, mut pool) = (Outbox::default(), OutboxPool::default());
    outbox.push(&mut pool, &data(DeliveryClass::Volatile, 0, 1), b"v1");
    outbox.push(&mut pool, &FrameMark::in_order(0), b"[fence]");
    outbox.push(&mut pool, &data(DeliveryClass::Reliable, 0, 2), b"r2");
    outbox.miss(&mut pool, &newer(0), GapReason::LatestDroppedFull);
    assert_eq!(outbox.unsent(), b"v1[fence]", "what is missing came after the fence");
    assert!(
        gaps(&mut outbox).is_empty(),
        "its sender may be unknown before the fence"
    );
    assert!(outbox.evict_oldest_volatile());
    assert_eq!(gaps(&mut outbox), [(1, 1)]);
    outbox.push(&mut pool, &CONTROL, b"{1}");
    assert_eq!(outbox.unsent(), b"{1}[fence]");
    outbox.advance(&mut pool, 4);
    assert_eq!(gaps(&mut outbox), [(u64::MAX, u64::MAX)], "the fence is on its way");
    outbox.push(&mut pool, &CONTROL, b"{2}");
    assert_eq!(outbox.unsent(), b"fence]{2}r2");
    outbox.advance(&mut pool, 11);
    assert!(outbox.is_empty());
}

#[test]
fn a_hole_in_an_empty_queue_waits_to_be_told() {
    let (mut outbox, mut pool) = (Outbox::default(), OutboxPool::default());
    outbox.miss(&mut pool, &newer(0), GapReason::UnsupportedFormat);
    assert!(!outbox.is_empty() && outbox.has_holes() && outbox.is_coherent());
    assert_eq!(outbox.unsent(), b"");
    assert_eq!(outbox.discard_unsent(&mut pool), 0);
    assert!(outbox.is_empty(), "who is closed need not be told");
}

#[test]
fn what_was_all_sent_before_a_report_is_not_over() {
    let (mut outbox, mut pool) = (Outbox::default(), OutboxPool::default());
    outbox.push(&mut pool, &FrameMark::in_order(0), b"[fence]");
    outbox.miss(&mut pool, &newer(0), GapReason::VolatileDropped);
    outbox.advance(&mut pool, 7);
    assert!(outbox.has_more_at_once() && outbox.is_coherent() && !outbox.is_empty());
    assert_eq!(gaps(&mut outbox).len(), 1);
    outbox.push(&mut pool, &CONTROL, b"{}");
    outbox.advance(&mut pool, 2);
    assert!(outbox.is_empty());
}

#[test]
fn taking_back_moves_nothing_until_as_much_is_dead_as_is_alive() {
    let (mut outbox, mut pool) = (Outbox::default(), OutboxPool::default());
    for seq in 1..=10 {
        outbox.push(&mut pool, &data(DeliveryClass::Volatile, 0, seq), b"12345678");
    }
    let held = |outbox: &Outbox| outbox.storage.as_ref().map_or(0, |storage| storage.bytes.len());
    for left in (6..10).rev() {
        assert!(outbox.evict_oldest_volatile());
        assert_eq!((outbox.unsent_frames(), outbox.unsent_bytes()), (left, left * 8));
        assert!(held(&outbox) == 80 && outbox.is_coherent());
    }
    assert!(outbox.evict_oldest_volatile());
    assert!(held(&outbox) == 40 && outbox.is_coherent());
    outbox.push(&mut pool, &data(DeliveryClass::Latest, 1, 11), b"old");
    assert!(outbox.supersede(&newer(1)) && outbox.is_coherent());
    assert_eq!(outbox.take_due_gaps(9).len(), 2);
    assert_eq!(outbox.unsent().len(), 40, "nobody sees what is dead");
}

#[test]
fn a_queue_is_not_printed() {
    let (mut outbox, mut pool) = (Outbox::default(), OutboxPool::default());
    outbox.push(&mut pool, &FrameMark::in_order(0), b"hunter2");
    let printed = format!("{outbox:?}");
    let bytes = format!("{:?}", b"hunter2");
    assert!(!printed.contains("hunter2") && !printed.contains(&bytes), "{printed}");
}

/// One thing that may happen to an outbox.
#[derive(Debug, Clone)]
enum Step {
    Data(DeliveryClass, u32, usize),
    Control(usize),
    Send(usize),
    Supersede(u32),
    Evict,
    EvictAny,
}

fn step() -> impl Strategy<Value = Step> {
    let class = prop_oneof![
        Just(DeliveryClass::Reliable),
        Just(DeliveryClass::Latest),
        Just(DeliveryClass::Volatile)
    ];
    prop_oneof![
        4 => (class, 0..3u32, 1..40_000usize).prop_map(|(class, key, length)| Step::Data(class, key, length)),
        1 => (1..200usize).prop_map(Step::Control),
        4 => (0..90_000usize).prop_map(Step::Send),
        1 => (0..3u32).prop_map(Step::Supersede),
        1 => Just(Step::Evict),
        1 => Just(Step::EvictAny),
    ]
}

proptest! {
    /// Against a naive model, a list of whole frames: what leaves is the same bytes in the same order.
    #[test]
    fn agrees_with_a_list_of_frames(steps in prop::collection::vec(step(), 1..60)) {
        let (mut outbox, mut pool) = (Outbox::default(), OutboxPool::default());
        let mut model: Vec<(FrameMark, Vec<u8>)> = Vec::new();
        let mut cut = 0; // bytes of the model's head that are on the wire
        for (number, step) in steps.into_iter().enumerate() {
            let first_whole = usize::from(cut > 0);
            let position = |model: &[(FrameMark, Vec<u8>)], wanted: &dyn Fn(&FrameOrigin) -> bool| {
                (first_whole..model.len()).find(|&at| model[at].0.origin.as_ref().is_some_and(wanted))
            };
            match step {
                Step::Data(class, key, length) => {
                    let mark = data(class, key, number as u64);
                    let frame = vec![number as u8; length];
                    outbox.push(&mut pool, &mark, &frame);
                    model.push((mark, frame));
                }
                Step::Control(length) => {
                    let frame = vec![number as u8; length];
                    let mark = FrameMark::ahead(number as u64);
                    outbox.push(&mut pool, &mark, &frame);
                    let ahead = model[first_whole.min(model.len())..]
                        .iter().take_while(|(mark, _)| mark.lane == Lane::Control).count();
                    model.insert(first_whole.min(model.len()) + ahead, (mark, frame));
                }
                Step::Send(wish) => {
                    let mut count = wish.min(outbox.unsent_bytes());
                    let mut expected: Vec<u8> = model.iter().flat_map(|(_, frame)| frame.clone()).collect();
                    expected.drain(..cut);
                    // In at most two pieces: a ring has one seam.
                    let mut left = count;
                    for _ in 0..2 {
                        let piece = outbox.unsent();
                        let taken = piece.len().min(left);
                        let is_whole = taken == piece.len();
                        prop_assert_eq!(&piece[..taken], &expected[..taken]);
                        expected.drain(..taken);
                        outbox.advance(&mut pool, taken);
                        left -= taken;
                        prop_assert_eq!(outbox.has_more_at_once(), is_whole && !outbox.is_empty());
                    }
                    prop_assert_eq!(left, 0);
                    while count > 0 {
                        let left = model[0].1.len() - cut;
                        if count >= left {
                            model.remove(0);
                            count -= left;
                            cut = 0;
                        } else {
                            cut += count;
                            count = 0;
                        }
                    }
                }
                Step::Supersede(key) => {
                    let found = position(&model, &|origin| origin.class == DeliveryClass::Latest && origin.key == key);
                    let expected = found.map(|at| model.remove(at).0.origin.expect("data has an origin").seq);
                    prop_assert_eq!(outbox.supersede(&newer(key)), expected.is_some());
                    prop_assert_eq!(gaps(&mut outbox), expected.map(|seq| (seq, seq)).into_iter().collect::<Vec<_>>());
                    outbox.let_go_if_drained(&mut pool);
                }
                Step::Evict => {
                    let found = position(&model, &|origin| origin.class == DeliveryClass::Volatile);
                    let expected = found.map(|at| model.remove(at).0.origin.expect("data has an origin").seq);
                    prop_assert_eq!(outbox.evict_oldest_volatile(), expected.is_some());
                    prop_assert_eq!(gaps(&mut outbox), expected.map(|seq| (seq, seq)).into_iter().collect::<Vec<_>>());
                    outbox.let_go_if_drained(&mut pool);
                }
                Step::EvictAny => {
                    let of = |class| position(&model, &move |origin: &FrameOrigin| origin.class == class);
                    let found = of(DeliveryClass::Volatile).or_else(|| of(DeliveryClass::Latest));
                    let expected = found.map(|at| model.remove(at).0.origin.expect("data has an origin"));
                    prop_assert_eq!(outbox.evict_oldest_droppable().map(|(class, _)| class), expected.map(|origin| origin.class));
                    let seqs: Vec<_> = expected.into_iter().map(|origin| (origin.seq, origin.seq)).collect();
                    prop_assert_eq!(gaps(&mut outbox), seqs);
                    outbox.let_go_if_drained(&mut pool);
                }
            }
            let total: usize = model.iter().map(|(_, frame)| frame.len()).sum();
            prop_assert!(outbox.weight_bytes() >= total - cut);
            prop_assert_eq!(outbox.unsent_bytes(), total - cut);
            prop_assert_eq!(outbox.unsent_frames(), model.len());
            prop_assert_eq!(outbox.is_empty(), model.is_empty());
            prop_assert!(outbox.is_coherent());
            let oldest = |may_be_spared: bool| {
                let counts = |mark: &&FrameMark| !may_be_spared || entry::Kind::of(mark).droppable().is_none();
                model.iter().map(|(mark, _)| mark).filter(counts).map(|mark| mark.queued_at_ms).min()
            };
            prop_assert_eq!(outbox.oldest_queued_at_ms(true), oldest(true));
            prop_assert_eq!(outbox.oldest_queued_at_ms(false), oldest(false));
        }
    }
}
