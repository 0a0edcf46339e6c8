//! Random operations of every kind, by the numbers of accounts, transfers and holds.

use crate::harness::Random;

/// The accounts of customers: four in koruna, then two in euros.
pub(super) const ACCOUNTS: u64 = 6;
/// The first account in euros.
pub(super) const EUROS: u64 = 4;

/// What a request asks for. Accounts, transfers and holds are numbers; amounts are in minor units.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Transfer {
        from: usize,
        to: usize,
        minor: i64,
    },
    UpTo {
        from: usize,
        to: usize,
        minor: i64,
        allows_nothing: bool,
    },
    Posting {
        account: usize,
        kind: Kind,
        minor: i64,
    },
    Reversal {
        transfer: usize,
        minor: Option<i64>,
    },
    Capture {
        hold: usize,
        minor: Option<i64>,
        to: Option<usize>,
        last: bool,
    },
    /// A hold, as a step of a group.
    Hold {
        account: usize,
        to: Option<usize>,
        minor: i64,
    },
    /// A release, as a step of a group.
    Release {
        hold: usize,
        if_open: bool,
    },
    /// A capture of the hold that the step with this index makes.
    CaptureMade {
        step: usize,
        minor: Option<i64>,
        to: Option<usize>,
        last: bool,
    },
    /// A release of the hold that the step with this index makes.
    ReleaseMade {
        step: usize,
    },
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Deposit,
    Withdrawal,
    Fee,
    Interest,
}

#[derive(Clone, Debug)]
pub(super) enum Operation {
    Step(Step),
    Adjustment {
        account: usize,
        minor: i64,
        is_stale: bool,
    },
    /// Steps, and the least balance that an account must have after the last one.
    Group(Vec<Step>, Option<(usize, i64)>),
    Journal(Vec<(usize, i64)>),
    Exchange {
        from: usize,
        to: usize,
        sold: i64,
        rate: i64,
    },
    Hold {
        account: usize,
        to: Option<usize>,
        minor: i64,
        end: End,
    },
    Release {
        hold: usize,
    },
    Expire {
        limit: usize,
    },
    Freeze {
        account: usize,
    },
    Unfreeze {
        account: usize,
    },
    Limit {
        account: usize,
        minor: i64,
    },
    /// Sends an earlier request with a key again.
    Repeat {
        request: usize,
    },
    /// Several of the operations above that are requests, in one call.
    Batch(Vec<Self>),
}

/// The end of a new hold.
#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    None,
    Far,
    /// So soon that the history waits for it.
    Soon,
}

/// Returns the next operation. `transfers` and `holds` are the numbers that exist.
pub(super) fn operation(random: &mut Random, transfers: usize, holds: usize) -> Operation {
    match random.below(100) {
        0..1 => Operation::Freeze {
            account: account(random),
        },
        1..12 => Operation::Unfreeze {
            account: account(random),
        },
        12..16 => Operation::Limit {
            account: account(random),
            minor: random.below(500) as i64,
        },
        16..18 => Operation::Expire {
            limit: random.below(4) as usize,
        },
        18..24 => Operation::Repeat {
            request: random.below(40) as usize,
        },
        24..34 => {
            let count = 1 + random.below(6);
            let requests = (0..count).map(|_| request(random, transfers, holds));
            Operation::Batch(requests.collect())
        }
        _ => request(random, transfers, holds),
    }
}

fn request(random: &mut Random, transfers: usize, holds: usize) -> Operation {
    match random.below(100) {
        0..5 => Operation::Adjustment {
            account: account(random),
            minor: random.below(4_000) as i64 - 200,
            is_stale: random.below(4) == 0,
        },
        5..20 => {
            let mut steps = Vec::new();
            for _ in 0..random.below(5) {
                let next = group_step(random, transfers, holds, &steps);
                steps.push(next);
            }
            let condition = (random.below(3) == 0)
                .then(|| (random.below(EUROS) as usize, random.below(1_000) as i64));
            Operation::Group(steps, condition)
        }
        20..25 => Operation::Journal(journal(random)),
        25..31 => Operation::Exchange {
            from: random.below(EUROS) as usize,
            to: (EUROS + random.below(ACCOUNTS - EUROS)) as usize,
            sold: random.below(2_000) as i64,
            rate: 1 + random.below(60_000) as i64,
        },
        31..45 => Operation::Hold {
            account: account(random),
            to: (random.below(2) == 0).then(|| account(random)),
            minor: amount(random),
            end: match random.below(60) {
                0 => End::Soon,
                1..30 => End::Far,
                _ => End::None,
            },
        },
        45..50 => Operation::Release {
            hold: recent(random, holds),
        },
        _ => Operation::Step(step(random, transfers, holds)),
    }
}

