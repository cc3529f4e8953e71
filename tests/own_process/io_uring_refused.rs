//! A container that forbids io_uring gets one sentence with the cure, where building an executor would panic. The
//! scenario runs in a child under a seccomp filter like that of a container runtime.

use std::num::NonZeroU16;
use std::process;

use signal_fish_relay::runtime::install_panic_hook;
use signal_fish_relay::runtime::preflight::{self, Demands, RingFeatures};

use crate::child;

/// Answers `io_uring_setup` with `errno` on the calling thread from now on.
fn forbid_io_uring(errno: i32) {
    const LOAD_SYSCALL_NUMBER: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const JUMP_IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    let step = |code, jt, k| libc::sock_filter { code, jt, jf: 0, k };
    let set_up = u32::try_from(libc::SYS_io_uring_setup).expect("a small number");
    let errno = u32::try_from(errno).expect("a small number");
    let mut filter = [
        step(LOAD_SYSCALL_NUMBER, 0, 0),
        step(JUMP_IF_EQUAL, 1, set_up),
        step(RETURN, 0, libc::SECCOMP_RET_ALLOW),
        step(RETURN, 0, libc::SECCOMP_RET_ERRNO | errno),
    ];
    let program = libc::sock_fprog {
        len: 4,
        filter: filter.as_mut_ptr(),
    };
    // SAFETY: the program and its four steps outlive the calls, which copy them.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        assert_eq!(
            libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program),
            0
        );
    }
}

/// Runs `test` in a child whose kernel answers `errno`, and gives what it printed before it exited with 1.
fn told(test: &str, errno: i32) -> String {
    if child::is_child() {
        install_panic_hook();
        forbid_io_uring(errno);
        let demands = Demands {
            shards: NonZeroU16::MIN,
            ring: RingFeatures::default(),
            max_connections: 8,
            files_per_shard: 0,
            memlock_per_shard_bytes: 0,
            backlog: 64,
            addresses: &[],
        };
        let errors = preflight::run(&demands).expect_err("io_uring is refused");
        errors.iter().for_each(|error| eprintln!("{error}"));
        process::exit(1);
    }
    let output = child::output(test);
    let text = child::standard_error(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    text
}

#[test]
fn a_forbidden_ring_tells_the_docker_flag_and_the_systemd_key() {
    let text = told(
        "io_uring_refused::a_forbidden_ring_tells_the_docker_flag_and_the_systemd_key",
        libc::EPERM,
    );
    assert!(text.contains("io_uring is forbidden to this process"), "{text}");
    assert!(
        text.contains("--security-opt seccomp=<profile>") && text.contains("SystemCallFilter=@aio"),
        "{text}"
    );
    assert_eq!(text.lines().count(), 1, "{text}");
}

#[test]
fn a_kernel_without_rings_is_named() {
    let text = told("io_uring_refused::a_kernel_without_rings_is_named", libc::ENOSYS);
    assert!(
        text.contains("has no io_uring") && text.contains("Linux 5.8 or newer"),
        "{text}"
    );
    assert_eq!(text.lines().count(), 1, "{text}");
}
