//! Load generator with an exact delivery ledger for any Signal Fish server.

fn main() {}
