//! Blocking: ten scenarios of real sessions, each with exactly the expected edges and roots, from
//! Rust and from `concurrency.v_lock_analysis`, and compared with the server's own
//! `pg_blocking_pids`.

mod apply;
mod cycles;
mod names;
mod scenarios;

use std::collections::{BTreeMap, BTreeSet};

use neobank_ops::Monitor;
use neobank_ops::blocking::{BlockingReport, Class, EdgeKind, WaitCycle, Who};

use super::monitor_of;
use super::session::Session;
use crate::harness::TestBank;

/// The sessions of a scenario, by a letter each.
struct Scene {
    bank: TestBank,
    monitor: Monitor,
    observer: Session,
    sessions: BTreeMap<char, Session>,
}

impl Scene {
    /// Opens the sessions A, B and so on, and creates a table of accounts 1 to 9 with a table
    /// beside it.
    async fn of(bank: TestBank, letters: &str) -> Self {
        let observer = Session::open(bank.url()).await;
        observer
            .run(
                "CREATE TABLE public.account (id int PRIMARY KEY, balance int NOT NULL);
                  INSERT INTO public.account SELECT n, 100 FROM generate_series(1, 9) AS n;
                  CREATE TABLE public.other (id int PRIMARY KEY);
                  INSERT INTO public.other VALUES (1)",
            )
            .await;
        let mut sessions = BTreeMap::new();
        for letter in letters.chars() {
            sessions.insert(letter, Session::open(bank.url()).await);
        }
        let monitor = monitor_of(bank.url()).await;
        Self {
            bank,
            monitor,
            observer,
            sessions,
        }
    }

    /// Runs statements to their end.
    async fn run(&self, letter: char, sql: &str) {
        self.sessions[&letter].run(sql).await;
    }

    /// Runs statements until the session waits.
    async fn wait(&self, letter: char, sql: &str) {
        self.sessions[&letter].wait(&self.observer, sql).await;
    }

    /// Returns the report of this scenario's sessions, without those of other tests on the same
    /// server.
    async fn report(&self) -> BlockingReport {
        let mut report = self.monitor.blocking().await.unwrap().into_value().unwrap();
        let is_ours = |who: &Who| self.letter(who) != "?";
        report
            .edges
            .retain(|edge| is_ours(&edge.waiter) && !self.is_passing_by(edge.kind, &edge.blocker));
        report.roots.retain(|root| is_ours(&root.who));
        report
    }

    /// Returns `true` for a serializable transaction of another test, for which a scenario's reader
    /// really waits while it lasts.
    fn is_passing_by(&self, kind: EdgeKind, blocker: &Who) -> bool {
        kind == EdgeKind::SafeSnapshot && self.letter(blocker) == "?"
    }

    /// Returns the letter of a session, or the name of a prepared transaction.
    fn letter(&self, who: &Who) -> String {
        match who {
            Who::Session { process_id } => {
                let found = self
                    .sessions
                    .iter()
                    .find(|(_, session)| session.pid == *process_id);
                found.map_or("?".to_owned(), |(letter, _)| letter.to_string())
            }
            Who::PreparedTransaction { name } if name.starts_with(&self.gid("")) => name.clone(),
            Who::PreparedTransaction { .. } => "?".to_owned(),
            other => panic!("unexpected {other}"),
        }
    }

    /// Returns a unique name of a prepared transaction, because names are valid for the whole
    /// server.
    fn gid(&self, name: &str) -> String {
        format!("{}-{name}", self.observer.pid)
    }

    /// Returns every edge as `B<A`, or `B<~A` when B only queues behind A.
    async fn edges(&self) -> BTreeSet<String> {
        let report = self.report().await;
        let edges = report.edges.iter().map(|edge| {
            let sign = if edge.kind == EdgeKind::Queues {
                "<~"
            } else {
                "<"
            };
            format!(
                "{}{sign}{}",
                self.letter(&edge.waiter),
                self.letter(&edge.blocker)
            )
        });
        edges.collect()
    }

    /// Compares edges, roots and cycles from Rust, from the view, and from the server with the
    /// expected ones.
    async fn expect(&self, edges: &str, roots: &str, cycles: &[&str]) {
        let expected: BTreeSet<String> = edges.split_whitespace().map(str::to_owned).collect();
        assert_eq!(self.edges().await, expected);
        let report = self.report().await;
        let found: BTreeSet<String> = report
            .roots
            .iter()
            .map(|root| self.letter(&root.who))
            .collect();
        assert_eq!(found, roots.split_whitespace().map(str::to_owned).collect());
        let found: Vec<String> = report
            .cycles
            .iter()
            .filter(|cycle| cycle.members.iter().any(|who| self.letter(who) != "?"))
            .map(|cycle| cycle.members.iter().map(|who| self.letter(who)).collect())
            .collect();
        assert_eq!(found, cycles);
        self.expect_the_servers_blockers(&report).await;
        self.expect_the_view(&report).await;
    }

