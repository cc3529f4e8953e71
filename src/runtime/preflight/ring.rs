//! Is io_uring there, allowed, and new enough?

use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::path::Path;
use std::{fs, io};

use crate::runtime::locked_memory;

/// What the server's rings need beyond plain io_uring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RingFeatures {
    /// `IORING_SETUP_SINGLE_ISSUER`, Linux 6.0.
    pub single_issuer: bool,
    /// `IORING_SETUP_DEFER_TASKRUN`, Linux 6.1; the kernel wants `single_issuer` with it.
    pub defer_taskrun: bool,
}

impl RingFeatures {
    const fn setup_flags(self) -> u32 {
        const SINGLE_ISSUER: u32 = 1 << 12;
        const DEFER_TASKRUN: u32 = 1 << 13;
        (if self.single_issuer { SINGLE_ISSUER } else { 0 }) | (if self.defer_taskrun { DEFER_TASKRUN } else { 0 })
    }

    /// The first Linux with all of them; glommio itself wants 5.8.
    const fn oldest_linux(self) -> &'static str {
        match self {
            Self {
                defer_taskrun: true, ..
            } => "6.1",
            Self {
                single_issuer: true, ..
            } => "6.0",
            Self { .. } => "5.8",
        }
    }
}

/// Why there is no ring to be had.
#[derive(Debug, thiserror::Error)]
pub enum RingRefusal {
    /// By the sysctl, for everybody.
    #[error("io_uring is switched off on this machine: run `sysctl -w kernel.io_uring_disabled=0`")]
    Disabled,
    /// By the sysctl, for processes outside the group that it names.
    #[error(
        "io_uring is kept for privileged processes on this machine (kernel.io_uring_disabled=1): run `sysctl -w \
         kernel.io_uring_group=<gid>` with a group of this user, or `sysctl -w kernel.io_uring_disabled=0`"
    )]
    Privileged,
    /// By a seccomp filter or security module.
    #[error(
        "io_uring is forbidden to this process, as container runtimes do by default: start the container with \
         `--security-opt seccomp=<profile>` naming a profile that allows io_uring_setup, io_uring_enter and \
         io_uring_register (`seccomp=unconfined` to try), or add `SystemCallFilter=@aio` to the systemd unit"
    )]
    Forbidden,
    /// The kernel does not know it.
    #[error(
        "this kernel ({release}) has no io_uring, or a sandbox hides it: run on Linux {needed} or newer built with \
         CONFIG_IO_URING, or allow io_uring in the sandbox (Docker `--security-opt seccomp=<profile>`)"
    )]
    Absent {
        /// Of the running kernel.
        release: String,
        /// The oldest that will do.
        needed: &'static str,
    },
    /// The kernel knows an older io_uring.
    #[error("the io_uring of this kernel ({release}) is too old: run on Linux {needed} or newer")]
    TooOld {
        /// Of the running kernel.
        release: String,
        /// The oldest that will do.
        needed: &'static str,
    },
    /// Rings count as locked memory before Linux 5.12.
    #[error(
        "there is no memory for a ring: raise the limit on locked memory (systemd LimitMEMLOCK=infinity, Docker \
         `--ulimit memlock=-1`) or the memory of the container"
    )]
    NoMemory,
    /// No descriptor was left.
    #[error(
        "there is no file descriptor for a ring: raise the limit (systemd LimitNOFILE=, Docker `--ulimit nofile=`, \
         `sysctl fs.file-max` for the machine)"
    )]
    NoFile,
    /// Anything else.
    #[error("io_uring does not work here ({source}): run on Linux {needed} or newer with io_uring allowed")]
    Other {
        /// What the kernel answered.
        source: io::Error,
        /// The oldest that will do.
        needed: &'static str,
    },
}

/// Sets up and drops a plain ring, then one with `features`.
pub(super) fn check(features: RingFeatures, sysctl: &Path) -> Result<(), RingRefusal> {
    let is_no_memory = |error: &io::Error| error.raw_os_error() == Some(libc::ENOMEM);
    check_with(features, sysctl, |flags| {
        locked_memory::wait_out(|| set_up(flags), is_no_memory).map(drop)
    })
}

fn check_with(
    features: RingFeatures,
    sysctl: &Path,
    set_up: impl Fn(u32) -> io::Result<()>,
) -> Result<(), RingRefusal> {
    set_up(0).map_err(|error| explain(error, features, sysctl))?;
    match features.setup_flags() {
        0 => Ok(()),
        flags => set_up(flags).map_err(|error| explain(error, features, sysctl)),
    }
}

fn explain(error: io::Error, features: RingFeatures, sysctl: &Path) -> RingRefusal {
    let needed = features.oldest_linux();
    let release = || read(sysctl, "kernel/osrelease").unwrap_or_else(|| "of unknown release".to_owned());
    match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => match read(sysctl, "kernel/io_uring_disabled").as_deref() {
            Some("2") => RingRefusal::Disabled,
            Some("1") => RingRefusal::Privileged,
            _ => RingRefusal::Forbidden,
        },
        Some(libc::ENOSYS) => RingRefusal::Absent {
            release: release(),
            needed,
        },
        Some(libc::EINVAL) => RingRefusal::TooOld {
            release: release(),
            needed,
        },
        Some(libc::ENOMEM) => RingRefusal::NoMemory,
        Some(libc::EMFILE | libc::ENFILE) => RingRefusal::NoFile,
        _ => RingRefusal::Other { source: error, needed },
    }
}

