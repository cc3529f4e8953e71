//! The `signal-fish-relay` server binary.

fn main() {}
