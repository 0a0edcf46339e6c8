//! The input of a pool size.

use super::PoolSizeError;

/// The input of a pool size, built with [`PoolSizeInput::new`] and then changed field by field.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct PoolSizeInput {
    /// The server's `max_connections`.
    pub max_connections: u32,
    /// The mean time that a transaction holds a connection, in milliseconds; 0.000001 to a day.
    pub mean_hold_ms: f64,
    /// Transactions per second of all instances together; 0.000001 to 1,000,000,000.
    pub transactions_per_second: f64,
    /// The share that is added to the demand for bursts; 0 to 10. The default is 0.25.
    pub headroom: f64,
    /// Physical cores of the database's machine, without hyper-threads. Unknown by default.
    pub physical_cores: Option<u32>,
    /// Disks of the database's machine that data is read from; 0, the default, when memory holds
    /// the working set.
    pub spindles: u32,
    /// The server's `superuser_reserved_connections`. The default is the server's own, 3.
    pub superuser_reserved_connections: u32,
    /// The server's `reserved_connections` (PostgreSQL 16 and newer). The default is 0.
    pub reserved_connections: u32,
    /// Connections for other purposes: monitoring, migrations, people. The default is 0.
    pub other_connections: u32,
    /// Instances that share the server, each with a pool of this size. The default is 1.
    pub instances: u32,
    /// The memory of the database's machine. Unknown by default.
    pub memory: Option<ServerMemory>,
    /// Threads or tasks of an instance that use connections at a time. The default is 1.
    pub threads: u32,
    /// The most connections that one of them holds at a time. The default is 1.
    pub connections_per_thread: u32,
}

/// The memory of the database's machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerMemory {
    /// The total memory, in bytes.
    pub total_bytes: u64,
    /// The server's `shared_buffers`, in bytes.
    pub shared_buffers_bytes: u64,
    /// The server's `work_mem`, in bytes.
    pub work_mem_bytes: u64,
    /// The multiple of `work_mem` that a connection uses: sorts and hashes of its largest plan, and
    /// its own caches. The default is 3.
    pub work_mem_multiple: u32,
}

impl PoolSizeInput {
    /// The upper limit of counts, larger than any real system, and small enough that no product
    /// overflows.
    pub const COUNT_MAX: u32 = 1_000_000;
    /// The upper limit of memory: 1 EiB.
    pub const BYTES_MAX: u64 = 1 << 60;
    const TRANSACTIONS_PER_SECOND_MAX: f64 = 1e9;
    /// The lower limit of quantities, so that no product underflows.
    const LEAST: f64 = 0.000_001;
    const HOLD_MS_MAX: f64 = 86_400_000.0;

    /// Creates an input from the required values; the other fields have their defaults.
    #[must_use]
    pub const fn new(
        max_connections: u32,
        mean_hold_ms: f64,
        transactions_per_second: f64,
    ) -> Self {
        Self {
            max_connections,
            mean_hold_ms,
            transactions_per_second,
            headroom: 0.25,
            physical_cores: None,
            spindles: 0,
            superuser_reserved_connections: 3,
            reserved_connections: 0,
            other_connections: 0,
            instances: 1,
            memory: None,
            threads: 1,
            connections_per_thread: 1,
        }
    }

    /// Returns the same input for a machine with this number of physical cores.
    #[must_use]
    pub const fn with_physical_cores(mut self, cores: u32) -> Self {
        self.physical_cores = Some(cores);
        self
    }

    /// Returns the same input for a machine with this memory.
    #[must_use]
    pub const fn with_memory(mut self, memory: ServerMemory) -> Self {
        self.memory = Some(memory);
        self
    }

    pub(super) fn check(&self) -> Result<(), PoolSizeError> {
        let count = |field, value: u32, least: u32| {
            if (least..=Self::COUNT_MAX).contains(&value) {
                return Ok(());
            }
            let expected = match least {
                0 => "between 0 and 1000000",
                _ => "between 1 and 1000000",
            };
            Err(invalid(field, &value, expected))
        };
        count("max_connections", self.max_connections, 1)?;
        // A comparison with NaN is never true.
        if !(self.mean_hold_ms >= Self::LEAST && self.mean_hold_ms <= Self::HOLD_MS_MAX) {
            return Err(invalid(
                "mean_hold_ms",
                &self.mean_hold_ms,
                "between 0.000001 and 86400000",
            ));
        }
        if !(self.transactions_per_second >= Self::LEAST
            && self.transactions_per_second <= Self::TRANSACTIONS_PER_SECOND_MAX)
        {
            return Err(invalid(
                "transactions_per_second",
                &self.transactions_per_second,
                "between 0.000001 and 1000000000",
            ));
        }
        if !(0.0..=10.0).contains(&self.headroom) {
            return Err(invalid("headroom", &self.headroom, "between 0 and 10"));
        }
        if let Some(cores) = self.physical_cores {
            count("physical_cores", cores, 1)?;
        }
        count("spindles", self.spindles, 0)?;
        count(
            "superuser_reserved_connections",
            self.superuser_reserved_connections,
            0,
        )?;
        count("reserved_connections", self.reserved_connections, 0)?;
        count("other_connections", self.other_connections, 0)?;
        count("instances", self.instances, 1)?;
        self.memory.as_ref().map_or(Ok(()), ServerMemory::check)?;
        count("threads", self.threads, 1)?;
        count("connections_per_thread", self.connections_per_thread, 1)
    }
}

impl ServerMemory {
    /// Creates the memory of a machine, in bytes: the total, the server's `shared_buffers` and its
    /// `work_mem`, of which a connection uses the threefold.
    #[must_use]
    pub const fn new(total_bytes: u64, shared_buffers_bytes: u64, work_mem_bytes: u64) -> Self {
        Self {
            total_bytes,
            shared_buffers_bytes,
            work_mem_bytes,
            work_mem_multiple: 3,
        }
    }

    /// Sets the multiple of `work_mem` that a connection uses.
    #[must_use]
    pub const fn with_work_mem_multiple(mut self, work_mem_multiple: u32) -> Self {
        self.work_mem_multiple = work_mem_multiple;
        self
    }

    fn check(&self) -> Result<(), PoolSizeError> {
        let bytes = |field, value: u64| match value {
            1..=PoolSizeInput::BYTES_MAX => Ok(()),
            _ => Err(invalid(field, &value, "between 1 byte and 1 EiB")),
        };
        bytes("total_bytes", self.total_bytes)?;
        bytes("shared_buffers_bytes", self.shared_buffers_bytes)?;
        bytes("work_mem_bytes", self.work_mem_bytes)?;
        if self.shared_buffers_bytes >= self.total_bytes {
            return Err(invalid(
                "shared_buffers_bytes",
                &self.shared_buffers_bytes,
                "below total_bytes",
            ));
        }
        if !(1..=1000).contains(&self.work_mem_multiple) {
            return Err(invalid(
                "work_mem_multiple",
                &self.work_mem_multiple,
                "between 1 and 1000",
            ));
        }
        Ok(())
    }
}

pub(super) fn invalid(
    field: &'static str,
    value: &impl ToString,
    expected: &'static str,
) -> PoolSizeError {
    PoolSizeError::Invalid {
        field,
        value: value.to_string(),
        expected,
    }
}
