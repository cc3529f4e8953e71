//! What a shard counts. One writer, any number of readers, no locked instruction.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::protocol::delivery::GapReason;

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

/// Declares the counters once: field, exported name, help text.
macro_rules! counters {
    ($($field:ident, $name:literal, $help:literal;)+) => {
        /// The counts of one shard since its start.
        #[derive(Debug, Default)]
        #[repr(align(64))]
        pub struct CounterSet {
            $(#[doc = $help] pub $field: Counter,)+
        }

        impl CounterSet {
            /// Every counter: its exported name without prefix, what it counts, and its value.
            pub fn each(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
                [$(($name, $help, self.$field.get()),)+].into_iter()
            }
        }
    };
}

counters! {
    connections, "connections_total", "Sockets registered.";
    disconnections, "connections_disconnections_total", "Sockets ended.";
    rooms_created, "rooms_created_total", "Rooms created.";
    rooms_joined, "rooms_joined_total", "Seats taken in rooms that existed.";
    codes_missed, "joins_missed_total", "Joins by code that found no room, or had a wrong password.";
    joins_throttled, "joins_throttled_total", "Joins by code refused because too many from their address had failed.";
    guessers_displaced, "joins_sources_displaced_total", "Addresses whose failed joins were forgotten to count another's.";
    reconnections, "reconnection_completions_total", "Absent players who took their seat back.";
    removals, "room_removals_total", "Players and spectators removed by their room's authority.";
    rooms_deleted, "rooms_deleted_total", "Rooms deleted.";
    hops_sent, "hops_sent_total", "Connections handed to another shard.";
    hops_received, "hops_received_total", "Connections taken over from another shard.";
    hops_transit_us, "hops_transit_microseconds_total", "Time that connections spent on their way between shards.";
    hops_refused, "hops_refused_total", "Connections that came back because the other shard's inbox was full.";
    game_data_messages, "game_data_messages_total", "Accepted game-data messages.";
    relay_bytes, "relay_bytes_total", "Payload bytes of accepted game data.";
    deliveries, "deliveries_total", "Game-data frames queued for a receiver.";
    latest_superseded, "latest_superseded_total", "Unsent `latest` values of slow readers that newer ones replaced.";
    latest_dropped, "latest_dropped_full_total", "`latest` values that found a slow reader's queue full.";
    volatile_dropped, "volatile_dropped_total", "`volatile` messages left out for slow readers.";
    undeliverable, "undeliverable_total", "Game-data frames that a receiver of another format could not be told.";
    kernel_entries, "kernel_entries_total", "Times that a shard's loop asked the kernel: waits, pauses, reads and sends.";
    socket_sends, "socket_sends_total", "Sends that a socket accepted, wholly or in part.";
    socket_full, "socket_full_total", "Sends that a full socket cut short.";
    egress_bytes, "websocket_egress_bytes_total", "Bytes written to clients.";
    discarded_frames, "outbox_discarded_frames_total", "Frames dropped because their receiver was closed as too slow.";
    lost_frames, "outbox_lost_frames_total", "Frames still queued when their socket was gone.";
    greetings_expired, "greetings_expired_total", "Sockets dropped because no whole request came in time.";
    greetings_displaced, "greetings_displaced_total", "Sockets dropped before their upgrade because others needed their place.";
    control_handovers, "control_handovers_total", "Sockets given to the control plane because they asked for no WebSocket.";
    control_refused, "control_refused_total", "Requests answered with 503 because the control plane's line was full.";
    accept_pauses, "accept_pauses_total", "Times that accepting paused because descriptors ran out.";
    inbox_wakes, "inbox_wakes_total", "Times that another thread had to wake the shard.";
    inbox_refused_transfers, "inbox_refused_transfers_total", "Transfers that came back because this shard's inbox was full.";
    inbox_refused_control, "inbox_refused_control_total", "Control messages that not even the inbox's reserve could hold.";
    outpost_places, "outpost_places_total", "Spectators who were given a place at an outpost of a room.";
    bulletins_posted, "outpost_bulletins_total", "What a room said in a turn, sent to one outpost.";
    bulletins_thinned, "outpost_bulletins_thinned_total", "Bulletins without what may be left out, for an outpost that is behind.";
    outposts_cut, "outpost_cuts_total", "Outposts whose spectators were closed because they were too far behind.";
    roster_notices_replaced, "outpost_roster_notices_replaced_total", "News of a gallery that newer news replaced before outposts were told.";
    gallery_news_replaced, "gallery_news_replaced_total", "News of a gallery that newer news replaced before readers on version 2 were told.";
    letters_refused, "letters_refused_total", "Messages between shards that waited, or questions that were refused, because the other shard's inbox was full.";
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
    slow_consumers, "websocket_slow_consumer_disconnects_total", "Closes with 4002.";
    refusals, "refusals_total", "Requests that were answered with an error.";
    turns, "shard_turns_total", "Times the shard woke and worked.";
    ticks, "shard_ticks_total", "Times the shard looked at its deadlines.";
    slow_turns, "shard_slow_turns_total", "Turns that took more than 5 ms, in which the shard looked at no socket.";
    paced_ms, "paced_milliseconds_total", "Time for which senders above their free rate were held back for readers with much waiting.";
    standstills, "shard_standstills_total", "Times that the shard got no turn for 100 ms more than a tick: nobody was judged by that time.";
    busy_us, "shard_busy_microseconds_total", "Time spent in turns, whether working or waiting for a CPU.";
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
}

/// A shard's counters, shared with whoever reads them.
pub type Counters = Arc<CounterSet>;
