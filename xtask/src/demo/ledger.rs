//! The balances of the whole ledger.

use neobank_db::{Database, Executor, FromRow, statement};
use neobank_domain::audit;
use rust_decimal::Decimal;

use super::heading;

#[derive(FromRow)]
struct Sum {
    what: String,
    accounts: i64,
    balance: Decimal,
}

/// Shows that the accounts of customers and those of the bank itself sum to zero.
pub(super) async fn show(database: &Database) -> anyhow::Result<()> {
    heading("The ledger");
    let sql =
        "SELECT CASE account_type WHEN 'system' THEN account_number ELSE 'customers' END AS what,
                      count(*) AS accounts, sum(current_balance) AS balance
         FROM banking.accounts GROUP BY 1 HAVING sum(current_balance) <> 0 ORDER BY 1 DESC";
    let sums: Vec<Sum> = database.fetch_many(statement(sql, [])).await?;
    let mut total = Decimal::ZERO;
    for sum in sums {
        println!(
            "  {:24} {:>6} accounts {:>18} CZK",
            sum.what, sum.accounts, sum.balance
        );
        total += sum.balance;
    }
    println!("  {:24} {:>15} {:>18} CZK", "together", "", total);
    audit(database).await?;
    Ok(())
}

/// Runs the auditor and returns the number of violations.
pub(super) async fn audit(database: &Database) -> anyhow::Result<usize> {
    let violations = audit::violations(database).await?;
    match violations.len() {
        0 => println!("  the auditor found no violation of any invariant"),
        count => println!("  THE AUDITOR FOUND {count} BREACHES"),
    }
    for violation in violations.iter().take(10) {
        println!(
            "  {}: {}: {}",
            violation.check_name, violation.subject, violation.detail
        );
    }
    Ok(violations.len())
}
