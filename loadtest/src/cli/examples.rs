//! Examples for the help texts, and what the exit status means. Texts only.

pub(super) const OF_PROGRAM: &str = "\
Examples:
  50 rooms of 4, each player sending 64 bytes 60 times a second for 10 seconds:
    signal-fish-loadtest run --rooms 50 --players 4 --size 64 --rate 60 --seconds 10
  The largest rate with p99 under 10 ms:
    signal-fish-loadtest search --rooms 200 --rate 60 --seconds 3 --spin
  Two servers with the same load, both started for each run:
    signal-fish-loadtest compare --server 'yardstick=signal-fish-loadtest yardstick --port {port}' \\
      --server 'ours=signal-fish-relay --shards 1 --port {port}'
  What 9,000 idle players cost in server memory:
    signal-fish-loadtest idle --connections 9000
  Every command has examples of its own: signal-fish-loadtest run --help

Exit status:
  0    all delivered exactly once and in order
  1    the ledger does not balance, the server closed a connection, a threshold was not met, or no step passed
  2    the test could not be run
  3    a search did not reach the server's limit
  130  interrupted, and in order until then";

pub(super) const OF_RUN: &str = "\
Examples:
  Saturation, with 4 messages of each player on their way:
    signal-fish-loadtest run --rooms 50 --closed-loop 4 --encoding message-pack
  Thresholds for a pipeline, and a page for people:
    signal-fish-loadtest run --rooms 50 --expect 'p99<20ms,lost=0' --html report.html
  Version 3, and everybody at the same instant:
    signal-fish-loadtest run --protocol-version 3 --phase aligned --rate 20
  A load that doubles and then pauses:
    signal-fish-loadtest run --step 'at 2s ramp to 2x over 3s' --step 'at 7s pause for 1s'";

pub(super) const OF_SEARCH: &str = "\
Examples:
  The largest rate, from 60 Hz on, each step 3 seconds:
    signal-fish-loadtest search --rooms 200 --rate 60 --seconds 3 --spin
  The most rooms with p99 under 5 ms, from four times as many on:
    signal-fish-loadtest search --vary rooms --rooms 50 --start 4 --p99-ms 5 --seconds 3";

pub(super) const OF_STORM: &str = "\
Examples:
  50 parties at once, each as fast as it can:
    signal-fish-loadtest storm --parties 50 --cycles 20
  Times that are not queueing: 100 cycles a second over all parties:
    signal-fish-loadtest storm --parties 50 --cycles 5 --rate 100 --html storm.html";

pub(super) const OF_COMPARE: &str = "\
Examples:
  Two servers that run:
    signal-fish-loadtest compare --server 'old=ws://127.0.0.1:3536/v2/ws' --server 'new=ws://127.0.0.1:3537/v2/ws'
  Two that are started for each run, on a CPU of their own:
    taskset -c 1 signal-fish-loadtest compare --spin --server-cpus 0 --seconds 3 \\
      --server 'yardstick=signal-fish-loadtest yardstick --port {port}' \\
      --server 'relay=signal-fish-relay --shards 1 --port {port}'";

pub(super) const OF_IDLE: &str = "\
Example:
  signal-fish-loadtest idle --connections 9000 --players 4";
