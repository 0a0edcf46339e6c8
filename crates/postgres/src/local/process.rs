//! The processes of a running server and their end.

use std::path::{Path, PathBuf};

use crate::StopError;

use super::directory::ServerDirectory;
use super::stray;
use super::supervisor::Supervisor;

/// A server with its supervisor and folder, which end when this is dropped.
#[derive(Debug)]
pub(crate) struct LocalProcess {
    directory: ServerDirectory,
    supervisor: Option<Supervisor>,
    server_id: u32,
    programs: PathBuf,
}

impl LocalProcess {
    pub(crate) fn new(
        directory: ServerDirectory,
        supervisor: Supervisor,
        server_id: u32,
        programs: PathBuf,
    ) -> Self {
        Self {
            directory,
            supervisor: Some(supervisor),
            server_id,
            programs,
        }
    }

    /// Returns the folder with the server's programs.
    pub(crate) fn programs(&self) -> &Path {
        &self.programs
    }

    /// Returns the process id of the server.
    pub(crate) fn server_id(&self) -> u32 {
        self.server_id
    }

    /// Stops the server and removes its folder.
    pub(crate) fn stop(mut self) -> Result<(), StopError> {
        self.end()
    }

    /// Leaves the server running, and returns the command that stops it.
    pub(crate) fn keep(mut self) -> Result<String, StopError> {
        let Some(mut supervisor) = self.supervisor.take() else {
            return Err(StopError::SupervisorGone);
        };
        if supervisor.outcome(&self.directory).is_some() {
            self.supervisor = Some(supervisor);
            return Err(StopError::SupervisorGone);
        }
        let stop_command = format!("kill {}", supervisor.id());
        supervisor.keep().map_err(|_| StopError::SupervisorGone)?;
        Ok(stop_command)
    }

    fn end(&mut self) -> Result<(), StopError> {
        let Some(supervisor) = self.supervisor.take() else {
            return Ok(());
        };
        supervisor.end();
        // The supervisor has done all of this, unless it was killed.
        let removed = self.directory.destroy();
        if let Some(process) = stray::running(&self.directory) {
            return Err(StopError::StillRunning { process });
        }
        removed.map_err(|source| StopError::Remove {
            path: self.directory.path().to_owned(),
            source,
        })
    }
}

impl Drop for LocalProcess {
    fn drop(&mut self) {
        // There is no caller to report an error to; the next start sweeps the rest.
        let _ = self.end();
    }
}
