//! What the relay does on sockets: a real server within this process, on a port of its own, for every test.
//!
//! Must never need the machine to itself (`under_load` has such tests) nor change what belongs to the whole process
//! (`own_process`): its tests run beside each other.

mod admin_is_guarded;
mod admin_sees_and_acts;
mod backend_is_asked;
mod capacity_is_told;
mod dashboards_are_read;
mod dashboards_are_resolved;
mod every_number_at_its_upper_end;
mod examples_run;
mod flight_recorder;
mod forwarded_headers;
mod framing_violations;
mod hop_loses_nothing;
mod hostile_bytes;
mod http_and_upgrade;
mod kept_connections;
mod kept_out;
mod library;
mod loopback_doors;
mod metrics_are_read;
mod program_is_asked;
#[path = "../fixtures/proofs.rs"]
mod proofs;
mod proxy_headers;
mod published_client;
mod published_client_between_peers;
mod published_client_delivery;
mod published_client_in_company;
mod published_client_polled;
mod published_client_tls;
mod published_client_v3;
mod recorded_answers;
mod room_events;
mod slow_uploads;
#[path = "../support/mod.rs"]
mod support;
mod tls;
mod tls_doors;
mod tls_handshakes;
mod token_binding;
mod two_roads;
mod webhooks;
mod ws_echo;
