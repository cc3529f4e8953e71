//! Asks whoever decides who may play, and tells the shards what became of it.
//!
//! Owns the questions from the moment at which a shard has brought them to their answers, and the verdicts that still hold.
//! Promises that each question is answered within its time, that as many are asked at a time as there are turns, of which
//! a source has a share, and that a verdict answers nothing but the question that it was given to. No shard waits for this.

mod attention;
mod cache;
mod check;
mod http;
mod silence;
mod soundness;
#[cfg(test)]
mod tests;
mod wire;

use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::Receiver;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep, timeout};

use self::attention::{Lapse, attend};
use self::cache::Cache;
pub use self::check::{AccessAnswer, AccessCheck, CheckFault, CheckFuture};
pub use self::http::HttpCheck;
pub(super) use self::silence::Silence;
use self::silence::most;
use self::soundness::sound;
use super::crowds::{GROUPS, Grouping};
use super::desk::Asked;
use crate::net::{Clock, Mail, Peers};
use crate::protocol::NameRules;
use crate::rare_line::RareLine;
use crate::session::{AccessQuestion, ClientAddress, NoVerdict, Verdict};
use crate::shard::{BackendAnswer, Priority, SourceRule};

/// Questions that are being asked at a time.
pub const TURNS: usize = 64;

/// Questions of one source that are.
const TURNS_OF_SOURCE: usize = 16;

/// The most bytes of a question: what a client shows may be as long as a message, and many wait.
const QUESTION_BYTES: usize = 16 * 1024;

/// What a client is told whose question is longer.
const TOO_LONG: &str = "what you show is too long; show a shorter connect_token";

/// The most bytes that are read of an answer.
pub const ANSWER_BYTES: usize = 16 * 1024;

/// How long, and how often, a shard whose inbox is full is told again. Then its own deadline answers.
const TOLD_AGAIN_AFTER: Duration = Duration::from_millis(10);
const TOLD_AGAIN: usize = 100;

/// Lines about a backend that does not do its part, one for each kind of trouble.
static LATE: RareLine = RareLine::new();
static UNREACHABLE: RareLine = RareLine::new();
static UNREADABLE: RareLine = RareLine::new();
static UNATTENDED: RareLine = RareLine::new();

/// Who is asked, as it changes while the server runs.
#[derive(Debug, Clone, Default)]
pub struct LiveCheck(Arc<Mutex<Option<Arc<Installed>>>>);

/// Who is asked, and what it has said.
#[derive(Debug)]
struct Installed {
    check: Arc<dyn AccessCheck>,
    timeout: Duration,
    cache: Mutex<Cache>,
}

impl LiveCheck {
    /// Has `check` asked from now on, within `timeout`. What an earlier one has said holds no longer.
    pub fn install(&self, check: Arc<dyn AccessCheck>, timeout: Duration) {
        let installed = Installed {
            check,
            timeout,
            cache: Mutex::default(),
        };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(installed));
    }

    fn installed(&self) -> Option<Arc<Installed>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Whose question is asked next.
#[derive(Debug)]
struct Turns {
    grouping: Grouping,
    all: Semaphore,
    of_groups: Vec<Semaphore>,
}

impl Turns {
    fn new(sources: SourceRule) -> Self {
        Self {
            grouping: Grouping::new(sources),
            all: Semaphore::new(TURNS),
            of_groups: (0..GROUPS).map(|_| Semaphore::new(TURNS_OF_SOURCE)).collect(),
        }
    }

    /// Waits for a turn. Whoever waits for one of its source does not stand before others meanwhile.
    async fn take(&self, address: ClientAddress) -> (Option<SemaphorePermit<'_>>, SemaphorePermit<'_>) {
        let of_source = match self.grouping.of(address) {
            Some(group) => Some(self.of_groups[group].acquire().await.expect("nobody closes it")),
            None => None,
        };
        (of_source, self.all.acquire().await.expect("nobody closes it"))
    }
}

/// Why there is no answer.
#[derive(Debug)]
enum Unheard {
    /// Nobody was asked, or for too short a time.
    Unasked,
    /// Whoever was asked is at fault, or we are.
    Fault(CheckFault),
}

/// The control plane's part of the access check.
#[derive(Debug)]
pub(super) struct Backend {
    live: LiveCheck,
    shards: Peers,
    names: NameRules,
    turns: Turns,
    silence: Arc<Silence>,
    clock: Clock,
}

impl Backend {
    pub(super) fn new(
        live: LiveCheck,
        shards: Peers,
        names: NameRules,
        sources: SourceRule,
        silence: Arc<Silence>,
        clock: Clock,
    ) -> Rc<Self> {
        Rc::new(Self {
            silence,
            live,
            shards,
            names,
            turns: Turns::new(sources),
            clock,
        })
    }

