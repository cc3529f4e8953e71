//! What a server that only this machine can reach does when others come in after all.
//!
//! Promises that nobody else is answered unless the operator named the host that they ask for, and that whatever was left
//! open because nobody else could come is told, in few lines, as soon as somebody may. Must never refuse a health check.

use super::host::{self, HostPolicy};
use super::request::Head;
use super::response::{Response, Status};
use crate::rare_line::RareLine;

static FOREIGN_HOSTS: RareLine = RareLine::new();
static PROXIES: RareLine = RareLine::new();

/// Under which names the server is asked, and what nobody decided.
#[derive(Debug)]
pub struct Doors {
    hosts: HostPolicy,
    /// The keys of what is open because nobody decided it.
    undecided: String,
}

impl Doors {
    /// Answers to these hosts. `undecided` are the keys of what is open because nobody decided it.
    #[must_use]
    pub fn new(hosts: HostPolicy, undecided: &[&str]) -> Self {
        Self {
            hosts,
            undecided: undecided.join(", "),
        }
    }

    /// The refusal of a request that is for another host. Whatever comes in otherwise than from this machine is told in the
    /// log, once a minute at most.
    pub(super) fn refuse(&self, head: &Head<'_>, now_ms: u64) -> Option<Response> {
        if let Some(host) = self.hosts.refused(head) {
            let origin = host::origin_to_list(host);
            self.tell_of_foreign_host(origin.as_deref(), now_ms);
            return Some(Response::text(Status::Forbidden, refusal_text(origin.as_deref())));
        }
        if !self.undecided.is_empty() && host::shows_a_proxy(head) {
            self.tell_of_proxy(now_ms);
        }
        None
    }

    fn tell_of_foreign_host(&self, origin: Option<&str>, now_ms: u64) {
        if let Some(unsaid) = FOREIGN_HOSTS.may_say(now_ms) {
            tracing::warn!(
                origin,
                undecided = self.undecided,
                unsaid,
                cure = "if it is your proxy, set the keys that are undecided, and list the origin under which it serves in \
                        security.cors_origins; else a page had its name resolve to this machine",
                "A REQUEST FOR ANOTHER HOST THAN THIS MACHINE WAS REFUSED"
            );
        }
    }

    fn tell_of_proxy(&self, now_ms: u64) {
        if let Some(unsaid) = PROXIES.may_say(now_ms) {
            tracing::warn!(
                undecided = self.undecided,
                unsaid,
                cure = "set the keys that are undecided: what they decide is open to whoever comes through the proxy; and \
                        set security.forwarded_header and security.trusted_proxies, or no limit by address holds for them",
                "A PROXY ON THIS MACHINE LETS OTHERS IN"
            );
        }
    }
}

fn refusal_text(origin: Option<&str>) -> String {
    let origin = origin.unwrap_or("the origin under which it serves, like https://play.example,");
    format!(
        "this server is bound to loopback and answers to localhost and to the hosts in security.cors_origins; if your proxy \
         asks, add {origin} to security.cors_origins, and before that set security.allowed_apps and \
         security.metrics_auth_token"
    )
}

#[cfg(test)]
mod tests {
    use super::super::request::read_head;
    use super::*;
    use crate::config::OriginPolicy;

    fn answer(doors: &Doors, fields: &str) -> Option<String> {
        let request = format!("GET / HTTP/1.1\r\n{fields}\r\n");
        let (head, _) = read_head(request.as_bytes()).expect("well-formed").expect("whole");
        let response = doors.refuse(&head, 0)?;
        Some(String::from_utf8(response.into_bytes()).expect("text"))
    }

    #[test]
    fn another_host_is_told_what_to_set() {
        let doors = Doors::new(
            HostPolicy::this_machine_and(&OriginPolicy::Only(Vec::new())),
            &["security.allowed_apps"],
        );
        let text = answer(&doors, "Host: play.example\r\n").expect("refused");
        assert!(text.starts_with("HTTP/1.1 403"), "{text}");
        for word in [
            "add https://play.example to security.cors_origins",
            "security.allowed_apps",
            "security.metrics_auth_token",
        ] {
            assert!(text.contains(word), "{word}: {text}");
        }
        let nameless = answer(&doors, "Host: <b>\r\n").expect("refused");
        assert!(
            !nameless.contains('<') && nameless.contains("like https://play.example"),
            "{nameless}"
        );
    }

    #[test]
    fn who_shows_a_proxy_is_not_refused_for_that() {
        let doors = Doors::new(
            HostPolicy::this_machine_and(&OriginPolicy::Only(Vec::new())),
            &["security.allowed_apps"],
        );
        assert_eq!(
            answer(&doors, "Host: localhost\r\nX-Forwarded-For: 192.0.2.7\r\n"),
            None
        );
        assert_eq!(
            answer(&Doors::new(HostPolicy::Any, &[]), "Host: play.example\r\n"),
            None
        );
    }
}
