//! A real server under real load: each fixed size, then the size that the pool finds by itself, and
//! then the best of both in short alternating intervals. Only the alternating intervals are
//! compared, because the machine's other load changes by the minute, and so affects both equally.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use neobank_db::pool::AutoSize;
use neobank_db::{Database, DatabaseConfig, Executor, statement};
use neobank_postgres::{Durability, ServerOptions};
use tokio::task::JoinSet;

use super::Comparison;
use super::plot::{self, Line, Panel, Plot};

const CALLERS: usize = 64;
const LARGEST: usize = 48;
const FIXED: [usize; 8] = [1, 2, 4, 6, 8, 12, 24, 48];
const INTERVAL: Duration = Duration::from_millis(500);
/// The number of the best fixed sizes that are measured again, alternating with the size that the
/// pool found.
const FINALISTS: usize = 3;
const TURNS: u32 = 8;
const SETTLING: Duration = Duration::from_secs(1);

/// A wait of 10 ms, as for another service, and about as much work for a processor: some four to
/// eight of these keep two processors busy.
const WORK: [&str; 2] = [
    "SELECT pg_sleep(0.01)",
    "SELECT sum(number) FROM generate_series(1, 50000) AS number",
];

pub(crate) async fn run(seconds: u64) -> anyhow::Result<(Comparison, Plot)> {
    let server = tokio::task::spawn_blocking(|| {
        ServerOptions::default()
            .durability(Durability::Fast)
            .start()
    })
    .await??;
    let mut config = DatabaseConfig::from_url(server.url())?;
    config.acquire_timeout = Duration::from_secs(10);
    config.pool_max = LARGEST;
    let mut fixed = Vec::new();
    for size in FIXED {
        let database = of_size(&config, size).await?;
        let rate = turn(&database, Duration::from_secs(seconds)).await?;
        println!("fixed size {size:>2}: {rate:.0} transactions/s");
        fixed.push((size, rate));
    }
    fixed.sort_by(|one, other| other.1.total_cmp(&one.1));
    fixed.truncate(FINALISTS);
    let mut sized = config.clone();
    sized.auto_size = Some(AutoSize::default().with_interval(INTERVAL));
    let database = Database::connect(sized).await?;
    let load = Load::start(&database);
    let watched = watch(&database, &load, seconds * 4 + 30, seconds * 4).await;
    load.stop().await?;
    let sizes: Vec<usize> = fixed.iter().map(|(size, _)| *size).collect();
    let turns = in_turns(&config, &sizes, &database, Duration::from_secs(seconds)).await?;
    let comparison = Comparison {
        name: "real".to_owned(),
        best_size: turns.best_size,
        best: turns.best,
        found: turns.found,
        end_size: database.status().size,
        changes: watched.changes,
    };
    let title = format!(
        "real server, {CALLERS} callers, each transaction a wait of 10 ms and some work; in turns {:.0}/s, fixed size {} {:.0}/s",
        turns.found, turns.best_size, turns.best
    );
    Ok((comparison, watched.plot(title)))
}

async fn of_size(config: &DatabaseConfig, size: usize) -> anyhow::Result<Database> {
    let database = Database::connect(config.clone()).await?;
    database.resize(size);
    Ok(database)
}

/// Measures transactions per second under load, which begins and ends here.
async fn turn(database: &Database, time: Duration) -> anyhow::Result<f64> {
    let load = Load::start(database);
    tokio::time::sleep(SETTLING).await;
    let rate = load.rate_over(time).await;
    load.stop().await?;
    Ok(rate)
}

struct Turns {
    best_size: usize,
    best: f64,
    found: f64,
}

