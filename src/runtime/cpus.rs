//! The CPUs this process may run on, and which shard gets which.
//!
//! Owns the reading of the affinity mask and of the cgroup limits of both versions. Promises to place shards only on CPUs
//! that the process is allowed to use: glommio reads the machine's online CPUs instead and would ignore `taskset`, or
//! fail inside a cpuset. Must never guess: with no cgroup to read, the affinity mask alone decides.

use std::collections::BTreeSet;
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::{fmt, fs, io};

use crate::shard::ShardId;

/// Where the kernel tells of this process's cgroup. [`Default`] is the usual place; tests point it at a directory.
#[derive(Debug, Clone)]
pub struct CgroupRoots {
    /// Mount point of the cgroup version 2 hierarchy.
    pub mount: PathBuf,
    /// The file that names this process's groups, of version 2 in a line `0::/path`.
    pub membership: PathBuf,
    /// Where the CPU controller of version 1 is mounted, if it is. Some machines name it with `cpuacct`, which it shares.
    pub cpu_v1: PathBuf,
}

impl Default for CgroupRoots {
    fn default() -> Self {
        // A machine that still runs version 1 controllers mounts version 2 beside them.
        let beside_v1 = Path::new("/sys/fs/cgroup/unified");
        let mount = if beside_v1.join("cgroup.procs").exists() {
            beside_v1
        } else {
            Path::new("/sys/fs/cgroup")
        };
        Self {
            mount: mount.to_owned(),
            membership: PathBuf::from("/proc/self/cgroup"),
            cpu_v1: PathBuf::from("/sys/fs/cgroup/cpu"),
        }
    }
}

/// A share of CPU time granted by `cpu.max`, in thousandths of one CPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CpuQuota {
    /// Thousandths of one CPU, rounded down; at least 1.
    pub milli_cpus: u64,
}

impl CpuQuota {
    /// Whole CPUs in the quota, at least one. Rounded down: one busy thread more than the quota pays for makes the
    /// kernel stop *all* shards for the rest of each period.
    fn whole_cpus(self) -> usize {
        usize::try_from(self.milli_cpus / 1000).unwrap_or(usize::MAX).max(1)
    }
}

/// What this process may use. Never without a CPU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedCpus {
    cpus: BTreeSet<usize>,
    quota: Option<CpuQuota>,
}

impl AllowedCpus {
    /// Reads the affinity mask of the calling thread and the limits of its cgroup.
    ///
    /// # Errors
    /// When the kernel does not tell the affinity mask. A cgroup that cannot be read counts as no limit.
    pub fn of_this_process(roots: &CgroupRoots) -> io::Result<Self> {
        Ok(Self::within(affinity_mask()?, roots))
    }

    fn within(affinity: BTreeSet<usize>, roots: &CgroupRoots) -> Self {
        let cgroup = Cgroup::find(roots);
        let old = Cgroup::find_v1(roots);
        let quotas = [
            cgroup.as_ref().and_then(Cgroup::quota),
            old.as_ref().and_then(Cgroup::quota_v1),
        ];
        let cpus = match cgroup.as_ref().and_then(Cgroup::cpuset) {
            // The kernel keeps the mask inside the cpuset; an empty meeting means that one was read in mid-change.
            Some(cpuset) if !cpuset.is_disjoint(&affinity) => affinity.intersection(&cpuset).copied().collect(),
            _ => affinity,
        };
        Self {
            cpus,
            quota: quotas.into_iter().flatten().min(),
        }
    }

    /// CPU numbers in ascending order.
    pub fn cpus(&self) -> impl ExactSizeIterator<Item = usize> {
        self.cpus.iter().copied()
    }

    /// The tightest CPU quota on the way from this process's group to the root, if there is one.
    #[must_use]
    pub const fn quota(&self) -> Option<CpuQuota> {
        self.quota
    }
}

/// Which shard runs on which CPU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    cpu_of_shard: Vec<usize>,
}

impl Placement {
    /// The number of shards.
    #[must_use]
    pub const fn shards(&self) -> usize {
        self.cpu_of_shard.len()
    }

    /// Each shard with its CPU.
    pub fn iter(&self) -> impl Iterator<Item = (ShardId, usize)> {
        self.cpu_of_shard
            .iter()
            .copied()
            .zip(0..)
            .map(|(cpu, number)| (ShardId(number), cpu))
    }
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} shard{} on CPU",
            self.shards(),
            if self.shards() == 1 { "" } else { "s" }
        )?;
        for (position, cpu) in self.cpu_of_shard.iter().enumerate() {
            write!(f, "{}{cpu}", if position == 0 { " " } else { ", " })?;
        }
        Ok(())
    }
}

