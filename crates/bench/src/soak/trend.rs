//! The comparison of the last third of the samples with the first.

use serde::Serialize;

use super::sample::Sample;
use crate::median::median;

const MIB: f64 = 1_048_576.0;

/// One value over time.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Trend {
    /// The value's name.
    pub name: &'static str,
    /// The value's unit.
    pub unit: &'static str,
    /// The median of the first third of the samples.
    pub first: f64,
    /// The median of the last third.
    pub last: f64,
    /// The greatest value of `last` that is no growth; `None` for a value that may change.
    pub limit: Option<f64>,
    /// `true` if `last` exceeds `limit`.
    pub grows: bool,
}

/// A value, its reader, and the increase that never counts as growth, because a small value grows
/// by a large percentage at once.
struct Thing {
    name: &'static str,
    unit: &'static str,
    slack: Option<f64>,
    read: fn(&Sample) -> Option<f64>,
}

const THINGS: &[Thing] = &[
    Thing {
        name: "throughput",
        unit: "a second",
        slack: None,
        read: |sample| Some(sample.throughput),
    },
    Thing {
        name: "latency, p50",
        unit: "ms",
        slack: Some(1.0),
        read: |sample| milliseconds(sample, sample.latency.p50),
    },
    Thing {
        name: "latency, p99",
        unit: "ms",
        slack: Some(5.0),
        read: |sample| milliseconds(sample, sample.latency.p99),
    },
    Thing {
        name: "client's memory",
        unit: "MiB",
        slack: Some(4.0),
        read: |sample| sample.client_memory.map(mebibytes),
    },
    // Shared buffers fill until they are full, as intended.
    Thing {
        name: "server's memory, shared once",
        unit: "MiB",
        slack: None,
        read: |sample| sample.server_memory.map(mebibytes),
    },
    Thing {
        name: "server's memory without buffers",
        unit: "MiB",
        slack: Some(16.0),
        read: |sample| sample.server_private_memory.map(mebibytes),
    },
    Thing {
        name: "accounts table",
        unit: "MiB",
        slack: Some(0.25),
        read: |sample| Some(mebibytes(sample.table_bytes)),
    },
    Thing {
        name: "accounts' indexes",
        unit: "MiB",
        slack: Some(0.25),
        read: |sample| Some(mebibytes(sample.index_bytes)),
    },
    Thing {
        name: "dead rows of accounts",
        unit: "rows",
        slack: None,
        read: |sample| Some(sample.dead_rows as f64),
    },
    Thing {
        name: "heap-only updates of accounts",
        unit: "%",
        slack: None,
        read: |sample| sample.heap_only.map(|share| share * 100.0),
    },
    Thing {
        name: "requests waiting",
        unit: "requests",
        slack: None,
        read: |sample| Some(sample.waiting as f64),
    },
];

/// Returns the trends of the values that the samples have; a machine may not report some.
pub(super) fn trends(samples: &[Sample], tolerance: u32) -> Vec<Trend> {
    let third = samples.len() / 3;
    let (first, _) = samples.split_at(third);
    let (_, last) = samples.split_at(samples.len() - third);
    let of = |samples: &[Sample], thing: &Thing| {
        let values: Vec<f64> = samples.iter().filter_map(thing.read).collect();
        (!values.is_empty()).then(|| median(values))
    };
    THINGS
        .iter()
        .filter_map(|thing| {
            let (first, last) = (of(first, thing)?, of(last, thing)?);
            let factor = 1.0 + f64::from(tolerance) / 100.0;
            let limit = thing.slack.map(|slack| (first * factor).max(first + slack));
            Some(Trend {
                name: thing.name,
                unit: thing.unit,
                first,
                last,
                limit,
                grows: limit.is_some_and(|limit| last > limit),
            })
        })
        .collect()
}

/// Returns `None` for an interval without a served caller.
fn milliseconds(sample: &Sample, microseconds: u64) -> Option<f64> {
    (sample.latency.count > 0).then(|| microseconds as f64 / 1e3)
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / MIB
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Latency;

    fn sample(table_mebibytes: u64, p50: u64) -> Sample {
        Sample {
            seconds: 1.0,
            throughput: 1_000.0,
            latency: Latency {
                count: 10,
                p50,
                p95: p50,
                p99: p50,
                max: p50,
            },
            waiting: 0,
            client_memory: Some(50 << 20),
            server_memory: None,
            server_private_memory: None,
            table_bytes: table_mebibytes << 20,
            index_bytes: 1 << 20,
            dead_rows: 0,
            heap_only: Some(1.0),
        }
    }

    fn growing(samples: &[Sample]) -> Vec<&'static str> {
        let trends = trends(samples, 20);
        let growing = trends.iter().filter(|trend| trend.grows);
        growing.map(|trend| trend.name).collect()
    }

    #[test]
    fn increase_by_a_fifth_is_growth() {
        let tables = [10, 10, 11, 11, 12, 12, 13];
        let samples: Vec<Sample> = tables.map(|table| sample(table, 900)).to_vec();
        assert_eq!(growing(&samples), ["accounts table"]);
        assert_eq!(growing(&samples[..6]), Vec::<&str>::new());
    }

    #[test]
    fn single_slow_interval_and_increase_below_a_millisecond_are_no_growth() {
        let waits = [100, 100, 100, 100, 100, 100, 90_000, 1_000, 900];
        let samples: Vec<Sample> = waits.map(|wait| sample(10, wait)).to_vec();
        assert_eq!(growing(&samples), Vec::<&str>::new());
        let waits = [100, 100, 100, 100, 100, 100, 90_000, 1_200, 1_300];
        let samples: Vec<Sample> = waits.map(|wait| sample(10, wait)).to_vec();
        assert_eq!(growing(&samples), ["latency, p50"]);
    }

    #[test]
    fn missing_values_have_no_trend() {
        let samples: Vec<Sample> = (0..3).map(|_| sample(10, 900)).collect();
        let trends = trends(&samples, 20);
        assert!(trends.iter().all(|trend| !trend.name.contains("server")));
        assert_eq!(trends.len(), THINGS.len() - 2);
    }
}
