//! What of an answer may be believed: bounds, and names as players may have them.

use std::time::Duration;

use super::check::{AccessAnswer, CheckFault};
use crate::protocol::NameRules;
use crate::session::{Grant, Verdict};

/// The longest for which an answer holds.
const MAX_VALID: Duration = Duration::from_secs(3_600);

/// The most bytes of who somebody is.
const MAX_USER_BYTES: usize = 256;

/// The most characters of a reason that a client is told.
const MAX_REASON_CHARS: usize = 256;

/// What a client is told that was denied without a reason.
const NO_REASON: &str = "the game's backend does not let you";

/// An answer within its bounds.
pub(super) fn sound(answer: AccessAnswer, names: &NameRules) -> Result<AccessAnswer, CheckFault> {
    let verdict = match answer.verdict {
        Verdict::Denied(reason) => Verdict::Denied(shown(&reason)),
        Verdict::Allowed(grant) => Verdict::Allowed(sound_grant(grant, names)?),
    };
    Ok(AccessAnswer {
        verdict,
        valid_for: answer.valid_for.min(MAX_VALID),
    })
}

fn sound_grant(grant: Grant, names: &NameRules) -> Result<Grant, CheckFault> {
    let fault = |what: String| Err(CheckFault::Unreadable(what));
    if let Some(name) = &grant.display_name
        && let Err(why) = names.check_player_name(name)
    {
        return fault(format!(
            "the answer's display_name is none that players may have: {why}"
        ));
    }
    let has_long_user = grant.user.as_ref().is_some_and(|user| user.len() > MAX_USER_BYTES);
    if has_long_user {
        return fault(format!("the answer's user has more than {MAX_USER_BYTES} bytes"));
    }
    if grant.max_players_per_room == Some(0) || grant.relay_bytes == Some(0) {
        return fault("a limit of the answer is 0: deny the request instead".to_owned());
    }
    Ok(grant)
}

/// A reason as it may be shown: no control characters, and not too long.
fn shown(reason: &str) -> Box<str> {
    let characters = reason.chars().filter(|character| !character.is_control());
    let text: String = characters.take(MAX_REASON_CHARS).collect();
    if text.trim().is_empty() {
        NO_REASON.into()
    } else {
        text.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(grant: Grant) -> AccessAnswer {
        AccessAnswer {
            verdict: Verdict::Allowed(grant),
            valid_for: Duration::from_secs(1),
        }
    }

    #[test]
    fn what_no_player_may_have_is_not_given() {
        let names = NameRules::default();
        for grant in [
            Grant {
                display_name: Some("\u{7}bell".into()),
                ..Grant::default()
            },
            Grant {
                user: Some("u".repeat(MAX_USER_BYTES + 1).into()),
                ..Grant::default()
            },
            Grant {
                max_players_per_room: Some(0),
                ..Grant::default()
            },
            Grant {
                relay_bytes: Some(0),
                ..Grant::default()
            },
        ] {
            let judged = sound(allowed(grant.clone()), &names);
            assert!(matches!(judged, Err(CheckFault::Unreadable(_))), "{grant:?}");
        }
        let fine = allowed(Grant {
            display_name: Some("Ann".into()),
            user: Some("u".repeat(MAX_USER_BYTES).into()),
            max_players_per_room: Some(1),
            relay_bytes: Some(1),
        });
        assert_eq!(sound(fine.clone(), &names), Ok(fine));
    }

    #[test]
    fn reasons_are_cut_and_validity_ends() {
        let judge = |reason: &str| {
            let answer = AccessAnswer {
                verdict: Verdict::Denied(reason.into()),
                valid_for: Duration::from_secs(1 << 40),
            };
            sound(answer, &NameRules::default()).expect("a no is a no")
        };
        let long = judge(&"ä".repeat(1_000));
        assert_eq!(long.valid_for, MAX_VALID);
        assert_eq!(long.verdict, Verdict::Denied("ä".repeat(MAX_REASON_CHARS).into()));
        assert_eq!(
            judge("be\u{1b}[31mhave\n").verdict,
            Verdict::Denied("be[31mhave".into())
        );
        assert_eq!(judge(" \n").verdict, Verdict::Denied(NO_REASON.into()));
    }
}
