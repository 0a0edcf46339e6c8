//! The numbers of accounts, for people, who do not know the identifiers.

use neobank_db::Executor;
use neobank_domain::AccountId;
use neobank_domain::accounts::{self, Account};

/// Account numbers by the accounts' identifiers.
#[derive(Debug)]
pub(super) struct Numbers(Vec<(AccountId, String)>);

impl Numbers {
    /// Returns the numbers of accounts, some of which are known already. The command has changed
    /// something before, so a number that cannot be read is omitted.
    pub(super) async fn of(
        on: &impl Executor,
        known: &[Account],
        accounts: impl IntoIterator<Item = AccountId>,
    ) -> Self {
        let mut numbers = Self(Vec::new());
        for account in known {
            numbers.add(account);
        }
        for account in accounts {
            if numbers.number(account).is_none()
                && let Ok(Some(found)) = accounts::find(on, account).await
            {
                numbers.add(&found);
            }
        }
        numbers
    }

    /// Returns the number of an account.
    pub(super) fn number(&self, account: AccountId) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| *known == account);
        found.map(|(_, number)| number.as_str())
    }

    /// Returns the text that shows an account.
    pub(super) fn shown(&self, account: AccountId) -> String {
        match self.number(account) {
            Some(number) => format!("{number} ({account})"),
            None => account.to_string(),
        }
    }

    /// Returns the number of an account, or its identifier.
    pub(super) fn short(&self, account: AccountId) -> String {
        let number = self.number(account).map(str::to_owned);
        number.unwrap_or_else(|| account.to_string())
    }

    fn add(&mut self, account: &Account) {
        self.0
            .push((account.account_id, account.account_number.clone()));
    }
}
