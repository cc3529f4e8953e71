use data_encoding::HEXLOWER;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use rkyv::util::AlignedVec;

use super::closed::{BulletinView, Damaged, Told, archive};
use super::index::{Item, Span};
use super::open::OpenBulletin;
use crate::protocol::delivery::GapReason;
use crate::protocol::game_data::Shape;
use crate::protocol::{DeliveryClass, Dialect, GameDataFormat, PlayerId, ProtocolVersion};
use crate::shard::outbox::FrameOrigin;

/// What home adds to a bulletin.
#[derive(Debug, Clone)]
enum Said {
    Data(FrameOrigin, Option<GameDataFormat>, [Option<Vec<u8>>; Shape::COUNT]),
    Notice([Option<Vec<u8>>; 2], Option<PlayerId>),
    Advice([Option<Vec<u8>>; 2], Option<GameDataFormat>),
}

fn bulletin(said: &[Said]) -> OpenBulletin {
    let mut bulletin = OpenBulletin::default();
    for said in said {
        match said {
            Said::Data(origin, format, frames) => {
                bulletin.add_data(*origin, *format, frames.each_ref().map(Option::as_deref));
            }
            Said::Notice(forms, except) => bulletin.add_notice(forms.each_ref().map(Option::as_deref), *except),
            Said::Advice(forms, format) => bulletin.add_advice(forms.each_ref().map(Option::as_deref), *format),
        }
    }
    bulletin
}

/// What a reader has to be told of it.
fn owed<'a>(said: &'a Said, is_thinned: bool, player: PlayerId, dialect: Dialect) -> Option<Told<'a>> {
    let form = |forms: &'a [Option<Vec<u8>>; 2]| forms[usize::from(dialect.version == ProtocolVersion::V3)].as_deref();
    match said {
        Said::Data(origin, format, frames) => {
            let origin = *origin;
            let reason = match origin.class {
                DeliveryClass::Latest => Some(GapReason::LatestDroppedFull),
                DeliveryClass::Volatile => Some(GapReason::VolatileDropped),
                DeliveryClass::Reliable => None,
            };
            Some(match reason.filter(|_| is_thinned) {
                Some(reason) => Told::Missed { origin, reason },
                None => match &frames[Shape::of(*format, dialect).index()] {
                    Some(frame) => Told::Data { origin, frame },
                    None => Told::Unreadable { origin },
                },
            })
        }
        Said::Notice(forms, except) => form(forms)
            .filter(|_| *except != Some(player))
            .map(|frame| Told::Notice { frame }),
        Said::Advice(forms, format) => form(forms)
            .filter(|_| matches!(Shape::of(*format, dialect), Shape::Text(_)))
            .map(|frame| Told::Advice { frame }),
    }
}

/// Players of whom some are meant by what is said.
const PLAYERS: [PlayerId; 3] = [
    PlayerId::from_bytes([0; 16]),
    PlayerId::from_bytes([1; 16]),
    PlayerId::from_bytes([0xff; 16]),
];

fn readers() -> impl Iterator<Item = (PlayerId, Dialect)> {
    let dialects = [ProtocolVersion::V2, ProtocolVersion::V3]
        .into_iter()
        .flat_map(|version| {
            GameDataFormat::ALL.iter().flat_map(move |format| {
                [false, true].map(|reads_archives| Dialect {
                    version,
                    format: *format,
                    reads_archives,
                })
            })
        });
    dialects.flat_map(|dialect| PLAYERS.map(|player| (player, dialect)))
}

fn frame() -> impl Strategy<Value = Option<Vec<u8>>> {
    prop::option::of(vec(any::<u8>(), 0..40))
}

fn format() -> impl Strategy<Value = Option<GameDataFormat>> {
    prop::option::of(select(GameDataFormat::ALL))
}

fn origin() -> impl Strategy<Value = FrameOrigin> {
    let class = select(DeliveryClass::ALL);
    (select(&PLAYERS[..]), any::<(u32, u64, u32)>(), class).prop_map(|(sender, (epoch, seq, key), class)| FrameOrigin {
        sender,
        epoch,
        seq,
        class,
        key,
    })
}

