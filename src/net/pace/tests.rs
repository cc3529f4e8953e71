use super::*;

const WINDOWS: TurnWindows = TurnWindows {
    longest: Duration::from_millis(1),
    busy: Duration::from_micros(250),
};

/// Rooms of one kind, and how much dearer or cheaper than modelled a turn is.
#[derive(Clone, Copy)]
struct Rooms {
    rooms: u64,
    players: u64,
    hz: f64,
    scale: f64,
    idle: usize,
}

const fn rooms(rooms: u64, players: u64, hz: f64) -> Rooms {
    Rooms {
        rooms,
        players,
        hz,
        scale: 1.0,
        idle: 0,
    }
}

/// Runs a shard whose turns cost what they are modelled to cost, for a second. Returns the last window, and the longest
/// and the shortest of the last half.
fn run(load: Rooms, windows: TurnWindows) -> (Duration, Duration) {
    let per_us = load.rooms as f64 * load.players as f64 * load.hz / 1e6;
    let mut draw = 0x2545_F491_4F6C_DD1D_u64;
    let mut random = || {
        draw ^= draw << 13;
        draw ^= draw >> 7;
        draw ^= draw << 17;
        (draw >> 11) as f64 / (1_u64 << 53) as f64
    };
    let (mut now_us, mut next_us, mut tick_us) = (0.0_f64, 0.0_f64, 10_000.0);
    let moment = |us: f64| Duration::from_nanos((us * 1e3) as u64);
    let mut pace = Pace::new(windows, Duration::ZERO);
    let mut totals = Totals::default();
    let (mut least, mut most) = (Duration::MAX, Duration::ZERO);
    while now_us < 1_000_000.0 {
        let mut of_room = std::collections::BTreeMap::<u64, u64>::new();
        now_us = now_us.max(next_us); // it sleeps until something comes
        pace.begin_turn(moment(now_us));
        while next_us <= now_us {
            *of_room.entry((random() * load.rooms as f64) as u64).or_default() += 1;
            next_us -= (1.0 - random()).ln() / per_us;
        }
        let messages: u64 = of_room.values().sum();
        // The sender of a lone message is not sent to; of several everybody is.
        let sends: u64 = of_room
            .values()
            .map(|count| load.players - u64::from(*count == 1))
            .sum();
        totals.messages += messages;
        totals.deliveries += messages * (load.players - 1);
        totals.sends += sends;
        now_us += load.scale * (cost::WAKE + cost::SEND * sends as f64 + cost::MESSAGE * messages as f64);
        let gather = pace.end_turn(totals, moment(now_us));
        now_us += gather.map_or(0.0, |gather| gather.as_secs_f64() * 1e6);
        if now_us >= tick_us {
            let connections = (load.rooms * load.players) as usize + load.idle;
            pace.adapt(connections, moment(now_us));
            tick_us = now_us + 10_000.0;
            if now_us > 500_000.0 {
                (least, most) = (least.min(pace.window), most.max(pace.window));
            }
        }
    }
    (least, most)
}

#[test]
fn small_rooms_on_a_shard_with_time_to_spare_wait_for_nothing() {
    for load in [rooms(50, 4, 60.0), rooms(10, 4, 30.0), rooms(100, 2, 60.0)] {
        assert_eq!(run(load, WINDOWS).1, Duration::ZERO, "{} rooms", load.rooms);
    }
}

#[test]
fn a_large_room_waits_whoever_else_is_there() {
    let large = rooms(1, 100, 20.0);
    for load in [
        large,
        Rooms { idle: 5_000, ..large },
        rooms(1, 50, 40.0),
        rooms(2, 100, 10.0),
    ] {
        let found = run(load, WINDOWS);
        assert_eq!(
            found,
            (WINDOWS.longest, WINDOWS.longest),
            "{} × {}",
            load.rooms,
            load.players
        );
    }
}

#[test]
fn a_busy_shard_with_small_rooms_waits_a_little() {
    let found = run(rooms(500, 4, 25.0), WINDOWS);
    assert_eq!(found, (WINDOWS.busy, WINDOWS.busy));
}

#[test]
fn where_frames_meet_anyway_nobody_waits() {
    let saturated = Rooms {
        scale: 0.2,
        ..rooms(50, 4, 4_000.0)
    };
    assert_eq!(run(saturated, WINDOWS).1, Duration::ZERO);
}

#[test]
fn a_slower_machine_is_judged_by_its_own_measure() {
    let load = Rooms {
        scale: 4.0,
        ..rooms(50, 4, 10.0)
    };
    assert_eq!(
        run(load, WINDOWS).1,
        Duration::ZERO,
        "as busy as four times the rooms would make it"
    );
}

#[test]
fn a_window_of_zero_switches_it_off() {
    let never = TurnWindows {
        longest: Duration::ZERO,
        ..WINDOWS
    };
    assert_eq!(run(rooms(1, 100, 20.0), never).1, Duration::ZERO);
    assert_eq!(run(rooms(500, 4, 25.0), never).1, Duration::ZERO);
}

#[test]
fn a_long_turn_is_followed_by_a_short_window_or_none() {
    let mut pace = Pace::new(WINDOWS, Duration::ZERO);
    pace.window = Duration::from_millis(1);
    for (took_us, gathers_us) in [(10, Some(1_000)), (700, Some(600)), (990, None), (1_500, None)] {
        pace.begin_turn(Duration::ZERO);
        let gather = pace.end_turn(Totals::default(), Duration::from_micros(took_us));
        assert_eq!(gather, gathers_us.map(Duration::from_micros), "{took_us} µs");
    }
}

#[test]
fn time_in_turns_adds_up_and_the_long_ones_are_counted() {
    let mut now = Duration::ZERO;
    let mut pace = Pace::new(WINDOWS, now);
    for turn in [5, 6, 1] {
        pace.begin_turn(now);
        now += Duration::from_millis(turn);
        pace.end_turn(Totals::default(), now);
        pace.adapt(100, now);
    }
    assert_eq!((pace.busy(), pace.slow_turns()), (Duration::from_millis(12), 1));
}