    /// Answers whatever the shards bring, until there will be no more.
    pub(super) async fn serve(self: Rc<Self>, mut line: Receiver<Asked>) {
        while let Some(asked) = line.recv().await {
            spawn_local(Rc::clone(&self).answer(asked));
        }
    }

    /// Answers a question, which has its place until then.
    async fn answer(self: Rc<Self>, asked: Asked) {
        let Asked { question, place } = asked;
        let (verdict, is_remembered) = self.decide(&question.question).await;
        let answer = BackendAnswer {
            ticket: question.ticket,
            verdict,
            is_remembered,
        };
        self.tell_shard(answer).await;
        drop(place);
    }

    /// The verdict on a question, and whether it was given before.
    async fn decide(&self, question: &AccessQuestion) -> (Result<Verdict, NoVerdict>, bool) {
        let Some(installed) = self.live.installed() else {
            return (Err(NoVerdict::Unattended), false);
        };
        let posted = wire::question(question);
        if posted.len() > QUESTION_BYTES {
            return (Ok(Verdict::Denied(TOO_LONG.into())), false);
        }
        let key = cache::key(&posted);
        drop(posted);
        let cache = || installed.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(verdict) = cache().find(&key, Instant::now()) {
            return (Ok(verdict), true);
        }
        let answer = self.ask(&installed, question).await;
        match answer.and_then(|answer| sound(answer, &self.names).map_err(Unheard::Fault)) {
            Ok(AccessAnswer { verdict, valid_for }) => {
                if !valid_for.is_zero() {
                    let group = self.turns.grouping.of(question.address);
                    cache().keep(key, group, verdict.clone(), Instant::now() + valid_for);
                }
                (Ok(verdict), false)
            }
            Err(Unheard::Fault(fault)) => {
                self.complain(&fault);
                (Err(fault.silence()), false)
            }
            Err(Unheard::Unasked) => (Err(self.silence.of_the_unasked(Instant::now())), false),
        }
    }

    /// Asks, when its turn comes. While the backend is silent nobody waits for a turn: those who have one find out when it
    /// answers again.
    async fn ask(&self, installed: &Installed, question: &AccessQuestion) -> Result<AccessAnswer, Unheard> {
        let began = Instant::now();
        let patience = if self.silence.is_known(began) {
            Duration::ZERO
        } else {
            installed.timeout
        };
        let turn = timeout(patience, self.turns.take(question.address)).await;
        let _turn = turn.map_err(|_| Unheard::Unasked)?;
        let left = installed.timeout.saturating_sub(began.elapsed());
        let answer = match attend(left, installed.check.check(question)).await {
            Ok(answer) => answer,
            // It stood in line for most of its time: so short a silence is none.
            Err(_) if left < most(installed.timeout) => return Err(Unheard::Unasked),
            Err(Lapse::Theirs) => Err(CheckFault::Late),
            Err(Lapse::Ours) => Err(CheckFault::Unattended(
                "the control plane has too much to do".to_owned(),
            )),
        };
        let now = Instant::now();
        match answer {
            Ok(_) => self.silence.note_answer(now),
            Err(CheckFault::Late | CheckFault::Unreachable(_)) => self.silence.note_none(installed.timeout, now),
            // The one has said something, and that is for the one who asked; the other says nothing of the backend.
            Err(CheckFault::Unreadable(_) | CheckFault::Unattended(_)) => {}
        }
        answer.map_err(Unheard::Fault)
    }

    fn complain(&self, fault: &CheckFault) {
        let line = match fault {
            CheckFault::Late => &LATE,
            CheckFault::Unreachable(_) => &UNREACHABLE,
            CheckFault::Unreadable(_) => &UNREADABLE,
            CheckFault::Unattended(_) => &UNATTENDED,
        };
        let mut clock = self.clock;
        if let Some(unsaid) = line.may_say(clock.now(clock.moment()).mono_ms) {
            tracing::warn!(%fault, unsaid, "the game's backend did not say whether a client may play");
        }
    }

    async fn tell_shard(&self, answer: BackendAnswer) {
        let Some(shard) = self.shards.get(answer.ticket.shard.index()) else {
            return;
        };
        let mut mail = Mail::Backend(Box::new(answer));
        for _ in 0..TOLD_AGAIN {
            match shard.try_send(Priority::Answer, mail) {
                Ok(()) => return,
                Err(refused) => mail = refused,
            }
            sleep(TOLD_AGAIN_AFTER).await;
        }
    }
}
