//! A running container and its end.

use testcontainers::core::IntoContainerPort;
use testcontainers::runners::SyncRunner;
use testcontainers::{Container, ContainerRequest, GenericImage, ImageExt};

use crate::outside_runtime::outside_runtime;
use crate::{StopError, password};

use super::guard::Guard;

/// The number of bytes of a container's log in an error.
const LOG_BYTES: usize = 2048;

/// A container that is removed when this is dropped or its process ends.
pub(crate) struct RunningContainer {
    container: Option<Container<GenericImage>>,
    guard: Option<Guard>,
    name: String,
}

impl RunningContainer {
    /// Starts the container, under a unique name.
    pub(crate) fn start(request: ContainerRequest<GenericImage>) -> Result<Self, String> {
        let random = password::random().map_err(|error| error.to_string())?;
        let name = format!("neobank-postgres-{random}");
        // The guard starts first, so that the container is never without it.
        let guard = Guard::start(&name).map_err(|error| error.to_string())?;
        let request = request.with_container_name(&name);
        let container = outside_runtime(|| request.start().map_err(|error| error.to_string()))?;
        Ok(Self {
            container: Some(container),
            guard: Some(guard),
            name,
        })
    }

    /// Returns the port of this machine that leads to the container's port.
    pub(crate) fn port(&self, inside: u16) -> Result<u16, String> {
        self.inspect(|container| {
            container
                .get_host_port_ipv4(inside.tcp())
                .map_err(|error| error.to_string())
        })
    }

    pub(crate) fn is_running(&self) -> bool {
        self.inspect(|container| container.is_running().map_err(|error| error.to_string()))
            .unwrap_or(false)
    }

    /// Returns the end of the container's log.
    pub(crate) fn log_tail(&self) -> String {
        let log =
            self.inspect(|container| container.stderr_to_vec().map_err(|error| error.to_string()));
        log.map_or_else(
            |error| format!("(no log: {error})"),
            |bytes| {
                let tail = &bytes[bytes.len().saturating_sub(LOG_BYTES)..];
                String::from_utf8_lossy(tail).into_owned()
            },
        )
    }

    /// Stops and removes the container with its data.
    pub(crate) fn stop(mut self) -> Result<(), StopError> {
        self.end()
    }

    /// Leaves the container running, and returns the command that removes it.
    pub(crate) fn keep(mut self) -> Result<String, StopError> {
        if let Some(guard) = self.guard.take() {
            guard.stand_down();
        }
        // Dropping it would remove the container.
        std::mem::forget(self.container.take());
        Ok(format!("docker rm --force --volumes {}", self.name))
    }

    fn inspect<T: Send>(
        &self,
        request: impl FnOnce(&Container<GenericImage>) -> Result<T, String> + Send,
    ) -> Result<T, String> {
        match &self.container {
            Some(container) => outside_runtime(|| request(container)),
            None => Err("it has been removed".to_owned()),
        }
    }

    fn end(&mut self) -> Result<(), StopError> {
        let Some(container) = self.container.take() else {
            return Ok(());
        };
        let removed = outside_runtime(|| container.rm().map_err(|error| error.to_string()));
        if removed.is_ok()
            && let Some(guard) = self.guard.take()
        {
            guard.stand_down();
        }
        removed.map_err(|reason| StopError::Container {
            id: self.name.clone(),
            reason,
        })
    }
}

impl Drop for RunningContainer {
    fn drop(&mut self) {
        // There is no caller to report an error to; the guard tries once more.
        let _ = self.end();
    }
}
