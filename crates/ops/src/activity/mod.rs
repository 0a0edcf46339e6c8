//! Activity of the server: transactions, statements and buffers.

mod cache;
mod statements;
mod transactions;

pub use cache::{CacheRow, statement as cache_hits_statement};
pub use statements::{
    STATEMENTS_MAX, StatementRow, StatementTotalsRow, schema_statement,
    statement as slow_statements_statement, totals_statement as statement_totals_statement,
};
pub use transactions::{
    TRANSACTIONS_MAX, TransactionRow, TransactionTotalsRow,
    statement as long_transactions_statement, totals_statement as transaction_totals_statement,
};
