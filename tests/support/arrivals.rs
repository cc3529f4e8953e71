//! When messages arrive, by the kernel's own stamp: a reader that shares its CPU with others often gets none for
//! milliseconds, and would count them in.

use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::time::{SystemTime, UNIX_EPOCH};

/// Reads what is there, message by message, each with the moment, in microseconds, at which the kernel had all of it; `unread`
/// is what was read of the next. Only as much is asked for as belongs to one message: the kernel stamps what it gives with
/// the moment of its last byte. `false`: the connection has ended.
pub fn read(stream: &TcpStream, unread: &mut Vec<u8>, mut each: impl FnMut(&[u8], u64)) -> bool {
    let mut bytes = [0; 64 * 1024];
    while let Some((count, arrived_us)) = receive_stamped(stream, &mut bytes[..missing_bytes(unread)]) {
        if count == 0 {
            return false;
        }
        unread.extend_from_slice(&bytes[..count]);
        if let Some(payload) = take_frame(unread) {
            each(&payload, arrived_us);
        }
    }
    true
}

/// How many bytes the frame at the front lacks, as far as it can be told.
fn missing_bytes(known: &[u8]) -> usize {
    let whole = match known.get(1) {
        None => 2,
        Some(126) => known
            .get(2..4)
            .map_or(4, |length| 4 + usize::from(u16::from_be_bytes([length[0], length[1]]))),
        Some(127) => panic!("a message of this size is none of a player's"),
        Some(length) => 2 + usize::from(*length),
    };
    whole - known.len()
}

/// Microseconds of the clock that the kernel stamps with.
pub fn wall_us() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.expect("a clock after 1970").as_micros() as u64
}

/// Has the kernel stamp what arrives at a socket.
pub fn stamp_arrivals(stream: &TcpStream) {
    let on: libc::c_int = 1;
    // SAFETY: the kernel reads one integer, which is there.
    let refused = unsafe {
        libc::setsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_TIMESTAMPNS,
            (&raw const on).cast(),
            size_of_val(&on) as libc::socklen_t,
        )
    };
    assert_eq!(refused, 0, "an option of every socket");
}

/// Receives without waiting: how many bytes, and when the last of them arrived. `None`: nothing is there.
fn receive_stamped(stream: &TcpStream, bytes: &mut [u8]) -> Option<(usize, u64)> {
    let mut part = libc::iovec {
        iov_base: bytes.as_mut_ptr().cast(),
        iov_len: bytes.len(),
    };
    let mut control = [0_u64; 8]; // aligned for what the kernel writes
    // SAFETY: all zeroes is an empty message header.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(&control) as _;
    // SAFETY: the header's pointers are to this frame and to `bytes`, with their true lengths.
    let count = unsafe { libc::recvmsg(stream.as_raw_fd(), &raw mut message, libc::MSG_DONTWAIT) };
    let count = usize::try_from(count).ok()?;
    // SAFETY: the kernel has filled in the header and as much of the buffer as it says.
    let stamp = unsafe { libc::CMSG_FIRSTHDR(&raw const message).as_ref() };
    let Some(stamp) = stamp.filter(|stamp| stamp.cmsg_type == libc::SCM_TIMESTAMPNS) else {
        return Some((count, wall_us())); // it came before stamps were asked for
    };
    // SAFETY: a message of this kind holds one timespec, perhaps unaligned.
    let at = unsafe { libc::CMSG_DATA(stamp).cast::<libc::timespec>().read_unaligned() };
    Some((count, at.tv_sec as u64 * 1_000_000 + at.tv_nsec as u64 / 1_000))
}

/// Takes a whole unmasked frame from the front.
pub fn take_frame(bytes: &mut Vec<u8>) -> Option<Vec<u8>> {
    let (header, length) = match bytes.get(1)? {
        126 => (4, u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?]) as usize),
        127 => (
            10,
            u64::from_be_bytes(bytes.get(2..10)?.try_into().expect("eight")) as usize,
        ),
        length => (2, usize::from(*length)),
    };
    let payload = bytes.get(header..header + length)?.to_vec();
    bytes.drain(..header + length);
    Some(payload)
}
