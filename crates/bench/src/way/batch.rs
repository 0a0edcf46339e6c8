//! Postings by the thousand in one call.

use std::time::{Duration, Instant};

use neobank_domain::{Money, PostingRequest, Request};

use crate::books::{Books, currency};
use crate::choice::{Choice, Chooser, account};
use crate::error::BenchError;
use crate::host::Host;
use crate::latency::Latencies;
use crate::measured::Moment;
use crate::options::Options;
use crate::report::Line;
use crate::way::Way;

pub(crate) async fn measure(
    choice: Choice,
    options: &Options,
    host: &Host,
    books: &mut Books,
) -> Result<Line, BenchError> {
    let mut chooser = Chooser::new(choice, options.accounts, 3);
    let warm_up = Instant::now();
    while warm_up.elapsed() < Duration::from_secs(options.warm_up) {
        books.transfers += post(&mut chooser, options, books).await?;
    }
    let latencies = Latencies::new();
    let mut posted = 0;
    let moment = Moment::now(host).await?;
    let started = Instant::now();
    while started.elapsed() < options.window() {
        let call = Instant::now();
        posted += post(&mut chooser, options, books).await?;
        latencies.record(0, call.elapsed());
    }
    let used = moment.used_since(host).await?;
    books.transfers += posted;
    let mut line =
        Line::new(Way::Batch, choice, 1, posted, &used).with_latency(latencies.summary());
    line.group_size = Some(options.batch_size as f64);
    Ok(line)
}

async fn post(chooser: &mut Chooser, options: &Options, books: &Books) -> Result<u64, BenchError> {
    let cent = Money::parse("0.01", currency()?)?;
    let postings: Vec<Request> = (0..options.batch_size)
        .map(|_| {
            let mut posting = PostingRequest::deposit(account(chooser.pair().0), cent);
            posting.idempotency_key =
                (!options.no_keys).then(|| uuid::Uuid::now_v7().simple().to_string());
            posting.into()
        })
        .collect();
    let outcomes = books.ledger.submit_all(&postings).await?;
    Ok(outcomes.len() as u64)
}
