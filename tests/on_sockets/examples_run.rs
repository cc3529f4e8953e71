//! The examples of the library do what they say.

#[path = "../../examples/embed.rs"]
mod embed;
#[path = "../../examples/events.rs"]
mod events;

#[test]
fn a_relay_within_a_program_on_tokio() {
    embed::main().expect("it runs to its end");
}

#[test]
fn books_of_rooms() {
    events::main().expect("it runs to its end");
}