fn said() -> impl Strategy<Value = Said> {
    let forms = || [frame(), frame()];
    let frames = [frame(), frame(), frame(), frame(), frame()];
    prop_oneof![
        (origin(), format(), frames).prop_map(|(origin, format, frames)| Said::Data(origin, format, frames)),
        (forms(), prop::option::of(select(&PLAYERS[..]))).prop_map(|(forms, except)| Said::Notice(forms, except)),
        (forms(), format()).prop_map(|(forms, format)| Said::Advice(forms, format)),
    ]
}

/// Reads bytes as they would come from elsewhere: whatever is read may be told to anybody.
fn read_from_elsewhere(bytes: &[u8]) -> Result<usize, Damaged> {
    let mut aligned: AlignedVec = AlignedVec::new();
    aligned.extend_from_slice(bytes);
    let view = BulletinView::of(&aligned)?;
    let told = readers().flat_map(|(player, dialect)| view.told_to(player, dialect));
    Ok(told.count())
}

proptest! {
    #[test]
    fn every_reader_is_told_exactly_what_was_said(said in vec(said(), 0..20)) {
        let open = bulletin(&said);
        for (closed, is_thinned) in [(open.closed(), false), (open.thinned().closed(), true)] {
            let view = closed.read();
            prop_assert_eq!(view.len(), said.len());
            for (player, dialect) in readers() {
                let owed: Vec<_> = said.iter().filter_map(|said| owed(said, is_thinned, player, dialect)).collect();
                let told: Vec<_> = view.told_to(player, dialect).collect();
                prop_assert_eq!(told, owed, "{:?} {:?}", player, dialect);
            }
        }
    }

    #[test]
    fn thinning_twice_is_thinning_once(said in vec(said(), 0..20)) {
        let thin = bulletin(&said).thinned();
        let (once, twice) = (thin.closed(), thin.thinned().closed());
        for (player, dialect) in readers() {
            let told: Vec<_> = once.read().told_to(player, dialect).collect();
            prop_assert!(twice.read().told_to(player, dialect).eq(told));
        }
    }

    #[test]
    fn damaged_bytes_are_refused_or_read_and_never_panic(
        said in vec(said(), 0..10),
        flips in vec((any::<Index>(), 1..=u8::MAX), 1..8),
        behind_frames in any::<bool>(),
        cut in prop::option::of(any::<Index>()),
    ) {
        let mut bytes = bulletin(&said).closed().bytes().to_vec();
        let frame_bytes = BulletinView::of(bulletin(&said).closed().bytes()).expect("whole").frame_bytes();
        let damaged = &mut bytes[if behind_frames { frame_bytes } else { 0 }..];
        for (place, mask) in flips {
            let place = place.index(damaged.len());
            damaged[place] ^= mask;
        }
        let end = cut.map_or(bytes.len(), |cut| cut.index(bytes.len()));
        let _ = read_from_elsewhere(&bytes[..end]);
    }

    #[test]
    fn no_bytes_at_all_make_it_panic(bytes in vec(any::<u8>(), 0..400)) {
        let _ = read_from_elsewhere(&bytes);
    }
}

fn one_of_each() -> Vec<Said> {
    let origin = FrameOrigin {
        sender: PLAYERS[1],
        epoch: 1,
        seq: 2,
        class: DeliveryClass::Reliable,
        key: 0,
    };
    let text = |text: &str| Some(text.as_bytes().to_vec());
    let frames = [text("two"), text("three"), None, None, None];
    vec![
        Said::Data(origin, None, frames),
        Said::Notice([text("notice"), None], None),
        Said::Advice([None, text("advice")], Some(GameDataFormat::Rkyv)),
    ]
}

#[test]
fn frames_that_lie_outside_are_refused() {
    let notice = |start, end| Item::Notice {
        forms: [Some(Span { start, end }), None],
        except: None,
    };
    for (start, end, is_whole) in [
        (0, 4, true),
        (4, 4, true),
        (0, 5, false),
        (3, 2, false),
        (u32::MAX, u32::MAX, false),
    ] {
        let bytes = archive(b"four", &[notice(start, end)]);
        assert_eq!(BulletinView::of(&bytes).is_ok(), is_whole, "{start}..{end}");
    }
}

