//! What the relay does, on shards without sockets: every clock is virtual, every schedule comes from a seed, and nothing waits.
//!
//! Must never open a socket, start a process or change what belongs to the whole process: its tests run beside each other.

mod absences_are_bounded;
mod audit;
mod backend_is_asked;
#[path = "../fixtures/bare_shard.rs"]
mod bare_shard;
mod busy_rooms_starve_nobody;
mod busy_shards_take_no_new_room;
mod codes_are_drawn_a_few_at_a_time;
mod config_mistakes;
mod config_sources;
mod delivery_is_exact;
mod drain_is_spread;
mod every_gap_is_told;
mod everything_at_random;
mod floods_at_random;
mod freeze_and_thaw;
mod galleries_flood_nobody;
#[path = "../harness/mod.rs"]
mod harness;
mod hop_keeps_everything;
mod joins_wait_for_nothing;
mod ledger;
mod memory_is_returned;
mod memory_is_what_the_caps_say;
mod nobody_guesses_codes;
mod numbers_at_their_ends;
mod observer;
mod operations_across_shards;
mod outposts;
mod pacing;
#[path = "../fixtures/proofs.rs"]
mod proofs;
mod protocol_errors;
mod protocol_frames;
mod protocol_handshake;
mod protocol_join_validation;
mod protocol_lobby;
mod protocol_relay;
mod protocol_rooms;
mod seats_are_taken_back;
mod seats_belong_to_certificates;
mod slow_reader_harms_nobody;
mod slow_reader_is_judged;
mod standing_still;
mod steadily_too_slow_lives_on;
mod sweeping_stalls_nobody;
mod waits_of_a_deployment;
mod weather;
mod what_went_wrong_is_told;
