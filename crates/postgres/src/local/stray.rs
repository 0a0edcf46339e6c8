//! A server whose supervisor has ended.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::directory::ServerDirectory;

/// Each signal with the time limit after it: a fast shutdown that disconnects clients, an immediate
/// one without a checkpoint, and a kill.
const STEPS: [(Signal, Duration); 3] = [
    (Signal::SIGINT, Duration::from_secs(10)),
    (Signal::SIGQUIT, Duration::from_secs(5)),
    (Signal::SIGKILL, Duration::from_secs(5)),
];

/// Stops the server that runs in this folder as the folder's account, if there is one.
pub(crate) fn stop(directory: &ServerDirectory) {
    let Some(process) = running(directory) else {
        return;
    };
    let (data, user) = (&directory.data(), directory.user());
    for (signal, limit) in STEPS {
        let _ = kill(Pid::from_raw(process), signal);
        let deadline = Instant::now() + limit;
        while Instant::now() < deadline {
            if !is_server(process, data, user) {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Returns the process id of the server that runs in this folder as the folder's account.
pub(crate) fn running(directory: &ServerDirectory) -> Option<i32> {
    let status = directory.server_status();
    let process = status.lines().next()?.trim().parse().ok()?;
    is_server(process, &directory.data(), directory.user()).then_some(process)
}

/// Returns `true` if the process is the server of this folder. After a restart of the machine
/// another process may have its id, so the arguments and the user must match.
fn is_server(process: i32, data: &Path, user: u32) -> bool {
    if process <= 1 {
        return false;
    }
    let folder = Path::new("/proc").join(process.to_string());
    if !Path::new("/proc/self").exists() {
        return is_server_by_ps(process, data);
    }
    let same_user = fs::metadata(&folder).is_ok_and(|facts| facts.uid() == user);
    let arguments = fs::read(folder.join("cmdline")).unwrap_or_default();
    same_user
        && arguments
            .split(|byte| *byte == 0)
            .any(|argument| argument == data.as_os_str().as_bytes())
}

/// The same check without `/proc`, such as on macOS, where the owner is always the current user.
fn is_server_by_ps(process: i32, data: &Path) -> bool {
    Command::new("ps")
        .args(["-ww", "-o", "args=", "-p", &process.to_string()])
        .output()
        .is_ok_and(|output| {
            String::from_utf8_lossy(&output.stdout).contains(&*data.to_string_lossy())
        })
}
