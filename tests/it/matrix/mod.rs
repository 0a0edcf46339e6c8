//! Every command in every place where it may be run: its answer is right, or a clear rejection.
//!
//! The table says for each command, in each place, the exit code: `0` is a right answer, and any
//! other is a rejection that the operator's guide documents, in one sentence that names the reason.

mod cells;
mod judge;
mod programs;
mod table;

use std::collections::BTreeSet;
use std::sync::Arc;

use cells::{Place, Servers};
use programs::Program;
use table::{COMMANDS, OUTSIDE, Row};

/// Places that are visited at a time.
const AT_ONCE: usize = 3;

#[test]
fn every_command_has_its_row() {
    let named: BTreeSet<String> = COMMANDS
        .iter()
        .map(Row::name)
        .chain(OUTSIDE.iter().map(|(name, _)| (*name).to_owned()))
        .collect();
    let known: BTreeSet<String> = Program::ALL
        .into_iter()
        .flat_map(Program::commands)
        .collect();
    assert_eq!(
        named, known,
        "the table of tests/it/matrix and the programs differ"
    );
    for row in COMMANDS {
        let codes = row.expected().len();
        assert!(codes == 1 || codes == Place::ALL.len(), "{}", row.name());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_is_right_or_rejects_clearly_on_postgres_15() {
    visit_all(15).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_is_right_or_rejects_clearly_on_postgres_18() {
    visit_all(18).await;
}

async fn visit_all(version: u32) {
    let servers = Arc::new(Servers::start(version).await);
    // A server has one certificate at a time.
    let (protected, others): (Vec<_>, Vec<_>) = (Place::ALL.into_iter())
        .filter(|place| servers.has(*place))
        .partition(|place| place.certificates().is_some());
    let mut queues = vec![Vec::new(); AT_ONCE];
    queues[0] = protected;
    for (number, place) in others.into_iter().enumerate() {
        queues[number % AT_ONCE].push(place);
    }
    let visits: Vec<_> = queues
        .into_iter()
        .map(|places| {
            let servers = Arc::clone(&servers);
            tokio::spawn(async move {
                let mut visits = Vec::new();
                for place in places {
                    visits.push(visit(&servers, place).await);
                }
                visits
            })
        })
        .collect();
    let mut found = Vec::new();
    for visit in visits {
        found.extend(visit.await.unwrap());
    }
    let faults: Vec<_> = found
        .iter()
        .flat_map(|visit| visit.faults.clone())
        .collect();
    assert!(
        faults.is_empty(),
        "{}\n{}\n{} faults",
        faults.join("\n"),
        as_table(&found),
        faults.len()
    );
}

/// What a place's commands answered.
struct Visit {
    place: Place,
    /// None for a command that was not run.
    codes: Vec<Option<i32>>,
    faults: Vec<String>,
}

/// Runs every command in this place.
async fn visit(servers: &Servers, place: Place) -> Visit {
    let cell = Arc::new(servers.prepare(place).await);
    let column = Place::ALL.iter().position(|one| *one == place).unwrap();
    let (mut codes, mut faults) = (Vec::new(), Vec::new());
    for row in COMMANDS {
        let Some(expected) = row.expected().get(column).copied() else {
            codes.push(None);
            continue;
        };
        let started = std::time::Instant::now();
        // A rejection changed nothing, so it can be asked for twice.
        let ways = if expected == [0] {
            &[true][..]
        } else {
            &[true, false]
        };
        for is_json in ways.iter().copied() {
            let (run, cell) = (*row, Arc::clone(&cell));
            let ran = tokio::task::spawn_blocking(move || run.run(&cell, is_json));
            let found = ran.await.unwrap();
            if is_json {
                codes.push(Some(found.code));
            }
            if let Err(fault) = judge::judge(row, &found, expected, is_json) {
                faults.push(format!("{place:?}: {}: {fault}", row.name()));
                break;
            }
        }
        let took = started.elapsed();
        if took.as_secs() >= 3 {
            println!("{place:?}: {}: {took:?}", row.name());
        }
    }
    Visit {
        place,
        codes,
        faults,
    }
}

/// What was found, in the form of the table.
fn as_table(found: &[Visit]) -> String {
    let of = |number: usize, place: &Place| {
        let visit = found.iter().find(|visit| visit.place == *place);
        let code = visit.and_then(|visit| visit.codes[number]);
        code.map_or("-".to_owned(), |code| code.to_string())
    };
    let line = |(number, row): (usize, &Row)| {
        let codes: String = Place::ALL.iter().map(|place| of(number, place)).collect();
        format!("{codes} {}\n", row.name())
    };
    COMMANDS.iter().enumerate().map(line).collect()
}