/// Measures each of the fixed sizes and the size that was found, alternately, many times.
async fn in_turns(
    config: &DatabaseConfig,
    sizes: &[usize],
    found: &Database,
    time: Duration,
) -> anyhow::Result<Turns> {
    let mut fixed = Vec::new();
    for size in sizes {
        fixed.push((*size, of_size(config, *size).await?, 0.0));
    }
    let mut sum_found = 0.0;
    for number in 1..=TURNS {
        for (_, database, sum) in &mut fixed {
            *sum += turn(database, time).await?;
        }
        sum_found += turn(found, time).await?;
        let best = fixed.iter().map(|(.., sum)| *sum).fold(0.0, f64::max);
        println!(
            "turn {number}: {:.1} % of the best so far, size {}",
            100.0 * sum_found / best,
            found.status().size
        );
    }
    let mut turns = Turns {
        best_size: 0,
        best: 0.0,
        found: sum_found / f64::from(TURNS),
    };
    for (size, _, sum) in fixed {
        if sum / f64::from(TURNS) > turns.best {
            turns.best_size = size;
            turns.best = sum / f64::from(TURNS);
        }
    }
    Ok(turns)
}

struct Load {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    callers: JoinSet<Result<(), neobank_db::DatabaseError>>,
}

impl Load {
    fn start(database: &Database) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let done = Arc::new(AtomicU64::new(0));
        let mut callers = JoinSet::new();
        for _ in 0..CALLERS {
            let (database, stop, done) = (database.clone(), Arc::clone(&stop), Arc::clone(&done));
            callers.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let transaction = database.begin().await?;
                    for sql in WORK {
                        transaction.execute(statement(sql, [])).await?;
                    }
                    transaction.commit().await?;
                    done.fetch_add(1, Ordering::Relaxed);
                }
                Ok(())
            });
        }
        Self {
            stop,
            done,
            callers,
        }
    }

    fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    async fn rate_over(&self, time: Duration) -> f64 {
        let (started, before) = (Instant::now(), self.done());
        tokio::time::sleep(time).await;
        (self.done() - before) as f64 / started.elapsed().as_secs_f64()
    }

    async fn stop(mut self) -> anyhow::Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.callers.join_next().await {
            ended??;
        }
        Ok(())
    }
}

struct Watched {
    /// Seconds, transactions per second, size, in use, waiting, wait p95 in milliseconds.
    points: Vec<[f64; 6]>,
    changes: usize,
}

/// Samples every half second; a sample's size is the result of the last seconds.
async fn watch(database: &Database, load: &Load, seconds: u64, last: u64) -> Watched {
    let started = Instant::now();
    let mut points = Vec::new();
    let mut before = (Instant::now(), load.done(), database.metrics());
    let mut sizes = Vec::new();
    while started.elapsed() < Duration::from_secs(seconds) {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let (now, done, metrics) = (Instant::now(), load.done(), database.metrics());
        let waits = metrics.wait_time.since(&before.2.wait_time);
        points.push([
            started.elapsed().as_secs_f64(),
            (done - before.1) as f64 / (now - before.0).as_secs_f64(),
            metrics.max as f64,
            metrics.used as f64,
            metrics.pending_requests as f64,
            waits.percentile(95).as_secs_f64() * 1000.0,
        ]);
        if started.elapsed() >= Duration::from_secs(seconds - last) {
            sizes.push(metrics.max);
        }
        before = (now, done, metrics);
    }
    Watched {
        points,
        changes: sizes.windows(2).filter(|pair| pair[0] != pair[1]).count(),
    }
}

impl Watched {
    fn plot(&self, title: String) -> Plot {
        let line = |name, colour, value: &dyn Fn(&[f64; 6]) -> f64| Line {
            name,
            colour,
            points: self
                .points
                .iter()
                .map(|point| (point[0], value(point)))
                .collect(),
        };
        Plot {
            title,
            panels: vec![
                Panel {
                    label: "transactions per second",
                    lines: vec![line("served", plot::GREEN, &|point| point[1])],
                },
                Panel {
                    label: "connections",
                    lines: vec![
                        line("size", plot::BLUE, &|point| point[2]),
                        line("in use", plot::GREY, &|point| point[3]),
                    ],
                },
                Panel {
                    label: "callers that wait, and their wait (p95, ms)",
                    lines: vec![
                        line("waiting", plot::GREY, &|point| point[4]),
                        line("p95", plot::ORANGE, &|point| point[5]),
                    ],
                },
            ],
        }
    }
}