    /// Checks that each waiter has as many blockers as `pg_blocking_pids` names, and those of a
    /// safe snapshot in this database.
    async fn expect_the_servers_blockers(&self, report: &BlockingReport) {
        let sql = "SELECT waiter.pid, (SELECT count(DISTINCT b) FROM unnest(pg_catalog.pg_blocking_pids(waiter.pid)) AS b)
                       + (SELECT count(DISTINCT own.pid) FROM unnest(pg_catalog.pg_safe_snapshot_blocking_pids(waiter.pid)) AS b
                          JOIN pg_catalog.pg_stat_activity AS own ON own.pid = b AND own.datname = current_database())
                   FROM pg_catalog.pg_stat_activity AS waiter
                   WHERE pg_catalog.cardinality(pg_catalog.pg_blocking_pids(waiter.pid)
                       || pg_catalog.pg_safe_snapshot_blocking_pids(waiter.pid)) > 0 AND datname = current_database()";
        let server: BTreeMap<i32, usize> = self
            .observer
            .rows(sql)
            .await
            .iter()
            .map(|row| (row.get(0), usize::try_from(row.get::<_, i64>(1)).unwrap()))
            .collect();
        let ours = report
            .participants
            .iter()
            .filter_map(|participant| match &participant.who {
                Who::Session { process_id } if self.letter(&participant.who) != "?" => {
                    participant.wait.as_ref().map(|wait| match wait.lock {
                        Some(_) => (*process_id, wait.blockers_total),
                        None => {
                            let edges = report.edges.iter();
                            let own = edges.filter(|edge| edge.waiter == participant.who);
                            (*process_id, own.count())
                        }
                    })
                }
                _ => None,
            });
        assert_eq!(ours.collect::<BTreeMap<_, _>>(), server);
    }

    /// Checks that the view's rows are the report's edges.
    async fn expect_the_view(&self, report: &BlockingReport) {
        let sql = "SELECT blocked_pid, blocked_mode, blocking_pid, blocking_prepared, blocking_mode, edge, lock_type,
                relation_schema, relation_name, page, tuple, advisory_key, lock_namespace, lock_identifier, blocking_class, remedy, root_pids,
                cycle_pids, blocked_duration IS NOT NULL AS has_duration, blocked_user, blocking_user, blocking_query
            FROM concurrency.v_lock_analysis";
        let mut view = BTreeSet::new();
        for row in self.observer.rows(sql).await {
            let who = match row.get::<_, Option<String>>("blocking_prepared") {
                Some(name) => Who::PreparedTransaction { name },
                None => Who::Session {
                    process_id: row.get("blocking_pid"),
                },
            };
            let waiter = Who::Session {
                process_id: row.get("blocked_pid"),
            };
            let is_snapshot = row.get::<_, String>("edge") == word(EdgeKind::SafeSnapshot);
            if self.letter(&waiter) == "?" || (is_snapshot && self.letter(&who) == "?") {
                continue;
            }
            assert!(row.get::<_, bool>("has_duration"));
            view.insert(format!(
                "{waiter} {:?} {who} {:?} {} {:?} {:?}.{:?} {:?} {:?} {:?} {:?} {:?} {} {} {:?} {:?} {:?} {:?} {:?}",
                row.get::<_, Option<String>>("blocked_mode"),
                row.get::<_, Option<String>>("blocking_mode").unwrap_or_default(),
                row.get::<_, String>("edge"),
                row.get::<_, Option<String>>("lock_type"),
                row.get::<_, Option<String>>("relation_schema"),
                row.get::<_, Option<String>>("relation_name"),
                row.get::<_, Option<i32>>("page"),
                row.get::<_, Option<i16>>("tuple"),
                row.get::<_, Option<i64>>("advisory_key"),
                row.get::<_, Option<String>>("lock_namespace"),
                row.get::<_, Option<String>>("lock_identifier"),
                row.get::<_, String>("blocking_class"),
                row.get::<_, String>("remedy"),
                self.own_roots(row.get::<_, Vec<i32>>("root_pids")),
                row.get::<_, Vec<i32>>("cycle_pids"),
                row.get::<_, Option<String>>("blocked_user"),
                row.get::<_, Option<String>>("blocking_user"),
                row.get::<_, Option<String>>("blocking_query"),
            ));
        }
        let ours = report.edges.iter().map(|edge| {
            let waiter = report.participant(&edge.waiter).unwrap();
            let blocker = report.participant(&edge.blocker).unwrap();
            let wait = waiter.wait.as_ref().unwrap();
            let lock = wait.lock.as_ref();
            let roots = wait.roots.iter().map(|root| match root {
                Who::Session { process_id } => *process_id,
                Who::PreparedTransaction { .. } => 0,
                other => panic!("pg_blocking_pids has no number for {other}"),
            });
            format!(
                "{} {:?} {} {:?} {} {:?} {:?}.{:?} {:?} {:?} {:?} {:?} {:?} {} {} {:?} {:?} {:?} {:?} {:?}",
                edge.waiter,
                edge.wanted_mode,
                edge.blocker,
                edge.blocking_modes.join(", "),
                word(edge.kind),
                lock.map(|lock| &lock.lock_type),
                lock.and_then(|lock| lock.relation_schema.as_ref()),
                lock.and_then(|lock| lock.relation_name.as_ref()),
                lock.and_then(|lock| lock.page),
                lock.and_then(|lock| lock.tuple),
                lock.and_then(|lock| lock.advisory_key),
                lock.and_then(|lock| lock.lock_namespace.as_ref()),
                lock.and_then(|lock| lock.lock_identifier.as_ref()),
                word(blocker.class),
                blocker.remedy,
                self.own_roots(roots),
                wait.cycle.map_or(Vec::new(), |cycle| {
                    let members = report.cycles[cycle].members.iter();
                    members.filter_map(|who| who.to_string().parse::<i32>().ok()).collect()
                }),
                waiter.username,
                blocker.username,
                blocker.query,
            )
        });
        assert_eq!(ours.collect::<BTreeSet<_>>(), view);
    }