/// Returns a step behind others, now and then one that only a group has.
fn group_step(random: &mut Random, transfers: usize, holds: usize, before: &[Step]) -> Step {
    let is_hold = |step: &Step| matches!(step, Step::Hold { .. });
    let made = before.iter().rposition(is_hold);
    match (random.below(8), made) {
        (0 | 1, _) => Step::Hold {
            account: account(random),
            to: (random.below(2) == 0).then(|| account(random)),
            minor: amount(random),
        },
        (2, _) => Step::Release {
            hold: recent(random, holds),
            if_open: random.below(2) == 0,
        },
        (3, Some(step)) => Step::ReleaseMade { step },
        (3, None) if random.below(4) == 0 => Step::ReleaseMade {
            step: random.below(3) as usize,
        },
        (4 | 5, Some(step)) => Step::CaptureMade {
            step,
            minor: (random.below(2) == 0).then(|| amount(random)),
            to: (random.below(2) == 0).then(|| account(random)),
            last: random.below(2) == 0,
        },
        _ => step(random, transfers, holds),
    }
}

fn step(random: &mut Random, transfers: usize, holds: usize) -> Step {
    match random.below(100) {
        0..35 => Step::Transfer {
            from: account(random),
            to: account(random),
            minor: amount(random),
        },
        35..48 => Step::UpTo {
            from: account(random),
            to: account(random),
            minor: amount(random),
            allows_nothing: random.below(2) == 0,
        },
        48..68 => {
            let kind = random.below(6);
            let minor = amount(random);
            let (kind, minor) = match kind {
                0 => (Kind::Withdrawal, minor),
                1 => (Kind::Fee, minor),
                2 => (Kind::Interest, minor),
                // Money comes in, so that most other requests find some.
                _ => (Kind::Deposit, minor * 5),
            };
            Step::Posting {
                account: account(random),
                kind,
                minor,
            }
        }
        68..82 => Step::Reversal {
            transfer: recent(random, transfers),
            minor: (random.below(2) == 0).then(|| amount(random)),
        },
        _ => Step::Capture {
            hold: recent(random, holds),
            minor: (random.below(2) == 0).then(|| amount(random)),
            to: (random.below(2) == 0).then(|| account(random)),
            last: random.below(2) == 0,
        },
    }
}

/// Returns lines that mostly sum to zero.
fn journal(random: &mut Random) -> Vec<(usize, i64)> {
    let count = random.below(4);
    let mut lines: Vec<_> = (0..count)
        .map(|_| {
            let minor = random.below(600) as i64 - 300;
            (random.below(EUROS) as usize, minor)
        })
        .collect();
    if random.below(5) > 0 {
        let sum: i64 = lines.iter().map(|(_, minor)| minor).sum();
        lines.push((random.below(EUROS) as usize, -sum));
    }
    lines
}

/// Returns mostly an account in koruna, so that most pairs have one currency.
fn account(random: &mut Random) -> usize {
    match random.below(6) {
        0 if random.below(2) == 0 => (EUROS + random.below(ACCOUNTS - EUROS)) as usize,
        _ => random.below(EUROS) as usize,
    }
}

/// Returns a small amount, and now and then one that is not more than zero.
fn amount(random: &mut Random) -> i64 {
    match random.below(40) {
        0 => -1,
        1 => 0,
        _ => 1 + random.below(900) as i64,
    }
}

/// Returns one of the newest numbers, and now and then one that does not exist.
fn recent(random: &mut Random, existing: usize) -> usize {
    let back = random.below(12) as usize;
    (existing + 1).saturating_sub(back)
}
