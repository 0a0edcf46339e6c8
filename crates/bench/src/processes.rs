//! Processor time and memory of processes, from Linux's `/proc`.

use std::fs;
use std::time::Duration;

/// The kernel counts processor time in hundredths of a second (`USER_HZ`) on all platforms that
/// Rust runs on.
const TICK: Duration = Duration::from_millis(10);

/// Returns the processor time of this process and of the children it has waited for; `None` where
/// there is no `/proc`.
pub(crate) fn own_time() -> Option<Duration> {
    time(&fs::read_to_string("/proc/self/stat").ok()?, true)
}

/// Returns the processor time of a server: its postmaster, the ended processes, and the running
/// ones.
pub(crate) fn server_time(process: u32) -> Option<Duration> {
    let first = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let mut sum = time(&first, true)?;
    for entry in fs::read_dir("/proc").ok()?.flatten() {
        // A process may end between the listing and the read.
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else {
            continue;
        };
        if field(&stat, 1) == Some(u64::from(process)) {
            sum += time(&stat, false)?;
        }
    }
    Some(sum)
}

/// Returns the peak resident memory of this process since [`forget_peak`], in bytes.
pub(crate) fn peak_memory() -> Option<u64> {
    memory("VmHWM:")
}

/// Returns the resident memory of this process, in bytes.
pub(crate) fn memory_now() -> Option<u64> {
    memory("VmRSS:")
}

/// Memory of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ServerMemory {
    /// Memory of all processes, with shared memory counted once, in bytes.
    pub(crate) all: u64,
    /// Memory that the processes allocated themselves, without buffers and files, in bytes.
    pub(crate) private: u64,
}

/// Returns the memory of a server's postmaster and its running processes; `None` where the kernel
/// does not show it to this process.
///
/// These are proportional set sizes: memory that processes share, above all the server's buffers,
/// is divided among the processes that have touched it, so that the sum counts it once. The sum of
/// resident sizes would count it once for each process.
pub(crate) fn server_memory(process: u32) -> Option<ServerMemory> {
    let mut memory = proportional(process)?;
    for entry in fs::read_dir("/proc").ok()?.flatten() {
        // A process may end between the listing and the read.
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else {
            continue;
        };
        if field(&stat, 1) != Some(u64::from(process)) {
            continue;
        }
        let name = entry.file_name();
        let child = name.to_str().and_then(|name| name.parse().ok());
        if let Some(child) = child.and_then(proportional) {
            memory.all += child.all;
            memory.private += child.private;
        }
    }
    Some(memory)
}

fn proportional(process: u32) -> Option<ServerMemory> {
    shares(&fs::read_to_string(format!("/proc/{process}/smaps_rollup")).ok()?)
}

fn shares(rollup: &str) -> Option<ServerMemory> {
    let of = |name: &str| kibibytes(rollup, name);
    Some(ServerMemory {
        all: of("Pss:")?,
        private: of("Pss_Anon:")?,
    })
}

/// Resets [`peak_memory`].
pub(crate) fn forget_peak() {
    // Where the file cannot be written, the peak is that of the whole run.
    let _ = fs::write("/proc/self/clear_refs", "5");
}

fn memory(name: &str) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    kibibytes(&status, name)
}

/// Returns the value of a line with a name and kibibytes, in bytes.
fn kibibytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes * 1024)
}

/// Returns user and system time, optionally with those of children that were waited for.
fn time(stat: &str, with_children: bool) -> Option<Duration> {
    let last = if with_children { 14 } else { 12 };
    let ticks: u64 = (11..=last)
        .map(|number| field(stat, number))
        .sum::<Option<u64>>()?;
    Some(TICK * u32::try_from(ticks).ok()?)
}

/// Returns a field by its number after the name, which stands in parentheses and may hold any
/// character; field 0 is the state.
fn field(stat: &str, number: usize) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(number)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_not_what_a_process_made_for_itself() {
        let rollup = "5560 7ffd rollup\nRss: 900 kB\nPss: 500 kB\nPss_Anon: 90 kB\nPrivate_Clean: 20 kB\nPrivate_Dirty: 80 kB\n";
        let memory = ServerMemory {
            all: 500 * 1024,
            private: 90 * 1024,
        };
        assert_eq!(shares(rollup), Some(memory));
        assert_eq!(shares("Rss: 900 kB"), None);
    }

    #[test]
    fn reads_a_line_of_stat() {
        let stat = "42 (a) b) S 7 42 42 0 -1 4194560 1 2 3 4 100 50 25 5 20 0 1 0 9";
        assert_eq!(field(stat, 1), Some(7));
        assert_eq!(time(stat, false), Some(Duration::from_millis(1_500)));
        assert_eq!(time(stat, true), Some(Duration::from_millis(1_800)));
    }
}
