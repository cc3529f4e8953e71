//! How many descriptors this process may open: a login shell often allows 1,024, and some tests hold thousands of sockets.

/// Raises the limit as far as an ordinary user may, which must be enough for so many.
pub fn allow(files: u64) {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the pointer is to this frame, and the kernel fills the whole structure.
    assert_eq!(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) }, 0);
    assert!(
        limit.rlim_max >= files,
        "this test opens {files} descriptors and the hard limit is {}: raise it with `ulimit -Hn` as root",
        limit.rlim_max
    );
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: the pointer is to this frame and only read.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) }, 0);
}