    /// Returns the roots of this scenario; 0 stands for a prepared transaction.
    fn own_roots(&self, roots: impl IntoIterator<Item = i32>) -> BTreeSet<i32> {
        let is_own = |pid: &i32| *pid == 0 || self.sessions.values().any(|one| one.pid == *pid);
        roots.into_iter().filter(is_own).collect()
    }

    /// Returns the class of a blocking session.
    async fn class(&self, letter: char) -> Class {
        let report = self.report().await;
        let who = Who::Session {
            process_id: self.sessions[&letter].pid,
        };
        report.participant(&who).unwrap().class
    }

    /// Returns the cycle that contains a session.
    async fn cycle(&self, letter: char) -> WaitCycle {
        let mut report = self.report().await;
        let who = Who::Session {
            process_id: self.sessions[&letter].pid,
        };
        report.cycles.retain(|cycle| cycle.members.contains(&who));
        report.cycles.remove(0)
    }

    /// Returns `true` if the cycle that contains a session is a certain deadlock.
    async fn is_certain(&self, letter: char) -> bool {
        self.cycle(letter).await.is_certain
    }

    /// Adds readers of the contested table that block no session, idle sessions, and sessions that
    /// hold, wait and lock the same in another database; the report must not change.
    async fn expect_the_same_with_bystanders(&self) {
        let before = self.described().await;
        let reader = Session::open(self.bank.url()).await;
        reader.run("BEGIN; SELECT count(*) FROM public.other").await;
        let rival = Session::open(self.bank.url()).await;
        rival.run("SET lock_timeout = '50ms'").await;
        // Where it would have to wait, it fails and stays in an aborted transaction.
        let _ = rival
            .send("BEGIN; SELECT count(*) FROM public.account")
            .await
            .unwrap();
        let idle = Session::open(self.bank.url()).await;
        let elsewhere = TestBank::on(self.bank.version).await;
        let (holder, waiter) = (
            Session::open(elsewhere.url()).await,
            Session::open(elsewhere.url()).await,
        );
        // The template's tables have the same numbers in both databases.
        holder
            .run("BEGIN; SELECT pg_advisory_xact_lock(1), pg_advisory_xact_lock(42); LOCK TABLE banking.accounts")
            .await;
        waiter
            .wait(
                &self.observer,
                "BEGIN; SELECT pg_advisory_xact_lock(42); SELECT 1",
            )
            .await;
        assert_eq!(self.described().await, before);
        let now = self.report().await;
        let of_bystanders: Vec<_> = now
            .participants
            .iter()
            .filter(|one| {
                [reader.pid, rival.pid, idle.pid]
                    .map(|pid| Who::Session { process_id: pid })
                    .contains(&one.who)
            })
            .collect();
        assert!(of_bystanders.is_empty(), "{of_bystanders:?}");
        self.expect_the_view(&now).await;
        drop((reader, rival, idle, holder, waiter));
    }

    /// Returns the whole report of the scenario but the times: each edge with its locks, each root
    /// with its waiters and its remedy, each cycle.
    async fn described(&self) -> BTreeSet<String> {
        let report = self.report().await;
        let mut described = BTreeSet::new();
        for edge in &report.edges {
            described.insert(format!(
                "{:?} {} {} {:?} {:?}",
                edge.kind, edge.waiter, edge.blocker, edge.wanted_mode, edge.blocking_modes
            ));
        }
        for root in &report.roots {
            let remedy = report.participant(&root.who).map(|one| &one.remedy);
            described.insert(format!(
                "root {} {} {} {remedy:?}",
                root.who, root.waiters_directly, root.waiters_in_all
            ));
        }
        for cycle in &report.cycles {
            if cycle.members.iter().any(|who| self.letter(who) != "?") {
                described.insert(format!("{cycle:?}"));
            }
        }
        described
    }
}

/// Returns the name in JSON and in the view.
fn word(value: impl serde::Serialize) -> String {
    serde_json::to_value(value)
        .unwrap()
        .as_str()
        .unwrap()
        .to_owned()
}