#[test]
fn a_piece_of_it_is_refused_and_so_is_what_lies_askew() {
    let closed = bulletin(&one_of_each()).closed();
    let bytes = closed.bytes();
    assert!(read_from_elsewhere(bytes).is_ok());
    for end in 0..bytes.len() {
        assert_eq!(
            read_from_elsewhere(&bytes[..end]),
            Err(Damaged),
            "the first {end} bytes"
        );
    }
    let mut askew: AlignedVec = AlignedVec::new();
    askew.push(0);
    askew.extend_from_slice(bytes);
    assert!(matches!(BulletinView::of(&askew[1..]), Err(Damaged)));
}

#[test]
fn it_weighs_what_it_holds() {
    for bytes in 0..40 {
        for items in 0..4 {
            let frames = vec![7; bytes];
            let span = Span {
                start: 0,
                end: bytes as u32,
            };
            let item = Item::Advice {
                forms: [Some(span), None],
                format: None,
            };
            let archive = archive(&frames, &vec![item; items]);
            assert_eq!(archive.len(), archive.capacity(), "{bytes} bytes, {items} items");
        }
    }
}

/// What other processes read must not change unseen. A change here is a new form: no process may read those of another then.
#[test]
fn the_form_is_what_it_was() {
    let origin = FrameOrigin {
        sender: PLAYERS[1],
        epoch: 0x0102_0304,
        seq: 0x0506,
        class: DeliveryClass::Reliable,
        key: 0x0708,
    };
    let form = |item| {
        let bytes = archive(b"", &[item]);
        let (item, root) = bytes.split_at(112);
        // No frames; and the items, of which there is one, begin 116 bytes before the pointer to them.
        assert_eq!(root, [0, 0, 0, 0, 0x8c, 0xff, 0xff, 0xff, 1, 0, 0, 0]);
        let words: Vec<_> = item.chunks(8).map(|word| HEXLOWER.encode(word)).collect();
        words.join(" ").trim_end_matches(['0', ' ']).to_owned()
    };
    let span = Some(Span { start: 1, end: 2 });
    let frames = [None, span, None, None, None];
    let data = Item::Data {
        origin,
        format: None,
        frames,
    };
    let reason = GapReason::VolatileDropped;
    let notice = Item::Notice {
        forms: [span, None],
        except: Some(PLAYERS[1]),
    };
    let advice = Item::Advice {
        forms: [None, span],
        format: Some(GameDataFormat::Rkyv),
    };
    for (item, expected) in [
        (
            data,
            "0000000000000000 0101010101010101 0101010101010101 0403020100000000 0605000000000000 0000000008070000 0000000000000000 0000000000000000 0100000001000000 02",
        ),
        (
            Item::Missed { origin, reason },
            "0100000000000000 0101010101010101 0101010101010101 0403020100000000 0605000000000000 0000000008070000 02",
        ),
        (
            notice,
            "0200000001000000 0100000002000000 0000000000000000 0000000001010101 0101010101010101 0101010101",
        ),
        (
            advice,
            "0300000000000000 0000000000000000 0100000001000000 020000000102",
        ),
    ] {
        let name = format!("{item:?}");
        assert_eq!(form(item), expected, "{name}");
    }
    let code = |item, at: usize| archive(b"", &[item])[at];
    let reasons = [
        GapReason::LatestSuperseded,
        GapReason::LatestDroppedFull,
        GapReason::VolatileDropped,
        GapReason::UnsupportedFormat,
    ];
    assert_eq!(
        reasons.map(|reason| code(Item::Missed { origin, reason }, 48)),
        [0, 1, 2, 3]
    );
    let classes = [DeliveryClass::Reliable, DeliveryClass::Latest, DeliveryClass::Volatile];
    let of_class = |class| Item::Missed {
        origin: FrameOrigin { class, ..origin },
        reason,
    };
    assert_eq!(classes.map(|class| code(of_class(class), 40)), [0, 1, 2]);
    let formats = [
        GameDataFormat::Json,
        GameDataFormat::MessagePack,
        GameDataFormat::Rkyv,
        GameDataFormat::Protobuf,
    ];
    let of_format = |format| Item::Advice {
        forms: [None; 2],
        format: Some(format),
    };
    assert_eq!(formats.map(|format| code(of_format(format), 29)), [0, 1, 2, 3]);
}
