//! With a check that takes its time.

use std::future::pending;

use tokio::task::LocalSet;

use super::*;
use crate::protocol::Secret;
use crate::session::Wish;
use crate::shard::SentQuestion;

/// Says no after so long; `None`: never says anything.
#[derive(Debug)]
struct SaysNo(Option<Duration>);

impl AccessCheck for SaysNo {
    fn check<'a>(&'a self, _: &'a AccessQuestion) -> CheckFuture<'a> {
        Box::pin(async move {
            let Some(after) = self.0 else { return pending().await };
            sleep(after).await;
            Ok(AccessAnswer {
                verdict: Verdict::Denied("no".into()),
                valid_for: Duration::ZERO,
            })
        })
    }
}

fn backend(live: LiveCheck) -> Rc<Backend> {
    let peers: Peers = Vec::new().into();
    Backend::new(
        live,
        peers,
        NameRules::default(),
        SourceRule::DEFAULT,
        Arc::new(Silence::new(Instant::now())),
        Clock::start(),
    )
}

fn run<T>(doing: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    LocalSet::new().block_on(&runtime.expect("a runtime"), doing)
}

/// Has so many ask at once, from one address.
async fn crowd(backend: &Rc<Backend>, count: usize) -> Vec<Result<Verdict, NoVerdict>> {
    let question = SentQuestion::of_nobody(ClientAddress::own([192, 0, 2, 1].into())).question;
    let ask = |_| {
        let (backend, question) = (Rc::clone(backend), question.clone());
        spawn_local(async move { backend.decide(&question).await.0 })
    };
    let asking: Vec<_> = (0..count).map(ask).collect();
    let mut told = Vec::new();
    for asked in asking {
        told.push(asked.await.expect("no panic"));
    }
    told
}

#[test]
fn whose_turn_comes_too_late_for_an_answer_is_crowded_out_by_others_and_shows_no_silence() {
    let timeout = Duration::from_millis(800);
    let live = LiveCheck::default();
    // Two rounds have their answers in time; of the third each is cut short.
    live.install(Arc::new(SaysNo(Some(timeout * 3 / 8))), timeout);
    let told = run(async {
        let backend = backend(live);
        let told = crowd(&backend, 5 * TURNS_OF_SOURCE).await;
        assert!(!backend.silence.is_known(Instant::now()));
        told
    });
    let is_fair = |told: &Result<Verdict, NoVerdict>| told.as_ref().err().is_none_or(|why| why.is_ours());
    assert!(told.iter().all(is_fair), "{told:?}");
    assert!(told.iter().any(Result::is_err), "{told:?}");
}

#[test]
fn while_the_backend_is_silent_nobody_waits_for_a_turn() {
    let timeout = Duration::from_millis(400);
    let live = LiveCheck::default();
    live.install(Arc::new(SaysNo(None)), timeout);
    run(async {
        let backend = backend(live);
        assert_eq!(crowd(&backend, 1).await, [Err(NoVerdict::Late)]);
        let told = crowd(&backend, TURNS_OF_SOURCE + 100).await;
        let (asked, others) = told.split_at(TURNS_OF_SOURCE);
        assert_eq!(asked, vec![Err(NoVerdict::Late); TURNS_OF_SOURCE]);
        assert_eq!(others, vec![Err(NoVerdict::Unreachable); 100]);
    });
}

#[test]
fn where_nobody_is_there_to_be_asked_the_fault_is_ours() {
    let told = run(async { crowd(&backend(LiveCheck::default()), 1).await });
    assert_eq!(told, [Err(NoVerdict::Unattended)]);
}

#[test]
fn a_question_that_is_too_long_is_answered_at_once_and_not_asked() {
    let live = LiveCheck::default();
    live.install(Arc::new(SaysNo(None)), Duration::from_secs(60));
    let mut question = SentQuestion::of_nobody(ClientAddress::own([192, 0, 2, 1].into())).question;
    question.wish = Wish::Handshake {
        connect_token: Some(Secret::new("x".repeat(QUESTION_BYTES))),
        platform: None,
        sdk_version: None,
        protocol_version: 3,
    };
    let (told, _) = run(async { backend(live).decide(&question).await });
    assert_eq!(told, Ok(Verdict::Denied(TOO_LONG.into())));
}