/// The text of a sysctl below `/proc/sys`, if the kernel has it.
pub(super) fn read(sysctl: &Path, name: &str) -> Option<String> {
    fs::read_to_string(sysctl.join(name))
        .ok()
        .map(|text| text.trim().to_owned())
}

/// `struct io_uring_params`: only `flags` is ours to set, the rest is zero on entry and filled by the kernel.
#[repr(C)]
#[derive(Default)]
struct Params {
    entries: [u32; 2],
    flags: u32,
    rest: [u32; 27],
}

fn set_up(flags: u32) -> io::Result<OwnedFd> {
    const ENTRIES: libc::c_long = 2;
    let mut params = Params {
        flags,
        ..Params::default()
    };
    // SAFETY: `params` has the 120 bytes of the kernel's structure, zero but for the flags, and outlives the call, which
    // keeps no pointer to it.
    let answer = unsafe { libc::syscall(libc::SYS_io_uring_setup, ENTRIES, &raw mut params) };
    match RawFd::try_from(answer) {
        // SAFETY: the kernel just gave us this descriptor and nobody else knows it.
        Ok(fd) if fd >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODERN: RingFeatures = RingFeatures {
        single_issuer: true,
        defer_taskrun: true,
    };

    /// What is told when the plain set-up answers `plain` and the one with flags `modern` (0 is success).
    fn told(disabled: Option<&str>, plain: i32, modern: i32) -> Option<String> {
        let sysctl = tempfile::tempdir().expect("a temporary directory");
        fs::create_dir(sysctl.path().join("kernel")).expect("a directory");
        fs::write(sysctl.path().join("kernel/osrelease"), "5.10.0-8\n").expect("a file");
        if let Some(disabled) = disabled {
            fs::write(sysctl.path().join("kernel/io_uring_disabled"), disabled).expect("a file");
        }
        let answer = |flags| match if flags == 0 { plain } else { modern } {
            0 => Ok(()),
            error => Err(io::Error::from_raw_os_error(error)),
        };
        check_with(MODERN, sysctl.path(), answer)
            .err()
            .map(|refusal| refusal.to_string())
    }

    #[test]
    fn the_structure_is_as_long_as_the_kernels() {
        assert_eq!(size_of::<Params>(), 120);
    }

    #[test]
    fn this_machine_has_rings() {
        let sysctl = Path::new("/proc/sys");
        check(MODERN, sysctl).expect("the tests of this server need io_uring of Linux 6.1");
        // The kernel refuses the one flag without the other: the flags do reach it.
        let refusal = check(
            RingFeatures {
                single_issuer: false,
                ..MODERN
            },
            sysctl,
        );
        assert!(matches!(refusal, Err(RingRefusal::TooOld { .. })), "{refusal:?}");
    }

    #[test]
    fn a_refusal_by_permission_tells_who_refused() {
        let off = told(Some("2\n"), libc::EPERM, 0).expect("refused");
        assert!(off.contains("sysctl -w kernel.io_uring_disabled=0"), "{off}");
        let kept = told(Some("1\n"), libc::EPERM, 0).expect("refused");
        assert!(kept.contains("kernel.io_uring_group"), "{kept}");
        for disabled in [Some("0\n"), None] {
            let filtered = told(disabled, libc::EPERM, 0).expect("refused");
            assert!(filtered.contains("--security-opt seccomp=<profile>"), "{filtered}");
            assert!(filtered.contains("SystemCallFilter=@aio"), "{filtered}");
        }
    }

    #[test]
    fn an_old_kernel_is_named_with_the_one_to_use() {
        let absent = told(None, libc::ENOSYS, 0).expect("refused");
        assert!(
            absent.contains("(5.10.0-8)") && absent.contains("Linux 6.1 or newer"),
            "{absent}"
        );
        let old = told(None, 0, libc::EINVAL).expect("refused");
        assert_eq!(
            old,
            "the io_uring of this kernel (5.10.0-8) is too old: run on Linux 6.1 or newer"
        );
        assert_eq!(told(None, 0, 0), None);
    }

    #[test]
    fn lack_of_memory_and_of_files_tell_their_limits() {
        assert!(
            told(None, libc::ENOMEM, 0)
                .expect("refused")
                .contains("LimitMEMLOCK=infinity")
        );
        assert!(told(None, libc::EMFILE, 0).expect("refused").contains("LimitNOFILE="));
        assert!(
            told(None, libc::EIO, 0)
                .expect("refused")
                .contains("Linux 6.1 or newer")
        );
    }

    #[test]
    fn the_oldest_kernel_follows_from_the_features() {
        assert_eq!(RingFeatures::default().oldest_linux(), "5.8");
        assert_eq!(
            RingFeatures {
                single_issuer: true,
                defer_taskrun: false
            }
            .oldest_linux(),
            "6.0"
        );
    }
}
