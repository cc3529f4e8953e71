//! The game's backend as it may be: it answers at once, late, twice or never, as it likes, and whatever has become of whoever
//! asked.
//!
//! It keeps in mind what it has said to whom, and holds against it what clients are told: nobody is let in without its
//! word, and nobody has another's name or another's seats.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::Value;
use signal_fish_relay::session::{CheckRules, Grant, NoVerdict, Verdict, Wish};
use signal_fish_relay::shard::SentQuestion;

use crate::harness::{Frame, Game, Schedule};

const TIMEOUT_MS: u64 = 2_000;

/// By then a shard has given up.
const GIVEN_UP_MS: u64 = TIMEOUT_MS + 1_000;

/// The most questions that may follow each other when each is answered at once.
const MOST_ROUNDS: usize = 1_000;

/// What it asks about, in this run.
pub fn rules(fails_open: bool) -> CheckRules {
    CheckRules {
        creates: true,
        joins: true,
        fails_open,
        timeout_ms: TIMEOUT_MS,
    }
}

/// Somebody who has shown a token.
#[derive(Debug, Default)]
struct Guest {
    is_let_in: bool,
    /// Whether it had a name from the start, so that it never enters under one of its own.
    is_named: bool,
    names: BTreeSet<String>,
    seats: Option<u8>,
}

/// A question that may still be answered.
#[derive(Debug)]
struct Open {
    question: SentQuestion,
    /// When it was asked at the latest.
    asked_ms: u64,
    answered_at_ms: u64,
}

/// The game's backend.
#[derive(Debug)]
pub struct Doorkeeper {
    fails_open: bool,
    is_over: bool,
    open: Vec<Open>,
    /// By their tokens.
    guests: BTreeMap<String, Guest>,
    /// How often somebody may have been let into rooms, and how often somebody was there.
    let_in: BTreeMap<String, u64>,
    entered: BTreeMap<String, u64>,
    /// The names that it gave with its last words, each of which was heard at once: somebody who was let in by it has it.
    owed: BTreeMap<String, VecDeque<Option<String>>>,
    /// Answers that came when nobody waited any more.
    pub too_late: u64,
    pub in_time: u64,
}

impl Doorkeeper {
    pub fn new(fails_open: bool) -> Self {
        Self {
            fails_open,
            is_over: false,
            open: Vec::new(),
            guests: BTreeMap::new(),
            let_in: BTreeMap::new(),
            entered: BTreeMap::new(),
            owed: BTreeMap::new(),
            too_late: 0,
            in_time: 0,
        }
    }

    /// Hears what is asked, and answers what it answers now.
    pub fn work(&mut self, game: &Game, random: &mut Schedule) {
        let now_ms = game.machine().now().mono_ms;
        let asked = game.machine().backend.take();
        game.machine().backend.is_crowded(random.once_in(20));
        for question in asked {
            let after_ms = match random.below(8) {
                0..=3 => 0,
                4 | 5 => random.below(TIMEOUT_MS as usize) as u64,
                6 => random.below(4 * GIVEN_UP_MS as usize) as u64,
                _ => continue, // never
            };
            self.hear(&question);
            self.open.push(Open {
                question,
                asked_ms: now_ms,
                answered_at_ms: now_ms + after_ms,
            });
        }
        let (due, open) = std::mem::take(&mut self.open)
            .into_iter()
            .partition(|open: &Open| open.answered_at_ms <= now_ms);
        self.open = open;
        for open in due {
            self.answer(game, open, random);
        }
    }

    /// Answers at once until nobody asks any more. Whoever was never answered has waited long enough.
    pub fn finish(&mut self, game: &Game, random: &mut Schedule) {
        self.open.clear();
        self.is_over = true;
        game.machine().backend.is_crowded(false);
        game.advance_ms(GIVEN_UP_MS);
        for _ in 0..MOST_ROUNDS {
            let now_ms = game.machine().now().mono_ms;
            let asked = game.machine().backend.take();
            if asked.is_empty() && self.open.is_empty() {
                return;
            }
            for question in asked {
                self.hear(&question);
                self.open.push(Open {
                    question,
                    asked_ms: now_ms,
                    answered_at_ms: now_ms,
                });
            }
            for open in std::mem::take(&mut self.open) {
                self.answer(game, open, random);
            }
            game.settle();
        }
        panic!("there is no end of questions");
    }

    /// What is asked is what it was told before of whoever asks.
    fn hear(&mut self, question: &SentQuestion) {
        let asked = &question.question;
        let (player_name, user) = match &asked.wish {
            Wish::Handshake { connect_token, .. } => {
                let token = connect_token.as_ref().expect("everybody shows one").expose();
                let is_new = self.guests.insert(token.to_owned(), Guest::default()).is_none();
                assert!(is_new && asked.user.is_none(), "{asked:?} was asked before");
                return;
            }
            Wish::Create { player_name, .. } | Wish::Join { player_name, .. } => (player_name, &asked.user),
            Wish::Watch { spectator_name, .. } => (spectator_name, &asked.user),
        };
        let Some(user) = user else {
            assert!(self.fails_open, "{asked:?}: nobody else is unknown");
            return;
        };
        let guest = &self.guests[&**user];
        assert!(guest.is_let_in, "{asked:?} was not let in");
        assert!(
            !guest.is_named || guest.names.contains(&**player_name),
            "{asked:?} is {guest:?}"
        );
    }

