//! What a shard counts. One writer, any number of readers, no locked instruction.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::protocol::delivery::GapReason;
use crate::protocol::{CloseCode, DeliveryClass};

/// A count with one writer: its shard.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds to the count. Only the owning shard may.
    pub fn add(&self, count: u64) {
        // Not `fetch_add`: with a single writer a plain load and store lose nothing and need no locked instruction.
        self.0
            .store(self.0.load(Ordering::Relaxed).wrapping_add(count), Ordering::Relaxed);
    }

    /// Replaces the count by one that is kept elsewhere. Only the owning shard may.
    pub fn set(&self, count: u64) {
        self.0.store(count, Ordering::Relaxed);
    }

    /// The count so far.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How a counter is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spread {
    /// As the sum over all shards.
    Summed,
    /// For each shard by itself.
    PerShard,
}

/// What a counter counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Things.
    Count,
    /// Microseconds, shown as seconds.
    Micros,
    /// Milliseconds, shown as seconds.
    Millis,
}

/// A counter as it is shown.
#[derive(Debug, Clone, Copy)]
pub struct Shown {
    /// The exported name without its prefix.
    pub name: &'static str,
    /// What is counted.
    pub help: &'static str,
    /// How it is shown.
    pub spread: Spread,
    /// What it counts.
    pub unit: Unit,
    /// Its value.
    pub count: u64,
}

/// Something that was left behind in a queue, or never came into it.
#[derive(Debug, Clone, Copy)]
pub struct Drops {
    /// Which queue.
    pub queue: &'static str,
    /// Why.
    pub reason: &'static str,
    /// How often.
    pub count: u64,
}

/// A counter for each of some kinds of things.
#[derive(Debug)]
pub struct Counts<const KINDS: usize>([Counter; KINDS]);

impl<const KINDS: usize> Default for Counts<KINDS> {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Counter::default()))
    }
}

impl<const KINDS: usize> std::ops::Index<usize> for Counts<KINDS> {
    type Output = Counter;

    fn index(&self, kind: usize) -> &Counter {
        &self.0[kind]
    }
}

/// What became of the game data of one class, one for each message and receiver.
#[derive(Debug, Default)]
pub struct ClassCounters {
    /// All.
    pub attempted: Counter,
    /// Taken by the receiver's socket.
    pub delivered: Counter,
    /// Waiting, or about to, when the receiver was closed or gone.
    pub abandoned: Counter,
}

