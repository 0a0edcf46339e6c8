//! `neobank report` on live servers.

use std::time::Duration;

use neobank_cli::report::page;
use neobank_db::{DatabaseConfig, Executor, statement};
use neobank_ops::{Monitor, MonitorLimits, Thresholds};

use crate::harness::{EmptyDatabase, TestBank};

mod of_a_bank {
    use super::*;

    on_both_versions!(every_part_is_answered);

    async fn every_part_is_answered(bank: TestBank) {
        let page = page_of(bank.url()).await;
        for part in [
            "connections",
            "health",
            "pools",
            "blocking",
            "deadlocks",
            "transactions",
            "idle",
            "cache",
            "table-bloat",
            "index-bloat",
            "indexes",
            "wraparound",
            "horizon",
        ] {
            let start = page
                .find(&format!("<section id=\"{part}\">"))
                .unwrap_or_else(|| panic!("{part}"));
            let section = page[start..].split("</section>").next().unwrap();
            assert!(!section.contains("n/a:"), "{section}");
        }
    }
}

mod of_strangers {
    use super::*;

    on_empty_databases!(hostile_names_stay_texts, what_is_missing_says_why);

    async fn hostile_names_stay_texts(database: EmptyDatabase) {
        let superuser = database.superuser().await;
        let name = "</td></script><script>alert(1)</script>\"'&";
        let quoted = name.replace('"', "\"\"");
        for sql in [
            format!("CREATE TABLE public.\"{quoted}\" AS SELECT generate_series(1, 5000) AS id"),
            format!("CREATE INDEX \"{quoted} index\" ON public.\"{quoted}\" (id)"),
            format!("ANALYZE public.\"{quoted}\""),
        ] {
            superuser.execute(statement(&sql, [])).await.unwrap();
        }
        let page = page_of(&database.url).await;
        assert!(!page.contains("<script"));
        assert!(page.contains("&lt;script&gt;alert(1)"), "{page}");
    }

    async fn what_is_missing_says_why(database: EmptyDatabase) {
        let page = page_of(&database.url).await;
        assert!(page.contains("Not answered"));
        assert!(page.contains("n/a: the extension pg_stat_statements is not installed"));
        assert!(page.contains("n/a: relation &quot;concurrency.deadlock_log&quot; does not exist"));
    }
}

async fn page_of(url: &str) -> String {
    let config = DatabaseConfig::from_url(url).unwrap();
    let limits = MonitorLimits::default()
        .with_statement_timeout(Duration::from_secs(60))
        .with_lock_timeout(Duration::from_secs(30));
    let monitor = Monitor::connect(config, limits).await.unwrap();
    page(&monitor, &Thresholds::default()).await.unwrap()
}
