//! A bank of its own for each test.
//!
//! Both servers start once for the test binary and stop with it. The schema is migrated once into a
//! template. Each test gets a clone of it, and connects as a member of `neobank_app` does in
//! production: with that role's privileges alone.

mod bank;
mod certificates;
mod counting_proxy;
mod cutting_proxy;
mod empty;
mod explain;
mod faulty_proxy;
mod ledgers;
mod locks;
mod pair;
mod pgbouncer;
mod random;
mod server;
mod sharing_proxy;
mod stalling_proxy;
mod standby;

pub(crate) use bank::{GUARDS_OFF, GUARDS_ON, TestBank, czk, migrate};
pub(crate) use certificates::Certificates;
pub(crate) use counting_proxy::CountingProxy;
pub(crate) use cutting_proxy::CuttingProxy;
pub(crate) use empty::EmptyDatabase;
pub(crate) use explain::explain;
pub(crate) use faulty_proxy::FaultyProxy;
pub(crate) use ledgers::{grouped, single, single_with_cache};
pub(crate) use locks::lock_account;
pub(crate) use pair::{Node, pair};
pub(crate) use pgbouncer::{LOOPBACK, Pgbouncer};
pub(crate) use random::Random;
pub(crate) use server::own_server;
pub(crate) use sharing_proxy::SharingProxy;
pub(crate) use stalling_proxy::StallingProxy;
pub(crate) use standby::Standby;

/// Defines a test of each function for PostgreSQL 15 and one for 18. The functions take a
/// [`TestBank`].
macro_rules! on_both_versions {
    ($($test:ident),+ $(,)?) => {
        mod postgres_15 {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    super::$test($crate::harness::TestBank::on(15).await).await;
                }
            )+
        }

        mod postgres_18 {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    super::$test($crate::harness::TestBank::on(18).await).await;
                }
            )+
        }
    };
}

/// As `on_both_versions!`, for functions that take a version and start a server of their own.
macro_rules! on_servers_of_their_own {
    ($($test:ident),* $(,)?) => {
        mod on_postgres_15 {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(15).await;
            })*
        }

        mod on_postgres_18 {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(18).await;
            })*
        }
    };
}

/// As `on_both_versions!`, for functions that take an [`EmptyDatabase`].
macro_rules! on_empty_databases {
    ($($test:ident),+ $(,)?) => {
        mod postgres_15 {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    super::$test($crate::harness::EmptyDatabase::on(15).await).await;
                }
            )+
        }

        mod postgres_18 {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    super::$test($crate::harness::EmptyDatabase::on(18).await).await;
                }
            )+
        }
    };
}
