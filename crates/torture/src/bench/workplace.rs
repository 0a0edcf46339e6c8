//! The folder of a run. Its processes and files end with the bench, also when the bench is killed.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, ensure};

/// Ends every process whose working folder is in the run's folder once its input ends, and removes
/// the folder.
const GUARD: &str = r#"read -r end
end_all() {
    found=
    for process in /proc/[0-9]*; do
        case "$(readlink "$process/cwd" 2>/dev/null)" in
            "$2"/*) found=1; kill "-$1" "${process#/proc/}" 2>/dev/null ;;
        esac
    done
}
end_all QUIT "$1"
# A server that ends by itself removes its shared memory.
[ -z "$found" ] || sleep 1
end_all KILL "$1"
[ -z "$found" ] || sleep 0.2
umount -l "$1"/*/mounted 2>/dev/null
rm -rf -- "$1""#;

/// An unprivileged account, as PostgreSQL and PgBouncer require; its name does not matter.
const NOBODY: u32 = 65_534;

/// A folder for the servers, the poolers and the histories of one run.
#[derive(Debug)]
pub(crate) struct Workplace {
    path: PathBuf,
    guard: Child,
}

impl Workplace {
    pub(crate) fn new() -> anyhow::Result<Self> {
        // On a disk: a server's durability is a part of what is tested.
        let path = tempfile::Builder::new()
            .prefix("neobank-torture-")
            .tempdir_in("/var/tmp")?
            .keep()
            .canonicalize()?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
        let guard = Command::new("/bin/sh")
            .args(["-c", GUARD, "neobank-torture-guard"])
            .arg(&path)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .context("cannot run /bin/sh")?;
        Ok(Self { path, guard })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Creates a folder of the account of servers.
    pub(crate) fn folder(&self, name: &str) -> anyhow::Result<PathBuf> {
        let folder = self.path.join(name);
        std::fs::create_dir_all(&folder)?;
        give(&folder)?;
        Ok(folder)
    }

    /// Creates a folder on a small file system of its own, which a fault can fill.
    pub(crate) fn small_disk(&self, name: &str, megabytes: u32) -> anyhow::Result<PathBuf> {
        let folder = self.path.join(name);
        let (image, mounted) = (folder.join("image"), folder.join("mounted"));
        std::fs::create_dir_all(&mounted)?;
        let file = std::fs::File::create(&image)?;
        file.set_len(u64::from(megabytes) * 1_048_576)?;
        run(Command::new("mkfs.ext4")
            .args(["-q", "-m", "0", "-F"])
            .arg(&image))?;
        run(Command::new("mount")
            .args(["-o", "loop"])
            .arg(&image)
            .arg(&mounted))?;
        let data = mounted.join("server");
        std::fs::create_dir_all(&data)?;
        give(&data)?;
        Ok(data)
    }
}

impl Drop for Workplace {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

/// Returns a command that runs in a folder as the account of servers.
pub(crate) fn command(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).process_group(0);
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

/// Makes the account of servers the owner of a file or folder.
pub(crate) fn give(path: &Path) -> anyhow::Result<()> {
    if is_root() {
        chown(path, Some(NOBODY), Some(NOBODY))?;
    }
    Ok(())
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// Runs a program to its end.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {}", command.get_program().to_string_lossy()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{}: {}",
        command.get_program().to_string_lossy(),
        said.trim()
    );
    Ok(())
}