/// Deals shards to the allowed CPUs in turn.
///
/// Without a count there is one shard per allowed CPU, but no more than the quota pays for. A count that was asked for
/// is taken as it is, even when shards then share a CPU.
#[must_use]
pub fn place(shards: Option<NonZeroU16>, allowed: &AllowedCpus) -> Placement {
    let count = match shards {
        Some(asked) => usize::from(asked.get()),
        None => {
            let paid_for = allowed.quota.map_or(usize::MAX, CpuQuota::whole_cpus);
            allowed.cpus.len().min(paid_for).min(usize::from(u16::MAX))
        }
    };
    Placement {
        cpu_of_shard: allowed.cpus.iter().copied().cycle().take(count).collect(),
    }
}

/// Has the calling thread run on this CPU alone.
pub(super) fn pin_to(cpu: usize) -> io::Result<()> {
    let mut words = vec![0_u64; cpu / 64 + 1];
    words[cpu / 64] = 1 << (cpu % 64);
    // SAFETY: the pointer and the length in bytes describe `words`, which the kernel only reads; pid 0 is the calling thread.
    let answer = unsafe { libc::sched_setaffinity(0, size_of_val(words.as_slice()), words.as_ptr().cast()) };
    if answer == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// The CPUs in the calling thread's affinity mask.
fn affinity_mask() -> io::Result<BTreeSet<usize>> {
    const MOST_CPUS: usize = 1 << 16;
    let mut words = vec![0_u64; 1024 / 64];
    loop {
        // SAFETY: the pointer and the length in bytes describe `words`, which outlives the call; the kernel only writes
        // whole words into it, and pid 0 is the calling thread.
        let answer = unsafe { libc::sched_getaffinity(0, size_of_val(words.as_slice()), words.as_mut_ptr().cast()) };
        if answer == 0 {
            break;
        }
        let error = io::Error::last_os_error();
        // EINVAL: the mask of this kernel is wider than the room we gave it.
        if error.raw_os_error() != Some(libc::EINVAL) || words.len() * 64 >= MOST_CPUS {
            return Err(error);
        }
        words.resize(words.len() * 2, 0);
    }
    let cpus = (0..words.len() * 64)
        .filter(|cpu| words[cpu / 64] >> (cpu % 64) & 1 == 1)
        .collect();
    Ok(cpus)
}

/// This process's group, by the directories from its own up to the mount point.
struct Cgroup {
    directories: Vec<PathBuf>,
}

impl Cgroup {
    fn find(roots: &CgroupRoots) -> Option<Self> {
        let membership = fs::read_to_string(&roots.membership).ok()?;
        let path = membership.lines().find_map(|line| line.strip_prefix("0::/"))?;
        Some(Self::below(&roots.mount, path))
    }

    /// The group of version 1 that may grant CPU time.
    fn find_v1(roots: &CgroupRoots) -> Option<Self> {
        let membership = fs::read_to_string(&roots.membership).ok()?;
        let path = membership.lines().find_map(|line| {
            let (controllers, path) = line.split_once(':')?.1.split_once(":/")?;
            controllers
                .split(',')
                .any(|controller| controller == "cpu")
                .then_some(path)
        })?;
        Some(Self::below(&roots.cpu_v1, path))
    }

    fn below(mount: &Path, path: &str) -> Self {
        // A container without its own cgroup namespace sees a path of the host that is not below its mount point; its
        // own group is then the mount point itself.
        let inside = Path::new(path)
            .components()
            .all(|part| matches!(part, std::path::Component::Normal(_)));
        let own = mount.join(if inside { path } else { "" });
        let own = if own.is_dir() { own } else { mount.to_owned() };
        let directories = own.ancestors().take_while(|directory| directory.starts_with(mount));
        Self {
            directories: directories.map(Path::to_owned).collect(),
        }
    }

    /// The nearest group with the cpuset controller tells the CPUs in force; those above are already in its answer.
    fn cpuset(&self) -> Option<BTreeSet<usize>> {
        let text = self.read_each("cpuset.cpus.effective").next()?;
        parse_cpu_list(text.trim()).filter(|cpus| !cpus.is_empty())
    }

    /// Quotas are not inherited in the file, so the tightest of all levels holds.
    fn quota(&self) -> Option<CpuQuota> {
        self.read_each("cpu.max")
            .filter_map(|text| parse_quota(text.trim()))
            .min()
    }

    /// The same of version 1, where time and period have files of their own.
    fn quota_v1(&self) -> Option<CpuQuota> {
        let number = |directory: &Path, file: &str| -> Option<u64> {
            // No limit is written as -1, which is no number here.
            fs::read_to_string(directory.join(file)).ok()?.trim().parse().ok()
        };
        let quotas = self.directories.iter().filter_map(|directory| {
            let granted_us = number(directory, "cpu.cfs_quota_us")?;
            quota_of(granted_us, number(directory, "cpu.cfs_period_us")?)
        });
        quotas.min()
    }

    fn read_each(&self, file: &'static str) -> impl Iterator<Item = String> {
        self.directories
            .iter()
            .filter_map(move |directory| fs::read_to_string(directory.join(file)).ok())
    }
}

/// `0-3,8,10-11`
fn parse_cpu_list(text: &str) -> Option<BTreeSet<usize>> {
    let mut cpus = BTreeSet::new();
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.parse::<u16>().ok()?, last.parse::<u16>().ok()?);
        cpus.extend((first..=last).map(usize::from));
    }
    Some(cpus)
}