/// Declares the counters once: field, exported name, help text; of drops the queue and the reason.
macro_rules! counters {
    (
        summed { $($summed:ident, $summed_name:literal, $summed_help:literal;)+ }
        per_shard { $($own:ident, $unit:ident, $own_name:literal, $own_help:literal;)+ }
        drops { $($dropped:ident, $queue:literal, $reason:literal, $drop_help:literal;)+ }
        beside { $($(#[doc = $beside_help:literal])+ $beside:ident: $type:ty,)+ }
    ) => {
        /// The counts of one shard since its start.
        #[derive(Debug, Default)]
        #[repr(align(64))]
        pub struct CounterSet {
            $(#[doc = $summed_help] pub $summed: Counter,)+
            $(#[doc = $own_help] pub $own: Counter,)+
            $(#[doc = $drop_help] pub $dropped: Counter,)+
            $($(#[doc = $beside_help])+ pub $beside: $type,)+
        }

        impl CounterSet {
            /// Every counter with a name of its own.
            pub fn shown(&self) -> impl Iterator<Item = Shown> {
                [
                    $(Shown {
                        name: $summed_name,
                        help: $summed_help,
                        spread: Spread::Summed,
                        unit: Unit::Count,
                        count: self.$summed.get(),
                    },)+
                    $(Shown {
                        name: $own_name,
                        help: $own_help,
                        spread: Spread::PerShard,
                        unit: Unit::$unit,
                        count: self.$own.get(),
                    },)+
                ]
                .into_iter()
            }

            /// What was dropped, by queue and reason.
            pub fn drops(&self) -> impl Iterator<Item = Drops> {
                [$(Drops { queue: $queue, reason: $reason, count: self.$dropped.get() },)+].into_iter()
            }
        }
    };
}

counters! {
    summed {
        connections, "connections_total", "Sockets registered.";
        disconnections, "connections_disconnections_total", "Sockets ended.";
        slow_consumers, "websocket_slow_consumer_disconnects_total", "Closes with 4002.";
        backpressure, "websocket_backpressure_events_total", "Sends that a full socket cut short, so that the rest had to wait.";
        zero_frame_timeouts, "websocket_zero_frame_timeout_disconnects_total", "Connections closed by a deadline from which no frame ever came.";
        ping_timeouts, "websocket_ping_timeouts_total", "Connections closed because nothing came in time after a ping of the server.";
        pings_skipped, "websocket_ping_probes_skipped_activity_total", "Looks at a connection that found no ping due, because frames had come.";
        pings_cancelled, "websocket_ping_probes_cancelled_activity_total", "Pings of the server that something else than their pong answered.";
        deliveries_enqueued, "websocket_deliveries_enqueued_total", "Messages queued for a receiver, those of the server too.";
        deliveries_closed, "websocket_deliveries_channel_closed_total", "Messages for receivers that were closing already.";
        deliveries, "deliveries_total", "Game-data frames queued for a receiver.";
        egress_bytes, "websocket_egress_bytes_total", "Bytes written to clients, with the heads of their frames.";
        kernel_entries, "kernel_entries_total", "Times that a shard's loop asked the kernel: waits, pauses, reads and sends.";
        socket_sends, "socket_sends_total", "Sends that a socket accepted, wholly or in part.";
        relay_bytes, "relay_bytes_total", "Payload bytes of accepted game data.";
        game_data_messages, "game_data_messages_total", "Accepted game-data messages.";
        rooms_created, "rooms_created_total", "Rooms created.";
        rooms_joined, "rooms_joined_total", "Seats taken in rooms that existed.";
        rooms_deleted, "rooms_deleted_total", "Rooms deleted.";
        players_joined, "players_joined_total", "Seats taken: by creators, by joiners, and by players who came back.";
        players_left, "players_left_total", "Seats given up or lost.";
        codes_missed, "joins_missed_total", "Joins by code that found no room, or had a wrong password.";
        joins_throttled, "joins_throttled_total", "Joins by code refused because too many from their address had failed.";
        guessers_displaced, "joins_sources_displaced_total", "Addresses whose failed joins were forgotten to count another's.";
        removals, "room_removals_total", "Players and spectators removed by their room's authority.";
        expulsions, "room_expulsions_total", "Players and spectators removed by the server's operator.";
        rooms_closed, "rooms_closed_total", "Rooms closed by the server's operator.";
        auth_limited, "rate_limit_auth_rejections_total", "Handshakes refused because their app had too many in a minute.";
        creations_limited, "rate_limit_room_creation_rejections_total", "Room creations refused because their player had too many in a window.";
        joins_limited, "rate_limit_join_attempt_rejections_total", "Joins and requests to watch refused because their player had too many in a window.";
        signals_limited, "rate_limit_signal_rejections_total", "Signals and transport reports refused because their player had too many in a window.";
        signal_errors_limited, "rate_limit_signal_error_rejections_total", "Signals refused without details because too many of their player had been refused.";
        relay_limited, "rate_limit_relay_bandwidth_rejections_total", "Game data refused because its sender had relayed too many bytes in a window.";
        room_relay_limited, "rate_limit_relay_room_bandwidth_rejections_total", "Game data refused because its room had relayed too many bytes in a window.";
        replies_limited, "rate_limit_inbound_error_reply_rejections_total", "Connections closed because too many of their requests had to be refused in a window.";
        seats_kept, "reconnection_tokens_issued_total", "Seats kept for players whose connection was lost.";
        returns_refused, "reconnection_validation_failures_total", "Requests to come back that were refused.";
        reconnections, "reconnection_completions_total", "Absent players who took their seat back.";
        events_kept, "reconnection_events_buffered_total", "Events of rooms kept for absent players.";
        events_evicted, "reconnection_events_evicted_total", "Kept events that newer ones pushed out.";
        empty_rooms_deleted, "cleanup_empty_rooms_total", "Rooms deleted because they had been empty for too long.";
        inactive_rooms_deleted, "cleanup_inactive_rooms_total", "Rooms deleted because nothing had happened in them for too long.";
        session_plans, "transport_session_plans_emitted_total", "Sessions planned at the start of a game.";
        session_replans, "transport_session_replans_emitted_total", "Sessions planned anew because the host left or moved.";
        late_plans, "transport_session_plans_late_join_total", "Sessions planned anew because a seat was taken or taken back.";
        mesh_selected, "transport_topology_mesh_selected_total", "Games that started as a mesh.";
        host_selected, "transport_topology_host_selected_total", "Games that started with a host.";
        relay_selected, "transport_topology_relay_selected_total", "Games that started on the relay.";
        webrtc_selected, "transport_webrtc_selected_total", "Games that started over WebRTC.";
        direct_selected, "transport_direct_selected_total", "Games that started over direct connections.";
        relay_transport_selected, "transport_relay_selected_total", "Games that started with the relay as their transport.";
        p2p_established, "transport_p2p_established_total", "Reports of clients that a connection to their peers works.";
        relay_fallback, "transport_relay_fallback_total", "Reports of clients that they fell back to the relay.";
        status_fanout, "transport_status_fanout_total", "Reports passed on to the room.";
        signals_relayed, "transport_signals_relayed_total", "WebRTC signals passed on.";
        turn_credentials, "transport_turn_credentials_issued_total", "TURN credentials made.";
        ice_pregather, "transport_ice_pregather_emitted_total", "Snapshots that told ICE servers before the game started.";
        seat_fills_rejected, "transport_seat_fills_rejected_incompatible_total", "Joins refused because the joiner cannot take part in the session.";
        mixed_path_members, "transport_mixed_path_members_observed_total", "Members planned without peers because they came back with lesser abilities.";
        access_questions, "access_check_questions_total", "Requests of which the game's backend was to say whether they may be served.";
        access_allowed, "access_check_allowed_total", "Of these, those that it allowed.";
        access_denied, "access_check_denied_total", "Of these, those that it denied.";
        access_remembered, "access_check_remembered_total", "Of these, those that an earlier answer to the same question decided.";
        access_late, "access_check_late_total", "Of these, those of which it said nothing in time.";
        access_unattended, "access_check_unattended_total", "Of these, those that this server itself did not get to in time.";
        access_unreachable, "access_check_unreachable_total", "Of these, those of which it could not be asked.";
        access_unreadable, "access_check_unreadable_total", "Of these, those to which it gave no answer of use.";
        access_failed_open, "access_check_failed_open_total", "Requests that were served although the game's backend had said nothing.";
        tls_handshakes, "tls_handshakes_total", "TLS handshakes of players' ports that succeeded.";
        tls_resumptions, "tls_resumptions_total", "Of these, those that resumed an earlier connection.";
        control_handovers, "control_handovers_total", "Sockets given to the control plane because they asked for no WebSocket.";
        outpost_places, "outpost_places_total", "Spectators who were given a place at an outpost of a room.";
        bulletins_posted, "outpost_bulletins_total", "What a room said in a turn, sent to one outpost.";
        bulletins_thinned, "outpost_bulletins_thinned_total", "Bulletins without what may be left out, for an outpost that is behind.";
        outposts_cut, "outpost_cuts_total", "Outposts whose spectators were closed because they were too far behind.";
        roster_notices_replaced, "outpost_roster_notices_replaced_total", "News of a gallery that newer news replaced before outposts were told.";
        gallery_news_replaced, "gallery_news_replaced_total", "News of a gallery of more than 32 that newer news replaced before readers on version 2 were told.";
        letters_refused, "letters_refused_total", "Messages between shards that waited, or questions that were refused, because the other shard's inbox was full.";
    }
    per_shard {
        busy_us, Micros, "shard_busy_seconds_total", "Time spent in turns, whether working or waiting for a CPU; its rate is the busy fraction.";
        cpu_us, Micros, "shard_cpu_seconds_total", "CPU time of the shard's thread, of programs and of the system for them.";
        turns, Count, "shard_turns_total", "Times that the shard woke and worked.";
        ticks, Count, "shard_ticks_total", "Times that the shard looked at its deadlines.";
        slow_turns, Count, "shard_slow_turns_total", "Turns that took more than 5 ms, in which the shard looked at no socket.";
        standstills, Count, "shard_standstills_total", "Times that the shard got no turn for 100 ms more than a tick: nobody was judged by that time.";
        inbox_wakes, Count, "inbox_wakes_total", "Times that another thread had to wake the shard.";
        accept_pauses, Count, "accept_pauses_total", "Times that accepting paused because descriptors ran out.";
        hops_sent, Count, "hops_sent_total", "Connections handed to another shard.";
        hops_received, Count, "hops_received_total", "Connections taken over from another shard.";
        hops_transit_us, Micros, "hops_transit_seconds_total", "Time that connections taken over had spent on their way.";
        paced_ms, Millis, "paced_seconds_total", "Time for which senders above their free rate were held back for readers with much waiting.";
        sweeps, Count, "shard_sweeps_total", "Times that the shard has looked over all its rooms.";
    }
    drops {
        latest_superseded, "outbox", "superseded", "Unsent `latest` values of slow readers that newer ones replaced.";
        latest_dropped, "outbox", "latest_full", "`latest` values that found a slow reader's queue full.";
        volatile_dropped, "outbox", "volatile", "`volatile` messages left out for slow readers.";
        undeliverable, "outbox", "unsupported_format", "Game-data frames that a receiver of another format could not be told.";
        discarded_frames, "outbox", "slow_reader", "Frames dropped because their receiver was closed as too slow.";
        lost_frames, "outbox", "gone", "Frames still queued when their socket was gone.";
        room_events_dropped, "room_events", "full", "Room events that whoever takes them had no room for.";
        inbox_refused_transfers, "inbox", "full", "Transfers and questions that came back because this shard's inbox was full.";
        inbox_refused_control, "inbox", "reserve_full", "Control messages that not even the inbox's reserve could hold.";
        hops_refused, "hops", "inbox_full", "Connections that came back because the other shard's inbox was full.";
        greetings_expired, "greetings", "expired", "Sockets dropped because no whole request came in time.";
        greetings_displaced, "greetings", "displaced", "Sockets dropped before their upgrade because others needed their place.";
        access_crowded, "access_check", "full", "Questions for the game's backend that found no place.";
        control_refused, "control_line", "full", "Requests answered with 503 because the control plane's line was full.";
    }
    beside {
        #[doc = "What became of game data, by the class's place in the protocol's order."]
        game_data: [ClassCounters; DeliveryClass::ALL.len()],
        #[doc = "Connections closed by the server, by the reason's place in the list."]
        closes: Counts<{ CloseCode::ALL.len() }>,
        #[doc = "How long the last sweep over all rooms took, in milliseconds of the shard's clock; not a count."]
        last_sweep_ms: Counter,
        #[doc = "The share of its time that the shard has spent in turns of late, in thousandths; not a count."]
        busy_permille: Counter,
        #[doc = "Requests for a WebSocket that were answered with 101."]
        upgrades_accepted: Counter,
        #[doc = "Of these, sockets that did not take the answer."]
        upgrades_failed: Counter,
        #[doc = "Requests for a WebSocket that were answered with 503, because there was not even a place to tell it on the socket."]
        upgrades_crowded_out: Counter,
        #[doc = "Players removed who may join again."]
        kicks: Counter,
        #[doc = "Players removed who may not."]
        bans: Counter,
        #[doc = "Bans lifted."]
        unbans: Counter,
        #[doc = "Rooms given another code."]
        codes_changed: Counter,
        #[doc = "Times that a player took the authority over a room, or was given it."]
        authority_moves: Counter,
        #[doc = "Requests for a new room that were refused."]
        creations_refused: Counter,
        #[doc = "Requests to join a room by its code that were refused."]
        joins_refused: Counter,
    }
}

impl CounterSet {
    /// Counts a message that a receiver on version 3 does not get.
    pub(in crate::shard) fn note_missed(&self, reason: GapReason) {
        match reason {
            GapReason::LatestSuperseded => self.latest_superseded.add(1),
            GapReason::LatestDroppedFull => self.latest_dropped.add(1),
            GapReason::VolatileDropped => self.volatile_dropped.add(1),
            GapReason::UnsupportedFormat => self.undeliverable.add(1),
        }
    }

    /// Counts a request for a new room, or to join one, that is refused.
    pub(in crate::shard) fn note_join_refused(&self, is_new: bool) {
        if is_new {
            self.creations_refused.add(1);
        } else {
            self.joins_refused.add(1);
        }
    }

    /// Counts game data, by the class's place in the protocol's order, that its receiver will not get because it is closed or
    /// gone.
    pub(in crate::shard) fn note_abandoned(&self, by_class: [u64; DeliveryClass::ALL.len()]) {
        for (of_class, abandoned) in self.game_data.iter().zip(by_class) {
            of_class.abandoned.add(abandoned);
        }
    }
}

/// A shard's counters, shared with whoever reads them.
pub type Counters = Arc<CounterSet>;
