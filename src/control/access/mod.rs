//! Asks whoever decides who may play, and tells the shards what became of it.
//!
//! Owns the questions from the moment at which a shard has brought them to their answers, and the verdicts that still hold.
//! Promises that each question is answered within its time, that as many are asked at a time as there are turns, of which
//! a source has a share, and that a verdict answers nothing but the question that it was given to. No shard waits for this.

mod cache;
mod check;
mod http;
mod soundness;
mod wire;

use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::Receiver;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep, timeout_at};

use self::cache::Cache;
pub use self::check::{AccessAnswer, AccessCheck, CheckFault, CheckFuture};
pub use self::http::HttpCheck;
use self::soundness::sound;
use super::crowds::{GROUPS, Grouping};
use super::desk::{Asked, BackendState};
use crate::net::{Clock, Mail, Peers};
use crate::protocol::NameRules;
use crate::rare_line::RareLine;
use crate::session::{AccessQuestion, ClientAddress, NoVerdict, Verdict};
use crate::shard::{BackendAnswer, Priority, SourceRule};

/// Questions that are being asked at a time.
pub const TURNS: usize = 64;

/// Questions of one source that are.
const TURNS_OF_SOURCE: usize = 16;

/// The most bytes that are read of an answer.
pub const ANSWER_BYTES: usize = 16 * 1024;

/// How long, and how often, a shard whose inbox is full is told again. Then its own deadline answers.
const TOLD_AGAIN_AFTER: Duration = Duration::from_millis(10);
const TOLD_AGAIN: usize = 100;

/// Lines about a backend that does not do its part, one for each kind of trouble.
static LATE: RareLine = RareLine::new();
static UNREACHABLE: RareLine = RareLine::new();
static UNREADABLE: RareLine = RareLine::new();

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

/// The control plane's part of the access check.
#[derive(Debug)]
pub(super) struct Backend {
    live: LiveCheck,
    shards: Peers,
    names: NameRules,
    turns: Turns,
    state: Arc<BackendState>,
    clock: Clock,
}

impl Backend {
    pub(super) fn new(
        live: LiveCheck,
        shards: Peers,
        names: NameRules,
        sources: SourceRule,
        state: Arc<BackendState>,
        clock: Clock,
    ) -> Rc<Self> {
        Rc::new(Self {
            state,
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
            return (Err(NoVerdict::Unreachable), false);
        };
        let key = cache::key(&wire::question(question));
        let cache = || installed.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(verdict) = cache().find(&key, Instant::now()) {
            return (Ok(verdict), true);
        }
        let deadline = Instant::now() + installed.timeout;
        let Ok(_turn) = timeout_at(deadline, self.turns.take(question.address)).await else {
            return (Err(self.state.silence_of_the_unasked()), false);
        };
        let answer = timeout_at(deadline, installed.check.check(question)).await;
        let answer = answer.unwrap_or(Err(CheckFault::Late));
        match &answer {
            Ok(_) => self.state.note(true),
            Err(CheckFault::Late | CheckFault::Unreachable(_)) => self.state.note(false),
            // It has said something: that is for the one who asked.
            Err(CheckFault::Unreadable(_)) => {}
        }
        match answer.and_then(|answer| sound(answer, &self.names)) {
            Ok(AccessAnswer { verdict, valid_for }) => {
                if !valid_for.is_zero() {
                    cache().keep(key, verdict.clone(), Instant::now() + valid_for);
                }
                (Ok(verdict), false)
            }
            Err(fault) => {
                self.complain(&fault);
                (Err(fault.silence()), false)
            }
        }
    }

    fn complain(&self, fault: &CheckFault) {
        let line = match fault {
            CheckFault::Late => &LATE,
            CheckFault::Unreachable(_) => &UNREACHABLE,
            CheckFault::Unreadable(_) => &UNREADABLE,
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
