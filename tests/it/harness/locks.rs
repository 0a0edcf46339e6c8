//! Locks of another session.

use neobank_db::{Executor, Transaction, statement};
use neobank_domain::AccountId;

/// Locks an account's row until the transaction ends.
pub(crate) async fn lock_account(transaction: &Transaction, account: AccountId) {
    let sql = "SELECT FROM banking.accounts WHERE account_id = $1 FOR UPDATE";
    transaction
        .execute(statement(sql, [account.as_uuid().into()]))
        .await
        .unwrap();
}
