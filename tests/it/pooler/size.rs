//! The size of a pool: the SQL function computes the same as the Rust one.

use neobank_db::{DatabaseError, Executor, FromRow, Value, statement};
use neobank_ops::pool_size::{PoolSizeError, PoolSizeInput, ServerMemory, pool_size};

use crate::harness::TestBank;

on_both_versions!(sql_and_rust_compute_the_same_size);

#[derive(Debug, FromRow)]
struct Row {
    metric: String,
    value: i64,
    binds: bool,
    formula: Option<String>,
    source: Option<String>,
}

#[expect(clippy::float_arithmetic, reason = "loads, no money")]
async fn sql_and_rust_compute_the_same_size(bank: TestBank) {
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = move |below: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % below
    };
    let (mut sizes, mut rejections) = (0, 0);
    for _ in 0..400 {
        let mut input = PoolSizeInput::new(
            next(1000) as u32,
            next(100_000) as f64 / 100.0,
            next(1_000_000) as f64 / 100.0,
        );
        input.headroom = next(110) as f64 / 100.0;
        input.physical_cores = (next(3) > 0).then(|| next(64) as u32);
        input.spindles = next(4) as u32;
        input.superuser_reserved_connections = next(8) as u32;
        input.reserved_connections = next(8) as u32;
        input.other_connections = next(30) as u32;
        input.instances = next(12) as u32;
        input.threads = next(40) as u32;
        input.connections_per_thread = 1 + next(2) as u32;
        input.memory = (next(3) > 0).then(|| {
            ServerMemory::new(next(64 << 30), next(16 << 30), next(64 << 20))
                .with_work_mem_multiple(1 + next(8) as u32)
        });
        match (pool_size(&input), ask(&bank, &input).await) {
            (Ok(size), Ok(rows)) => {
                sizes += 1;
                let (last, bounds) = rows.split_last().unwrap();
                assert_eq!(
                    (last.metric.as_str(), last.value),
                    ("pool_size", i64::from(size.size)),
                    "{input:?}"
                );
                assert_eq!(bounds.len(), size.bounds.len(), "{input:?}");
                for (row, bound) in bounds.iter().zip(&size.bounds) {
                    assert_eq!(
                        (row.metric.as_str(), row.value),
                        (bound.name.as_str(), bound.connections),
                        "{input:?}"
                    );
                    assert_eq!(row.binds, bound.name == size.binds, "{input:?}");
                    assert_eq!(row.formula.as_deref(), Some(bound.formula));
                    assert_eq!(row.source.as_deref(), Some(bound.source));
                }
            }
            (Err(error), Err(DatabaseError::Server(server))) => {
                rejections += 1;
                assert_eq!(server.sqlstate, "22023", "{server}");
                if matches!(error, PoolSizeError::NoSafeSize { .. }) {
                    assert_eq!(server.message, error.to_string());
                }
            }
            (rust, sql) => panic!("{input:?}: {rust:?} and {sql:?}"),
        }
    }
    assert!(
        sizes > 50 && rejections > 50,
        "{sizes} sizes, {rejections} rejections"
    );
}

async fn ask(bank: &TestBank, input: &PoolSizeInput) -> Result<Vec<Row>, DatabaseError> {
    let int = |value: u32| Value::from(value as i32);
    let bytes = |read: fn(&ServerMemory) -> u64| {
        Value::from(input.memory.as_ref().map(|memory| read(memory) as i64))
    };
    bank.database
        .fetch_many(statement(
            "SELECT * FROM pooling.calculate_pool_size($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
            [
                int(input.max_connections),
                input.mean_hold_ms.into(),
                input.transactions_per_second.into(),
                input.headroom.into(),
                input.physical_cores.map(|cores| cores as i32).into(),
                int(input.spindles),
                int(input.instances),
                int(input.superuser_reserved_connections),
                int(input.reserved_connections),
                int(input.other_connections),
                bytes(|memory| memory.total_bytes),
                bytes(|memory| memory.shared_buffers_bytes),
                bytes(|memory| memory.work_mem_bytes),
                int(input.memory.map_or(3, |memory| memory.work_mem_multiple)),
                int(input.threads),
                int(input.connections_per_thread),
            ],
        ))
        .await
}
