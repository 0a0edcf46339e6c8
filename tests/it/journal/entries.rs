//! Entries that the journal's owner writes by hand: the triggers accept only consistent ones. The
//! application has no privilege to write any.

use neobank_db::{Executor, statement};
use neobank_domain::accounts::{self, NewAccount};
use neobank_domain::{AccountId, AccountType, Currency, TransferRequest};

use super::assert_rejected;
use crate::harness::{TestBank, czk};

on_both_versions!(
    inconsistent_entries_are_rejected,
    consistent_entries_are_accepted,
    transfer_without_its_entries_cannot_commit,
);

/// Accounts `A` (entries 1 and 2, balance 90) and `B` (entry 1, balance 10).
struct Accounts {
    a: AccountId,
    b: AccountId,
    frozen: AccountId,
    euro: AccountId,
    old_transfer: String,
}

/// A transfer of 5 from `A` to `B` with its two entries, as two statements. Each case changes one
/// part of it.
#[derive(Clone)]
struct Hand {
    amount: &'static str,
    currency: &'static str,
    from: AccountId,
    to: AccountId,
    numbers: [i64; 2],
    entry_numbers: [i64; 2],
    entry_amounts: [&'static str; 2],
    balances: [&'static str; 2],
    types: [&'static str; 2],
    entry_accounts: [AccountId; 2],
    entry_currency: &'static str,
    posted_at: &'static str,
    entry_time: &'static str,
}

impl Hand {
    const fn of(accounts: &Accounts) -> Self {
        Self {
            amount: "5",
            currency: "CZK",
            from: accounts.a,
            to: accounts.b,
            numbers: [3, 2],
            entry_numbers: [3, 2],
            entry_amounts: ["5", "5"],
            balances: ["85", "15"],
            types: ["debit", "credit"],
            entry_accounts: [accounts.a, accounts.b],
            entry_currency: "CZK",
            posted_at: "now()",
            entry_time: "now()",
        }
    }

    fn transfer(&self) -> String {
        format!(
            "INSERT INTO banking.transfers (transfer_id, transfer_type, from_account_id, to_account_id, from_entry_number,
                 to_entry_number, amount, currency_code, posted_at)
             VALUES ('00000000-0000-7000-8000-000000000001', 'transfer', '{}', '{}', {}, {}, {}, '{}', {})",
            self.from, self.to, self.numbers[0], self.numbers[1], self.amount, self.currency, self.posted_at
        )
    }

    fn row(&self, side: usize) -> String {
        format!(
            "(gen_random_uuid(), '00000000-0000-7000-8000-000000000001', '{}', {}, '{}', {}, '{}', {}, {})",
            self.entry_accounts[side],
            self.entry_numbers[side],
            self.types[side],
            self.entry_amounts[side],
            self.entry_currency,
            self.balances[side],
            self.entry_time
        )
    }

    fn sql(&self) -> String {
        format!(
            "{}; {} {}, {}",
            self.transfer(),
            ENTRIES,
            self.row(0),
            self.row(1)
        )
    }
}

const ENTRIES: &str = "INSERT INTO banking.transactions (transaction_id, transfer_id, account_id, entry_number, transaction_type, \
     amount, currency_code, running_balance, transaction_date) VALUES";

async fn accounts(bank: &TestBank) -> Accounts {
    let (a, b) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let receipt = bank
        .ledger
        .transfer(TransferRequest::new(a, b, czk("10")))
        .await
        .unwrap();
    let frozen = bank.account(czk("10")).await;
    accounts::freeze(&bank.database, frozen).await.unwrap();
    let new = NewAccount::new(
        bank.customer().await,
        AccountType::Checking,
        Currency::from_code("EUR").unwrap(),
    );
    let euro = accounts::open(&bank.database, &new)
        .await
        .unwrap()
        .account_id;
    Accounts {
        a,
        b,
        frozen,
        euro,
        old_transfer: receipt.transfer_id.to_string(),
    }
}

async fn inconsistent_entries_are_rejected(bank: TestBank) {
    let accounts = accounts(&bank).await;
    let superuser = bank.superuser().await;
    let base = Hand::of(&accounts);
    let with = |change: &dyn Fn(&mut Hand)| {
        let mut hand = base.clone();
        change(&mut hand);
        hand.sql()
    };
    let single = |side| format!("{}; {ENTRIES} {}", base.transfer(), base.row(side));
    let cases = [
        (
            "unbalanced",
            with(&|h| {
                h.entry_amounts[1] = "6";
                h.balances[1] = "16";
            }),
            "NB001",
        ),
        (
            "both sides of another amount",
            with(&|h| {
                h.entry_amounts = ["6", "6"];
                h.balances = ["84", "16"];
            }),
            "NB001",
        ),
        (
            "the debit without the credit, so in two statements",
            single(0),
            "NB001",
        ),
        ("the credit without the debit", single(1), "NB001"),
        (
            "three entries",
            format!("{}, {}", base.sql(), base.row(1)),
            "23505",
        ),
        (
            "the credit twice",
            format!(
                "{}; {ENTRIES} {}, {}, {}",
                base.transfer(),
                base.row(0),
                base.row(1),
                {
                    let mut h = base.clone();
                    h.entry_numbers[1] = 3;
                    h.balances[1] = "20";
                    h.row(1)
                }
            ),
            "NB001",
        ),
        (
            "two credits",
            with(&|h| {
                h.types = ["credit", "credit"];
                h.balances[0] = "95";
            }),
            "NB001",
        ),
        (
            "the sides exchanged",
            with(&|h| {
                h.types = ["credit", "debit"];
                h.balances = ["95", "5"];
            }),
            "NB001",
        ),
        (
            "on other accounts than the transfer's",
            with(&|h| {
                h.entry_accounts = [accounts.b, accounts.a];
                h.entry_numbers = [2, 3];
                h.balances = ["5", "95"];
            }),
            "NB001",
        ),
        (
            "other numbers than the transfer's",
            with(&|h| h.entry_numbers = [4, 2]),
            "NB001",
        ),
        (
            "a gap",
            with(&|h| {
                h.numbers = [4, 2];
                h.entry_numbers = [4, 2];
            }),
            "NB002",
        ),
        (
            "a number that is taken",
            with(&|h| {
                h.numbers = [2, 2];
                h.entry_numbers = [2, 2];
            }),
            "NB002",
        ),
        (
            "number zero",
            with(&|h| {
                h.numbers = [0, 2];
                h.entry_numbers = [0, 2];
            }),
            "23514",
        ),
        (
            "a wrong running balance",
            with(&|h| h.balances[0] = "86"),
            "NB002",
        ),
        (
            "a wrong running balance of the payee",
            with(&|h| h.balances[1] = "15.01"),
            "NB002",
        ),
        (
            "more than there is",
            with(&|h| {
                h.amount = "91";
                h.entry_amounts = ["91", "91"];
                h.balances = ["-1", "101"];
            }),
            "23514",
        ),
        (
            "more than there is, and back again",
            {
                let first = with(&|h| {
                    h.amount = "91";
                    h.entry_amounts = ["91", "91"];
                    h.balances = ["-1", "101"];
                });
                let back = with(&|h| {
                    (h.from, h.to) = (accounts.b, accounts.a);
                    h.numbers = [3, 4];
                    h.amount = "91";
                    h.entry_amounts = ["91", "91"];
                    h.entry_accounts = [accounts.b, accounts.a];
                    h.entry_numbers = [3, 4];
                    h.balances = ["10", "90"];
                })
                .replace("8000-000000000001", "8000-000000000002");
                let (first_transfer, first_entries) = first.split_once("; ").unwrap();
                let (back_transfer, back_entries) = back.split_once("; ").unwrap();
                let back_rows = back_entries.strip_prefix(ENTRIES).unwrap();
                format!("{first_transfer}; {back_transfer}; {first_entries}, {back_rows}")
            },
            "NB002",
        ),
        (
            "another currency than the transfer's",
            with(&|h| h.entry_currency = "EUR"),
            "NB001",
        ),
        (
            "another currency than the accounts'",
            with(&|h| {
                h.currency = "EUR";
                h.entry_currency = "EUR";
            }),
            "NB002",
        ),
        (
            "to an account in another currency",
            with(&|h| {
                h.to = accounts.euro;
                h.numbers[1] = 1;
                h.entry_accounts[1] = accounts.euro;
                h.entry_numbers[1] = 1;
                h.balances[1] = "5";
            }),
            "NB002",
        ),
        (
            "more decimals than the currency has",
            with(&|h| {
                h.amount = "0.001";
                h.entry_amounts = ["0.001", "0.001"];
                h.balances = ["89.999", "10.001"];
            }),
            "NB002",
        ),
        (
            "to a frozen account",
            with(&|h| {
                h.to = accounts.frozen;
                h.numbers[1] = 2;
                h.entry_accounts[1] = accounts.frozen;
                h.entry_numbers[1] = 2;
                h.balances[1] = "15";
            }),
            "NB002",
        ),
        (
            "from a frozen account",
            with(&|h| {
                h.from = accounts.frozen;
                h.numbers[0] = 2;
                h.entry_accounts[0] = accounts.frozen;
                h.entry_numbers[0] = 2;
                h.balances[0] = "5";
            }),
            "NB002",
        ),
        (
            "back-dated",
            with(&|h| {
                h.posted_at = "timestamptz '2001-01-01'";
                h.entry_time = h.posted_at;
            }),
            "NB002",
        ),
        (
            "in the future",
            with(&|h| {
                h.posted_at = "now() + interval '1 hour'";
                h.entry_time = h.posted_at;
            }),
            "NB002",
        ),
        (
            "at another time than the transfer",
            with(&|h| h.entry_time = "now() + interval '1 microsecond'"),
            "NB001",
        ),
        (
            "to itself",
            {
                let mut h = base.clone();
                h.to = h.from;
                h.transfer()
            },
            "23514",
        ),
        (
            "from an unknown account",
            {
                let mut h = base.clone();
                h.from = AccountId::new();
                h.transfer()
            },
            "23503",
        ),
        (
            "to an unknown account",
            {
                let mut h = base.clone();
                h.to = AccountId::new();
                h.transfer()
            },
            "23503",
        ),
        (
            "a transfer that is not there",
            format!("{ENTRIES} {}, {}", base.row(0), base.row(1)),
            "NB001",
        ),
        (
            "a third entry of an old transfer",
            format!(
                "{ENTRIES} {}",
                base.row(0).replace(
                    "00000000-0000-7000-8000-000000000001",
                    &accounts.old_transfer
                )
            ),
            "NB001",
        ),
        (
            "an old transfer again",
            format!("{ENTRIES} {}, {}", base.row(0), base.row(1)).replace(
                "00000000-0000-7000-8000-000000000001",
                &accounts.old_transfer,
            ),
            "NB001",
        ),
    ];
    for (name, sql, sqlstate) in cases {
        assert_rejected(&bank, &superuser, &format!("/* {name} */ {sql}"), sqlstate).await;
    }
    bank.assert_sound().await;
}

/// The control: the unchanged statements are accepted.
async fn consistent_entries_are_accepted(bank: TestBank) {
    let accounts = accounts(&bank).await;
    let superuser = bank.superuser().await;
    let transaction = superuser.begin().await.unwrap();
    for sql in Hand::of(&accounts).sql().split(';') {
        transaction.execute(statement(sql, [])).await.unwrap();
    }
    transaction.commit().await.unwrap();
    assert_eq!(
        (
            bank.balance(accounts.a).await,
            bank.balance(accounts.b).await
        ),
        (czk("85"), czk("15"))
    );
    bank.assert_sound().await;
}

/// A key without its entries would be answered as posted for ever.
async fn transfer_without_its_entries_cannot_commit(bank: TestBank) {
    let accounts = accounts(&bank).await;
    let hand = Hand::of(&accounts);
    // The attack names them as entries of an older transfer.
    let of_others = hand.transfer().replace(", 3, 2, 5,", ", 2, 1, 10,");
    let superuser = bank.superuser().await;
    for sql in [hand.transfer(), of_others] {
        assert_rejected(&bank, &bank.database, &sql, "42501").await;
        let before = bank.fingerprint().await;
        let transaction = superuser.begin().await.unwrap();
        transaction.execute(statement(&sql, [])).await.unwrap();
        let error = transaction.commit().await.unwrap_err();
        assert!(format!("{error:?}").contains("NB001"), "{error:?}");
        assert_eq!(bank.fingerprint().await, before);
    }
    // The deferred check leaves no rows behind.
    let transaction = superuser.begin().await.unwrap();
    for sql in hand.sql().split(';') {
        transaction.execute(statement(sql, [])).await.unwrap();
    }
    transaction.commit().await.unwrap();
    let left = "SELECT count(*) FROM banking.unfinished_transfers";
    let left: i64 = superuser.fetch_value(statement(left, [])).await.unwrap();
    assert_eq!(left, 0);
    bank.assert_sound().await;
}
