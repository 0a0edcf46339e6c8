//! Postings in batches of thousands in one call.

use std::time::{Duration, Instant};

use neobank_domain::{PostingRequest, Request};

use crate::bank::{Bank, cent};
use crate::choice::{Choice, Chooser, account};
use crate::error::BenchError;
use crate::host::Host;
use crate::latency::Latencies;
use crate::measured::{Moment, Stretches};
use crate::options::Options;
use crate::report::Line;
use crate::way::Way;

pub(crate) async fn measure(
    choice: Choice,
    options: &Options,
    host: &Host,
    bank: &mut Bank,
) -> Result<Line, BenchError> {
    let mut chooser = Chooser::new(choice, options.accounts, 3);
    let warm_up = Instant::now();
    while warm_up.elapsed() < Duration::from_secs(options.warm_up) {
        let postings = postings(&mut chooser, options)?;
        bank.transfers += bank.ledger.submit_all(&postings).await?.len() as u64;
    }
    let latencies = Latencies::new();
    let (mut posted, mut stretches) = (0, Stretches::default());
    // As for COPY, the requests of a batch are built outside the measured intervals.
    while stretches.elapsed() < options.window() {
        let postings = postings(&mut chooser, options)?;
        let moment = Moment::now(host).await?;
        let started = Instant::now();
        let outcomes = bank.ledger.submit_all(&postings).await?;
        latencies.record(0, started.elapsed());
        stretches.add(&moment.used_since(host).await?);
        posted += outcomes.len() as u64;
    }
    let used = stretches.used();
    bank.transfers += posted;
    let mut line =
        Line::new(Way::Batch, choice, 1, posted, &used).with_latency(latencies.summary());
    line.group_size = Some(options.batch_size as f64);
    Ok(line)
}

fn postings(chooser: &mut Chooser, options: &Options) -> Result<Vec<Request>, BenchError> {
    let cent = cent()?;
    let postings = (0..options.batch_size).map(|_| {
        let mut posting = PostingRequest::deposit(account(chooser.pair().0), cent);
        posting.idempotency_key =
            (!options.no_keys).then(|| uuid::Uuid::now_v7().simple().to_string());
        posting.into()
    });
    Ok(postings.collect())
}
