//! The few calls to the system that the standard library does not offer. With [`crate::poller`], [`crate::ring`] and
//! its users the only place for `unsafe`.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

/// CPU time of the calling thread, in nanoseconds.
pub(crate) fn thread_cpu_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid timespec that the call fills; the clock id is a constant that Linux always knows.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    timespec_ns(time)
}

/// CPU time of this process, all threads that it has and had.
pub(crate) fn process_cpu_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid timespec that the call fills; the clock id is a constant that Linux always knows.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    timespec_ns(time)
}

/// CPU time of another process, all threads that it has and had.
pub(crate) fn cpu_ns_of(pid: u32) -> io::Result<u64> {
    let pid = libc::pid_t::try_from(pid).map_err(io::Error::other)?;
    let mut clock: libc::clockid_t = 0;
    // SAFETY: `clock` is a valid clock id that the call fills.
    match unsafe { libc::clock_getcpuclockid(pid, &raw mut clock) } {
        0 => {}
        error => return Err(io::Error::from_raw_os_error(error)),
    }
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid timespec that the call fills; a clock whose process has gone is an error.
    match unsafe { libc::clock_gettime(clock, &raw mut time) } {
        0 => Ok(timespec_ns(time)),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Bytes of a page of memory.
pub(crate) fn page_bytes() -> u64 {
    // SAFETY: sysconf takes and returns plain integers.
    let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    u64::try_from(bytes).unwrap_or(4096)
}

/// Lets timers of the calling thread fire within a microsecond instead of the usual 50.
pub(crate) fn tighten_timer_slack() {
    // SAFETY: the option takes one integer and touches no memory of ours; a failure leaves the default.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1_000 as libc::c_ulong) };
}

/// Raises the limit of open files as far as allowed and returns it.
pub(crate) fn raise_file_limit() -> io::Result<u64> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limit` is a valid rlimit that the call fills.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: `limit` is a valid rlimit that the call only reads.
    if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(limit.rlim_cur)
}

/// Where [`set_on_stop`] is to leave its mark.
static STOP_FLAG: AtomicPtr<AtomicBool> = AtomicPtr::new(std::ptr::null_mut());

/// Makes the first SIGINT and SIGTERM set `flag` instead of ending the process; a wait in progress is interrupted. The
/// next one of its kind ends it.
pub(crate) fn set_on_stop(flag: &'static AtomicBool) -> io::Result<()> {
    extern "C" fn mark(_: libc::c_int) {
        // SAFETY: null or a flag that lives for ever; storing to an atomic is allowed in a signal handler.
        if let Some(flag) = unsafe { STOP_FLAG.load(Ordering::Relaxed).as_ref() } {
            flag.store(true, Ordering::Relaxed);
        }
    }
    STOP_FLAG.store(std::ptr::from_ref(flag).cast_mut(), Ordering::Relaxed);
    for signal in [libc::SIGINT, libc::SIGTERM] {
        // SAFETY: all-zero is a valid sigaction: no flags, an empty mask.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_flags = libc::SA_RESETHAND;
        action.sa_sigaction = mark as extern "C" fn(libc::c_int) as libc::sighandler_t;
        // SAFETY: `action` is valid and its handler does only what handlers may; the old action is not asked for.
        if unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) } != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Asks a process to end.
pub(crate) fn terminate(pid: u32) -> io::Result<()> {
    let pid = libc::pid_t::try_from(pid).map_err(io::Error::other)?;
    // SAFETY: kill takes plain integers and touches no memory of ours.
    if unsafe { libc::kill(pid, libc::SIGTERM) } == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Clock ticks per second, the unit of `/proc/PID/stat`.
pub(crate) fn clock_ticks_per_second() -> u64 {
    // SAFETY: sysconf takes and returns plain integers.
    let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    u64::try_from(ticks).unwrap_or(100).max(1)
}

/// Our own user id.
pub(crate) fn user_id() -> u32 {
    // SAFETY: geteuid has no arguments and cannot fail.
    unsafe { libc::geteuid() }
}

/// Nanoseconds of the wall clock, on which the kernel stamps arrivals.
pub(crate) fn wall_clock_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid timespec that the call fills; the clock id is a constant that Linux always knows.
    unsafe { libc::clock_gettime(libc::CLOCK_REALTIME, &raw mut time) };
    timespec_ns(time)
}

/// Resets a TCP connection: the peer gets a reset, and what either side still had under way is gone. Unlike closing the
/// socket without lingering this works while the kernel holds it for a receive.
pub(crate) fn reset(socket: BorrowedFd<'_>) -> io::Result<()> {
    let nowhere = libc::sockaddr {
        sa_family: libc::AF_UNSPEC as libc::sa_family_t,
        sa_data: [0; 14],
    };
    let length = size_of::<libc::sockaddr>() as libc::socklen_t;
    // SAFETY: `nowhere` is a valid sockaddr of the given length that the call only reads.
    if unsafe { libc::connect(socket.as_raw_fd(), &raw const nowhere, length) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Makes the kernel note when bytes arrive at this socket, for [`receive_stamped`].
pub(crate) fn enable_arrival_stamps(socket: BorrowedFd<'_>) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the socket is open, and the option's value is an int that lives through the call.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_TIMESTAMPNS,
            (&raw const on).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Reads bytes and, when stamps are enabled, the wall-clock time at which the last of them arrived.
pub(crate) fn receive_stamped(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<(usize, Option<u64>)> {
    // Room for one stamp with its header; u64 gives the alignment that control messages need.
    let mut control = [0u64; 8];
    let mut part = libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len(),
    };
    // SAFETY: all-zero is a valid msghdr: null pointers with zero lengths.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(&control) as _;
    // SAFETY: `message` points to one writable part and to writable control space, both of the lengths given and both
    // alive through the call.
    let read = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, 0) };
    if read < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has filled `message`; the header is null or points into `control`, which is still alive.
    let header = unsafe { libc::CMSG_FIRSTHDR(&raw const message) };
    if header.is_null() {
        return Ok((read as usize, None));
    }
    // SAFETY: not null, so it is a complete header inside `control`.
    let kind = unsafe { ((*header).cmsg_level, (*header).cmsg_type) };
    if kind != (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) {
        return Ok((read as usize, None));
    }
    // SAFETY: a control message of this type carries one timespec; it may be unaligned.
    let stamp = unsafe { std::ptr::read_unaligned(libc::CMSG_DATA(header).cast::<libc::timespec>()) };
    Ok((read as usize, Some(timespec_ns(stamp))))
}

/// The wall-clock time of arrival in the control data of a receive, when there is one.
pub(crate) fn arrival_stamp(control: &[u8]) -> Option<u64> {
    const HEADER: usize = size_of::<libc::cmsghdr>();
    let (header, data) = control.split_at_checked(HEADER)?;
    // SAFETY: a header is plain numbers, and that many bytes are there; they may be unaligned.
    let header = unsafe { std::ptr::read_unaligned(header.as_ptr().cast::<libc::cmsghdr>()) };
    if (header.cmsg_level, header.cmsg_type) != (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) {
        return None;
    }
    let stamp = data.get(..size_of::<libc::timespec>())?;
    // SAFETY: a control message of this type carries one timespec, which is plain numbers; it may be unaligned.
    Some(timespec_ns(unsafe {
        std::ptr::read_unaligned(stamp.as_ptr().cast::<libc::timespec>())
    }))
}

fn timespec_ns(time: libc::timespec) -> u64 {
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// CPUs that a process may run on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CpuSet(libc::cpu_set_t);

impl CpuSet {
    /// Reads a list like `0,2-3`.
    pub(crate) fn parse(list: &str) -> Result<Self, String> {
        let number = |text: &str| {
            let number: usize = text
                .parse()
                .map_err(|_| format!("{text:?} is not the number of a CPU"))?;
            if number < libc::CPU_SETSIZE as usize {
                Ok(number)
            } else {
                Err(format!("there is no CPU {number}"))
            }
        };
        // SAFETY: a set of CPUs is an array of bits; all-zero is the empty set.
        let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
        for part in list.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            for cpu in number(first)?..=number(last)? {
                // SAFETY: `set` is valid and `cpu` was checked to be one of its bits.
                unsafe { libc::CPU_SET(cpu, &mut set) };
            }
        }
        Ok(Self(set))
    }

    /// Runs `action` while the calling thread is bound to these CPUs; processes that it starts stay bound.
    pub(crate) fn while_bound<T>(&self, action: impl FnOnce() -> T) -> io::Result<T> {
        let before = Self::current()?;
        self.bind()?;
        let result = action();
        before.bind()?;
        Ok(result)
    }

    /// Those of the calling thread.
    pub(crate) fn current() -> io::Result<Self> {
        // SAFETY: as in `parse`.
        let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
        // SAFETY: the set is writable and its size is given.
        match unsafe { libc::sched_getaffinity(0, size_of_val(&set), &raw mut set) } {
            0 => Ok(Self(set)),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// A list like `0,2-3`.
    pub(crate) fn list(&self) -> String {
        let mut runs: Vec<(usize, usize)> = Vec::new();
        for cpu in 0..libc::CPU_SETSIZE as usize {
            // SAFETY: the set is valid and `cpu` is one of its bits.
            if unsafe { libc::CPU_ISSET(cpu, &self.0) } {
                match runs.last_mut() {
                    Some((_, last)) if *last + 1 == cpu => *last = cpu,
                    _ => runs.push((cpu, cpu)),
                }
            }
        }
        let words = runs.iter().map(|&(first, last)| match last - first {
            0 => first.to_string(),
            _ => format!("{first}-{last}"),
        });
        words.collect::<Vec<_>>().join(",")
    }

    fn bind(&self) -> io::Result<()> {
        // SAFETY: the set is readable and its size is given.
        match unsafe { libc::sched_setaffinity(0, size_of_val(&self.0), &raw const self.0) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn lists_of_cpus_are_read() {
        for list in ["0", "0,2-3", "1-2,5"] {
            assert_eq!(CpuSet::parse(list).expect("a list").list(), list);
        }
        for bad in ["", "x", "1-", "99999"] {
            assert!(CpuSet::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn arrivals_are_stamped_between_sending_and_reading() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let near = TcpStream::connect(listener.local_addr().expect("its address")).expect("connected");
        let (mut far, _) = listener.accept().expect("accepted");
        enable_arrival_stamps(near.as_fd()).expect("stamps");

        let before_ns = wall_clock_ns();
        far.write_all(b"hello").expect("written");
        let mut buffer = [0; 16];
        let (read, stamp) = receive_stamped(near.as_fd(), &mut buffer).expect("read");
        assert_eq!(&buffer[..read], b"hello");
        if let Some(stamp_ns) = stamp {
            assert!(
                (before_ns..=wall_clock_ns()).contains(&stamp_ns),
                "{stamp_ns} is not after {before_ns}"
            );
        }

        far.write_all(&[7; 40]).expect("written");
        let (read, _) = receive_stamped(near.as_fd(), &mut buffer).expect("read");
        assert_eq!((read, buffer), (16, [7; 16]), "no more than fits");
    }
}
