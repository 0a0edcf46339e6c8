//! A server in a container of this machine's Docker engine.

mod guard;
mod running;

pub(crate) use running::RunningContainer;

use std::env;
use std::thread;
use std::time::{Duration, Instant};

use testcontainers::bollard::models::{HostConfig, PortBinding};
use testcontainers::core::IntoContainerPort;
use testcontainers::{ContainerRequest, GenericImage, ImageExt};

use crate::local::settings;
use crate::server::Ownership;
use crate::{Durability, LocalServer, ServerOptions, StartError, password, probe, url_form};

/// The port of the server inside of the container.
const PORT: u16 = 5432;

/// The shared memory of the container in bytes: the engine's 64 MB are too few for parallel
/// queries.
const SHARED_MEMORY: i64 = 256 << 20;

/// The limit of one attempt to connect.
const ATTEMPT_LIMIT: Duration = Duration::from_secs(5);

/// Starts a container of the image and waits until its server accepts connections.
pub(crate) fn start(options: &ServerOptions, image: &str) -> Result<LocalServer, StartError> {
    let failed = |reason: String| StartError::Container {
        image: image.to_owned(),
        reason,
    };
    if let Some(host) = env::var("DOCKER_HOST").ok().filter(|host| is_far(host)) {
        return Err(failed(format!(
            "DOCKER_HOST is {host}, and a container of another machine cannot be reached from here"
        )));
    }
    let password = password::random().map_err(|error| failed(error.to_string()))?;
    let request = request(options, image, &password);
    let running = RunningContainer::start(request).map_err(failed)?;
    let port = running.port(PORT).map_err(failed)?;
    let url = url_form::tcp(port, &password);
    let major = await_ready(options, &running, &url).map_err(failed)?;
    let origin = format!("a container of image {image}");
    match options.version {
        Some(wanted) if wanted != major => Err(StartError::VersionMismatch {
            origin,
            major,
            wanted,
        }),
        _ if !crate::SUPPORTED_VERSIONS.contains(&major) => {
            Err(StartError::VersionNotSupported { origin, major })
        }
        _ => Ok(LocalServer::new(
            url_form::parse(&url)?,
            major,
            origin,
            Ownership::Container(Box::new(running)),
        )),
    }
}

fn request(options: &ServerOptions, image: &str, password: &str) -> ContainerRequest<GenericImage> {
    let (name, tag) = name_and_tag(image);
    let command = ["postgres".to_owned()]
        .into_iter()
        .chain(settings::arguments(options));
    let initdb = match options.durability {
        Durability::Durable => "--encoding=UTF8 --locale=C --data-checksums",
        Durability::Fast => "--encoding=UTF8 --locale=C --data-checksums --no-sync",
    };
    GenericImage::new(name, tag)
        .with_exposed_port(PORT.tcp())
        .with_cmd(command)
        .with_env_var("POSTGRES_PASSWORD", password)
        .with_env_var("POSTGRES_INITDB_ARGS", initdb)
        .with_startup_timeout(options.start_timeout)
        .with_host_config_modifier(publish_locally)
}

/// Publishes the port on 127.0.0.1 only, at a free port that the engine chooses.
fn publish_locally(host: &mut HostConfig) {
    let binding = PortBinding {
        host_ip: Some("127.0.0.1".to_owned()),
        host_port: Some(String::new()),
    };
    host.shm_size = Some(SHARED_MEMORY);
    host.publish_all_ports = Some(false);
    host.port_bindings = Some([(format!("{PORT}/tcp"), Some(vec![binding]))].into());
}

/// Returns `true` if the address of an engine leads to another machine, on whose 127.0.0.1 the
/// container's port would be published.
fn is_far(engine: &str) -> bool {
    let Some((scheme, rest)) = engine.split_once("://") else {
        return false;
    };
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    let here = ["localhost", "127.", "[::1]"];
    !matches!(scheme, "unix" | "npipe") && !here.iter().any(|name| host.starts_with(name))
}

/// Connects repeatedly, because images log their readiness in different ways, and the official one
/// also logs it once too early.
fn await_ready(
    options: &ServerOptions,
    running: &RunningContainer,
    url: &str,
) -> Result<u32, String> {
    let deadline = Instant::now() + options.start_timeout;
    loop {
        let reason = match probe::major_version(url, ATTEMPT_LIMIT) {
            Ok(major) => return Ok(major),
            Err(reason) => reason,
        };
        if !running.is_running() {
            return Err(format!("it ended. Its last lines:\n{}", running.log_tail()));
        }
        if Instant::now() >= deadline {
            let log = running.log_tail();
            return Err(format!("{reason}. Its last lines:\n{log}"));
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// Splits an image into name and tag; a colon before a slash belongs to the registry's port.
fn name_and_tag(image: &str) -> (&str, &str) {
    match image.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        _ => (image, "latest"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remote_engine_addresses_are_recognized() {
        for far in ["tcp://10.0.0.1:2376", "ssh://me@host", "http://host:2375"] {
            assert!(is_far(far), "{far}");
        }
        for near in [
            "",
            "unix:///run/docker.sock",
            "tcp://127.0.0.1:2375",
            "tcp://localhost:2375",
            "tcp://[::1]:2375",
        ] {
            assert!(!is_far(near), "{near}");
        }
    }

    #[test]
    fn tag_is_found_behind_a_registry_with_a_port() {
        assert_eq!(name_and_tag("postgres:18"), ("postgres", "18"));
        assert_eq!(
            name_and_tag("host:5000/postgres"),
            ("host:5000/postgres", "latest")
        );
        assert_eq!(
            name_and_tag("host:5000/a/postgres:18"),
            ("host:5000/a/postgres", "18")
        );
    }
}
