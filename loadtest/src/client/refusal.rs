//! What to do about a refusal of the server: texts only.

/// The answer to a refusal that begins with its error code, with the setting to change where there is one.
pub(crate) fn explained(why: &str) -> String {
    match remedy(why.split(' ').next().unwrap_or_default()) {
        Some(remedy) => format!("the server refused: {why}; {remedy}"),
        None => format!("the server refused: {why}"),
    }
}

fn remedy(code: &str) -> Option<&'static str> {
    Some(match code {
        "TOO_MANY_CONNECTIONS" => {
            "raise its security.max_connections_per_ip or security.max_connections, or connect from more --source-addresses"
        }
        "RATE_LIMIT_EXCEEDED" => {
            "raise its rate_limit.max_join_attempts and rate_limit.max_room_creations (of a connection, in \
             rate_limit.time_window seconds), or the app's rate_limit_per_minute"
        }
        "MAX_ROOMS_PER_GAME_EXCEEDED" | "ROOM_CREATION_FAILED" => {
            "raise its server.max_rooms and server.max_rooms_per_game; rooms of an earlier test count until they are cleared \
             (server.empty_room_timeout)"
        }
        "INVALID_MAX_PLAYERS" | "ROOM_FULL" => {
            "raise its protocol.max_players_limit, or ask for fewer players in a room"
        }
        "TOO_MANY_SPECTATORS" => "raise its server.default_max_spectators (0 lifts the limit)",
        "INVALID_APP_ID" | "MISSING_APP_ID" | "APP_ID_EXPIRED" | "APP_ID_REVOKED" | "APP_ID_SUSPENDED" => {
            "give one of its security.allowed_apps as --app-id, or set its security.enforce_app_id_allowlist to false"
        }
        "CONNECT_TOKEN_REQUIRED" => {
            "no tokens are made here: name an app that needs none, or set its require_connect_token to false"
        }
        _ => return None,
    })
}

/// What to do about an answer other than 101 to the request for a WebSocket.
pub(crate) fn upgrade_remedy(status: &str) -> &'static str {
    match status.split(' ').nth(1).unwrap_or_default() {
        "404" | "200" | "405" | "426" => "there is no WebSocket at this path; servers have /v2/ws and /v3/ws",
        "400" => "it may want TLS (wss://), no --proxy-protocol, or nothing of this path",
        "401" | "403" => {
            "it may not like the origin (its security.cors_origins; --origin sends one), or want credentials"
        }
        "429" | "503" => "it has too many connections, or is about to stop",
        status if status.starts_with('3') => "it sends elsewhere; give the address that it names",
        _ => "is the address right?",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cap_is_told_with_the_key_that_raises_it() {
        for (why, key) in [
            ("TOO_MANY_CONNECTIONS (64 from here)", "security.max_connections_per_ip"),
            ("MAX_ROOMS_PER_GAME_EXCEEDED (no)", "server.max_rooms_per_game"),
            ("RATE_LIMIT_EXCEEDED (wait)", "rate_limit.max_join_attempts"),
            ("TOO_MANY_SPECTATORS (no)", "server.default_max_spectators"),
            ("INVALID_APP_ID (unknown)", "--app-id"),
        ] {
            let told = explained(why);
            assert!(told.contains(why) && told.contains(key), "{told}");
        }
        assert_eq!(explained("NEW_CODE (odd)"), "the server refused: NEW_CODE (odd)");
    }
}