    fn answer(&mut self, game: &Game, mut open: Open, random: &mut Schedule) {
        let now_ms = game.machine().now().mono_ms;
        let verdict = self.verdict(&open.question, random);
        let ticket = open.question.ticket;
        if !game.machine().try_answer(ticket, verdict.clone()) {
            // The control plane tries again as well, and gives up at last; in the end nobody waits for that.
            if self.is_over || !random.once_in(10) {
                open.answered_at_ms = now_ms + 10;
                self.open.push(open);
            }
            return;
        }
        if now_ms < open.asked_ms + GIVEN_UP_MS {
            self.in_time += 1;
            self.note(&open.question, &verdict);
        } else {
            self.too_late += 1;
        }
        if random.once_in(10) {
            // It may find no room, and that is as well.
            game.machine()
                .try_answer(ticket, Ok(Verdict::Allowed(Grant::default())));
        }
    }

    fn verdict(&self, question: &SentQuestion, random: &mut Schedule) -> Result<Verdict, NoVerdict> {
        let silences = [
            NoVerdict::Late,
            NoVerdict::Unreachable,
            NoVerdict::Unreadable,
            NoVerdict::Crowded,
            NoVerdict::Unattended,
        ];
        match random.below(12) {
            0 => Ok(Verdict::Denied("not today".into())),
            1 => Err(silences[random.below(silences.len())]),
            _ => Ok(Verdict::Allowed(self.grant(question, random))),
        }
    }

    fn grant(&self, question: &SentQuestion, random: &mut Schedule) -> Grant {
        let asked = &question.question;
        let token = match &asked.wish {
            Wish::Handshake { connect_token, .. } => connect_token.as_ref().map(|token| token.expose()),
            _ => asked.user.as_deref(),
        };
        // Of somebody who was let in without a word it is not known who that is.
        let Some(token) = token else { return Grant::default() };
        let is_handshake = matches!(asked.wish, Wish::Handshake { .. });
        Grant {
            user: is_handshake.then(|| token.into()),
            display_name: random
                .once_in(3)
                .then(|| format!("Guest {token} {}", random.below(3)).into()),
            max_players_per_room: (is_handshake && random.once_in(3)).then(|| 1 + random.below(4) as u8),
            relay_bytes: random.once_in(8).then(|| 1 + random.below(4_000) as u64),
        }
    }

    /// Keeps in mind what it has said to somebody who may still have waited for it.
    fn note(&mut self, question: &SentQuestion, verdict: &Result<Verdict, NoVerdict>) {
        let asked = &question.question;
        let (is_let_in, grant) = match verdict {
            Ok(Verdict::Allowed(grant)) => (true, grant.clone()),
            Ok(Verdict::Denied(_)) => (false, Grant::default()),
            Err(silence) => (self.fails_open && !silence.is_ours(), Grant::default()),
        };
        if !is_let_in {
            return;
        }
        let (token, player) = match &asked.wish {
            Wish::Handshake { connect_token, .. } => (connect_token.as_ref().map(|token| token.expose()), None),
            Wish::Create { player, .. } | Wish::Join { player, .. } | Wish::Watch { player, .. } => {
                (asked.user.as_deref(), Some(*player))
            }
        };
        if let Some(player) = player {
            *self.let_in.entry(player.to_string()).or_default() += 1;
            if self.is_over {
                let name = grant.display_name.as_deref().map(str::to_owned);
                self.owed.entry(player.to_string()).or_default().push_back(name);
            }
        }
        let Some(token) = token else { return };
        let guest = self.guests.get_mut(token).expect("heard before");
        let name = grant.display_name.map(String::from);
        if player.is_none() {
            guest.is_let_in = true;
            guest.is_named = name.is_some();
            guest.seats = grant.max_players_per_room;
        }
        guest.names.extend(name);
    }

    /// Holds what a client is told against what was said of it.
    pub fn watch(&mut self, token: &str, frame: &Frame) {
        let Frame::Text(message) = frame else { return };
        let message = match &message["data"] {
            data if message["type"] == "RoomOperationResult" => &data["result"],
            _ => message,
        };
        let data = &message["data"];
        let (id, list) = match message["type"].as_str().expect("a tag") {
            "Authenticated" => {
                let guest = self.guests.get(token);
                assert!(guest.is_some_and(|guest| guest.is_let_in), "{token} has let itself in");
                return;
            }
            "RoomJoined" => (&data["player_id"], &data["current_players"]),
            "SpectatorJoined" => (&data["spectator_id"], &data["current_spectators"]),
            _ => return,
        };
        let guest = &self.guests[token];
        let entered = self.entered.entry(id.as_str().expect("an id").to_owned()).or_default();
        *entered += 1;
        let let_in = self.let_in.get(id.as_str().expect("an id")).copied().unwrap_or(0);
        assert!(
            *entered <= let_in,
            "{token}: {let_in} times let in, {entered} times there"
        );
        let me = list.as_array().expect("a list").iter().find(|one| one["id"] == *id);
        let name = me.expect("in its own room")["name"].as_str().expect("a name");
        let is_its_own = !guest.is_named && name.starts_with("Actor");
        assert!(
            is_its_own || guest.names.contains(name),
            "{token} is {name}, not {guest:?}"
        );
        if let Some(owed) = self.owed.get_mut(id.as_str().expect("an id")) {
            // Those before it were refused for another reason.
            let found = owed
                .iter()
                .position(|owed| owed.as_ref().is_none_or(|owed| owed == name));
            let found = found.unwrap_or_else(|| panic!("{token} is {name}, not one of {owed:?}"));
            owed.drain(..=found);
        }
        // Nobody leads a room by entering it who has not made it.
        if data["is_authority"] == Value::Bool(true)
            && let Some(most) = guest.seats
        {
            assert!(data["max_players"].as_u64() <= Some(u64::from(most)), "{token}: {data}");
        }
    }
}