/// `150000 100000` (microseconds granted, microseconds of a period) or `max 100000`
fn parse_quota(text: &str) -> Option<CpuQuota> {
    let (granted_us, period_us) = text.split_once(' ')?;
    quota_of(granted_us.parse().ok()?, period_us.parse().ok()?)
}

fn quota_of(granted_us: u64, period_us: u64) -> Option<CpuQuota> {
    let milli_cpus = granted_us.checked_mul(1000)?.checked_div(period_us)?;
    Some(CpuQuota {
        milli_cpus: milli_cpus.max(1),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(cpus: impl IntoIterator<Item = usize>) -> BTreeSet<usize> {
        cpus.into_iter().collect()
    }

    /// A cgroup tree in a directory: the membership line, then files by their path below the mount point.
    fn cgroup(membership: &str, files: &[(&str, &str)]) -> (tempfile::TempDir, CgroupRoots) {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let roots = CgroupRoots {
            mount: directory.path().join("mount"),
            membership: directory.path().join("self"),
            cpu_v1: directory.path().join("mount/cpu"),
        };
        fs::create_dir_all(&roots.mount).expect("the mount point");
        fs::write(&roots.membership, membership).expect("the membership file");
        for (path, text) in files {
            let path = roots.mount.join(path);
            fs::create_dir_all(path.parent().expect("a file has a parent")).expect("the group");
            fs::write(path, text).expect("a control file");
        }
        (directory, roots)
    }

    fn cpus_of(allowed: &AllowedCpus) -> Vec<usize> {
        allowed.cpus().collect()
    }

    fn placed(shards: Option<u16>, allowed: &AllowedCpus) -> Vec<(u16, usize)> {
        let shards = shards.map(|count| NonZeroU16::new(count).expect("a count above zero"));
        place(shards, allowed)
            .iter()
            .map(|(shard, cpu)| (shard.0, cpu))
            .collect()
    }

    #[test]
    fn cpu_lists_are_read_as_the_kernel_writes_them() {
        assert_eq!(parse_cpu_list("0-3,8,10-11"), Some(mask([0, 1, 2, 3, 8, 10, 11])));
        assert_eq!(parse_cpu_list("5"), Some(mask([5])));
        assert_eq!(parse_cpu_list(""), Some(mask([])));
        assert_eq!(parse_cpu_list("0-x"), None);
    }

    #[test]
    fn quotas_are_read_in_thousandths_of_a_cpu() {
        assert_eq!(parse_quota("150000 100000"), Some(CpuQuota { milli_cpus: 1500 }));
        assert_eq!(parse_quota("1000 1000000"), Some(CpuQuota { milli_cpus: 1 }));
        assert_eq!(parse_quota("max 100000"), None);
        assert_eq!(parse_quota("100000 0"), None);
        assert_eq!(parse_quota("junk"), None);
    }

    #[test]
    fn allowed_cpus_are_those_in_both_the_mask_and_the_cpuset() {
        let (_keep, roots) = cgroup(
            "0::/game.slice/relay\n",
            &[("game.slice/relay/cpuset.cpus.effective", "2-5\n")],
        );
        assert_eq!(cpus_of(&AllowedCpus::within(mask([0, 1, 2, 3]), &roots)), [2, 3]);
        assert_eq!(
            cpus_of(&AllowedCpus::within(mask([0, 1]), &roots)),
            [0, 1],
            "a cpuset apart from the mask is stale"
        );
    }

    #[test]
    fn the_nearest_cpuset_and_the_tightest_quota_hold() {
        let files = [
            ("cpuset.cpus.effective", "0-7\n"),
            ("a/cpuset.cpus.effective", "4-7\n"),
            ("a/cpu.max", "250000 100000\n"),
            ("a/b/cpu.max", "max 100000\n"),
        ];
        let (_keep, roots) = cgroup("1:name=systemd:/x\n0::/a/b\n", &files);
        let allowed = AllowedCpus::within(mask(0..8), &roots);
        assert_eq!(cpus_of(&allowed), [4, 5, 6, 7]);
        assert_eq!(allowed.quota(), Some(CpuQuota { milli_cpus: 2500 }));
    }

    #[test]
    fn quotas_of_version_1_count_too() {
        let membership = "4:cpu,cpuacct:/docker/0123\n1:name=systemd:/docker/0123\n0::/docker/0123\n";
        let files = [
            ("cpu/docker/0123/cpu.cfs_quota_us", "250000\n"),
            ("cpu/docker/0123/cpu.cfs_period_us", "100000\n"),
            ("cpu/docker/cpu.cfs_quota_us", "-1\n"),
            ("cpu/docker/cpu.cfs_period_us", "100000\n"),
        ];
        let (_keep, roots) = cgroup(membership, &files);
        let allowed = AllowedCpus::within(mask(0..8), &roots);
        assert_eq!(allowed.quota(), Some(CpuQuota { milli_cpus: 2500 }));
        let (_keep, roots) = cgroup(membership, &files[2..]);
        assert_eq!(AllowedCpus::within(mask(0..8), &roots).quota(), None);
    }

    #[test]
    fn a_thread_is_pinned_to_one_cpu() {
        let pinned = std::thread::spawn(|| {
            let last = *affinity_mask().expect("the mask").last().expect("a CPU");
            pin_to(last).expect("an own CPU");
            (last, affinity_mask().expect("the mask"))
        });
        let (last, now) = pinned.join().expect("no panic");
        assert_eq!(now, mask([last]));
        let nowhere = std::thread::spawn(|| pin_to(60_000)).join().expect("no panic");
        assert!(nowhere.is_err());
    }

    #[test]
    fn a_path_outside_the_mount_point_means_the_mount_point() {
        for membership in ["0::/../../other\n", "0::/docker/0123abcd\n", "0::/\n"] {
            let (_keep, roots) = cgroup(
                membership,
                &[("cpuset.cpus.effective", "1\n"), ("cpu.max", "50000 100000\n")],
            );
            let allowed = AllowedCpus::within(mask(0..4), &roots);
            assert_eq!(cpus_of(&allowed), [1], "{membership}");
            assert_eq!(allowed.quota(), Some(CpuQuota { milli_cpus: 500 }), "{membership}");
        }
    }

    #[test]
    fn without_a_cgroup_the_mask_alone_decides() {
        let nowhere = CgroupRoots {
            mount: "/nonexistent".into(),
            membership: "/nonexistent/self".into(),
            cpu_v1: "/nonexistent/cpu".into(),
        };
        let allowed = AllowedCpus::within(mask([3, 9]), &nowhere);
        assert_eq!((cpus_of(&allowed), allowed.quota()), (vec![3, 9], None));
    }

    #[test]
    fn this_process_may_use_as_many_cpus_as_the_standard_library_counts() {
        let mask = affinity_mask().expect("the kernel tells the mask");
        assert!(!mask.is_empty());
        assert!(mask.len() >= std::thread::available_parallelism().expect("a count").get());
    }

    #[test]
    fn shards_are_dealt_in_turn_and_share_cpus_only_when_asked_for() {
        let allowed = AllowedCpus {
            cpus: mask([2, 5]),
            quota: None,
        };
        assert_eq!(placed(None, &allowed), [(0, 2), (1, 5)]);
        assert_eq!(placed(Some(1), &allowed), [(0, 2)]);
        assert_eq!(placed(Some(5), &allowed), [(0, 2), (1, 5), (2, 2), (3, 5), (4, 2)]);
    }

    #[test]
    fn a_quota_caps_the_default_count_only() {
        let with = |milli_cpus| AllowedCpus {
            cpus: mask(0..8),
            quota: Some(CpuQuota { milli_cpus }),
        };
        assert_eq!(place(None, &with(2500)).shards(), 2);
        assert_eq!(place(None, &with(300)).shards(), 1);
        assert_eq!(place(None, &with(64_000)).shards(), 8);
        assert_eq!(place(NonZeroU16::new(8), &with(300)).shards(), 8);
    }

    #[test]
    fn a_placement_tells_its_cpus() {
        let allowed = AllowedCpus {
            cpus: mask([0, 1]),
            quota: None,
        };
        assert_eq!(place(None, &allowed).to_string(), "2 shards on CPU 0, 1");
        assert_eq!(place(NonZeroU16::new(1), &allowed).to_string(), "1 shard on CPU 0");
    }
}
