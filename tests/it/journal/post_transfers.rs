//! `banking.post_transfers()`, called by hand with the application's role: it accepts only
//! consistent calls.

use neobank_db::{Database, Executor, statement};
use neobank_domain::accounts::limits::{self, AccountLimit, Window};
use neobank_domain::accounts::{self, NewAccount};
use neobank_domain::ledger::EntryType;
use neobank_domain::{AccountId, AccountType, Currency, TransferRequest};

use super::assert_rejected;
use crate::harness::{TestBank, czk, single_with_cache};

on_both_versions!(
    inconsistent_call_is_rejected,
    consistent_call_is_posted,
    posting_setting_gives_no_other_privilege,
    role_without_the_privilege_cannot_post,
    optimistic_call_is_posted_only_while_its_preconditions_hold,
    optimistic_call_uses_the_servers_time_and_never_waits,
    waiting_call_is_validated_against_the_committed_row,
    single_transfer_is_validated_like_a_batch,
    arrays_of_different_lengths_are_rejected,
    attributes_that_contradict_their_transfer_are_rejected,
    successor_waits_for_its_predecessor,
    successor_of_a_missing_predecessor_leaves_nothing,
    successor_of_a_replaced_predecessor_is_rejected,
    foreign_advisory_locks_block_no_call,
    cancelled_wait_leaves_no_lock,
    database_settings_do_not_change_plans_or_names,
    internal_functions_are_for_their_owner_alone,
    pipelined_call_is_posted_only_while_its_preconditions_hold,
    call_above_a_limit_is_rejected,
);

/// The arguments of a consistent call: 5 from `A` to `B`, then 7 back. Each case changes some of
/// them.
#[derive(Clone)]
struct Call(Vec<(&'static str, String)>);

impl Call {
    fn of(a: AccountId, b: AccountId) -> Self {
        let ids = |last: [u8; 2]| {
            let [first, second] =
                last.map(|last| format!("00000000-0000-7000-8000-0000000000{last:02x}"));
            format!("'{{{first},{second}}}'")
        };
        Self(vec![
            ("p_transfer_id", ids([1, 2])),
            ("p_transfer_type", "'{transfer,transfer}'".to_owned()),
            ("p_amount", "'{5,7}'".to_owned()),
            ("p_currency_code", "'{CZK,CZK}'".to_owned()),
            ("p_description", "'{\"\",\"\"}'".to_owned()),
            ("p_idempotency_key", "'{NULL,NULL}'".to_owned()),
            ("p_request_hash", "'{NULL,NULL}'".to_owned()),
            ("p_posted_at", "ARRAY[now(), now()]".to_owned()),
            ("p_from_account_id", format!("'{{{a},{b}}}'")),
            ("p_from_entry_number", "'{3,3}'".to_owned()),
            ("p_from_balance", "'{85,8}'".to_owned()),
            ("p_debit_id", ids([3, 4])),
            ("p_debit_description", "'{\"\",\"\"}'".to_owned()),
            ("p_to_account_id", format!("'{{{b},{a}}}'")),
            ("p_to_entry_number", "'{2,4}'".to_owned()),
            ("p_to_balance", "'{15,92}'".to_owned()),
            ("p_credit_id", ids([5, 6])),
            ("p_credit_description", "'{\"\",\"\"}'".to_owned()),
        ])
    }

    /// Returns the call with only the first transfer, for which the function has a shorter path.
    fn first(&self) -> Self {
        let first = |value: &String| {
            let inner = value.trim_start_matches("'{").trim_end_matches("}'");
            match inner.split_once(',') {
                Some((first, _)) if inner.len() < value.len() => format!("'{{{first}}}'"),
                _ => "ARRAY[now()]".to_owned(),
            }
        };
        Self(
            self.0
                .iter()
                .map(|(name, value)| (*name, first(value)))
                .collect(),
        )
    }

    fn with(&self, changes: &[(&str, &str)]) -> String {
        let mut call = self.clone();
        for (name, value) in changes {
            let argument = call.0.iter_mut().find(|(argument, _)| argument == name);
            argument.unwrap().1 = (*value).to_owned();
        }
        call.sql()
    }

    /// Returns the optimistic call: decided without locks, and posted only under preconditions.
    fn optimistic(&self, preconditions: &str) -> String {
        self.without_locks("post_transfers_optimistic", preconditions)
    }

    /// Returns the call of a successor of [`Call::of`], whose batch lock is 77.
    fn pipelined(&self, preconditions: &str) -> String {
        let predecessor = "p_predecessor_batch_lock => 77, \
             p_predecessor_transfer_id => '00000000-0000-7000-8000-000000000001'";
        let all = match preconditions {
            "" => predecessor.to_owned(),
            some => format!("{predecessor}, {some}"),
        };
        self.without_locks("post_transfers_pipelined", &all)
    }

    fn without_locks(&self, function: &str, preconditions: &str) -> String {
        let call = self.with(&[("p_posted_at", "'{2000-01-01,2000-01-01}'")]);
        let arguments = match preconditions {
            "" => String::new(),
            some => format!("{some}, "),
        };
        call.replace("post_transfers(", &format!("{function}({arguments}"))
    }

    fn sql(&self) -> String {
        let arguments: Vec<_> = self
            .0
            .iter()
            .map(|(name, value)| format!("{name} => {value}"))
            .collect();
        format!("SELECT banking.post_transfers({})", arguments.join(", "))
    }
}

/// Opens `A` with the entries 1 and 2 and a balance of 90, and `B` with entry 1 and a balance of
/// 10.
async fn two_accounts(bank: &TestBank) -> (AccountId, AccountId) {
    let (a, b) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let request = TransferRequest::new(a, b, czk("10"));
    bank.ledger.transfer(request).await.unwrap();
    (a, b)
}

async fn inconsistent_call_is_rejected(bank: TestBank) {
    let (a, b) = two_accounts(&bank).await;
    let superuser = bank.superuser().await;
    let frozen = bank.account(czk("10")).await;
    accounts::freeze(&bank.database, frozen).await.unwrap();
    let euro = Currency::from_code("EUR").unwrap();
    let new = NewAccount::new(bank.customer().await, AccountType::Checking, euro);
    let euro = accounts::open(&bank.database, &new).await.unwrap();
    let call = Call::of(a, b);
    let both = |first: AccountId, second: AccountId| format!("'{{{first},{second}}}'");
    let cases: Vec<(&str, String, &str)> = vec![
        (
            "a gap",
            call.with(&[
                ("p_from_entry_number", "'{4,3}'"),
                ("p_to_entry_number", "'{2,5}'"),
            ]),
            "NB002",
        ),
        (
            "a gap inside",
            call.with(&[("p_to_entry_number", "'{2,5}'")]),
            "NB002",
        ),
        (
            "a number twice",
            call.with(&[("p_to_entry_number", "'{2,3}'")]),
            "NB002",
        ),
        (
            "a number that is taken",
            call.with(&[
                ("p_from_entry_number", "'{2,3}'"),
                ("p_to_entry_number", "'{2,3}'"),
            ]),
            "NB002",
        ),
        (
            "number zero",
            call.with(&[("p_from_entry_number", "'{0,3}'")]),
            "NB002",
        ),
        (
            "a wrong balance at the end",
            call.with(&[("p_to_balance", "'{15,93}'")]),
            "NB002",
        ),
        (
            "a wrong balance in between",
            call.with(&[("p_from_balance", "'{86,8}'")]),
            "NB002",
        ),
        (
            "a wrong balance of the payee",
            call.with(&[("p_to_balance", "'{15.01,92}'")]),
            "NB002",
        ),
        (
            "balances that are off by the same",
            call.with(&[
                ("p_from_balance", "'{86,8}'"),
                ("p_to_balance", "'{15,93}'"),
            ]),
            "NB002",
        ),
        (
            "another amount",
            call.with(&[("p_amount", "'{6,7}'")]),
            "NB002",
        ),
        (
            "more than there is",
            call.with(&[
                ("p_amount", "'{91,7}'"),
                ("p_from_balance", "'{-1,94}'"),
                ("p_to_balance", "'{101,6}'"),
            ]),
            "NB002",
        ),
        (
            "an amount of zero",
            call.with(&[("p_amount", "'{0,7}'")]),
            "NB002",
        ),
        (
            "an amount below zero",
            call.with(&[("p_amount", "'{-5,7}'")]),
            "NB002",
        ),
        (
            "not a number",
            call.with(&[("p_amount", "'{NaN,7}'")]),
            "NB002",
        ),
        (
            "no amount",
            call.with(&[("p_amount", "'{NULL,7}'")]),
            "NB002",
        ),
        (
            "an amount too few",
            call.with(&[("p_amount", "'{5}'")]),
            "NB002",
        ),
        (
            "no balance",
            call.with(&[("p_to_balance", "'{15,NULL}'")]),
            "NB002",
        ),
        (
            "a transfer too many",
            call.with(&[("p_posted_at", "ARRAY[now(), now(), now()]")]),
            "NB002",
        ),
        (
            "another currency",
            call.with(&[("p_currency_code", "'{EUR,CZK}'")]),
            "NB002",
        ),
        (
            "both in another currency",
            call.with(&[("p_currency_code", "'{EUR,EUR}'")]),
            "NB002",
        ),
        (
            "more decimals than the currency has",
            call.with(&[
                ("p_amount", "'{5.001,7.001}'"),
                ("p_from_balance", "'{84.999,8}'"),
                ("p_to_balance", "'{15.001,92}'"),
            ]),
            "NB002",
        ),
        (
            "to an account in another currency",
            call.with(&[
                ("p_to_account_id", &both(euro.account_id, a)),
                ("p_to_entry_number", "'{1,4}'"),
                ("p_to_balance", "'{5,92}'"),
                ("p_from_entry_number", "'{3,2}'"),
                ("p_from_balance", "'{85,3}'"),
            ]),
            "NB002",
        ),
        (
            "to a frozen account",
            call.with(&[
                ("p_to_account_id", &both(frozen, a)),
                ("p_from_entry_number", "'{3,2}'"),
                ("p_from_balance", "'{85,3}'"),
            ]),
            "NB002",
        ),
        (
            "from a frozen account",
            call.with(&[
                ("p_from_account_id", &both(frozen, b)),
                ("p_from_entry_number", "'{2,3}'"),
                ("p_from_balance", "'{5,8}'"),
                ("p_to_entry_number", "'{2,3}'"),
                ("p_to_balance", "'{15,97}'"),
            ]),
            "NB002",
        ),
        (
            "from an unknown account",
            call.with(&[
                ("p_from_account_id", &both(AccountId::new(), b)),
                ("p_from_entry_number", "'{1,3}'"),
            ]),
            "NB002",
        ),
        (
            "to an unknown account",
            call.with(&[("p_to_account_id", &both(AccountId::new(), a))]),
            "NB002",
        ),
        (
            "to itself",
            call.with(&[("p_to_account_id", &both(a, a))]),
            "NB002",
        ),
        (
            "back-dated",
            call.with(&[("p_posted_at", "ARRAY[timestamptz '2001-01-01', now()]")]),
            "NB002",
        ),
        (
            "back-dated behind the other",
            call.with(&[(
                "p_posted_at",
                "ARRAY[now(), now() - interval '1 microsecond']",
            )]),
            "NB002",
        ),
        (
            "in the future",
            call.with(&[("p_posted_at", "ARRAY[now(), now() + interval '1 hour']")]),
            "NB002",
        ),
        (
            "at infinity",
            call.with(&[("p_posted_at", "ARRAY[now(), timestamptz 'infinity']")]),
            "NB002",
        ),
        (
            "an unknown kind",
            call.with(&[("p_transfer_type", "'{gift,transfer}'")]),
            "23514",
        ),
        (
            "a key without a hash",
            call.with(&[("p_idempotency_key", "'{k,NULL}'")]),
            "23514",
        ),
        (
            "a key twice",
            call.with(&[
                ("p_idempotency_key", "'{k,k}'"),
                ("p_request_hash", "ARRAY[sha256(''), sha256('')]"),
            ]),
            "23505",
        ),
        (
            "a transfer's identifier twice",
            call.with(&[(
                "p_transfer_id",
                "'{00000000-0000-7000-8000-000000000001,00000000-0000-7000-8000-000000000001}'",
            )]),
            "23505",
        ),
        (
            "a description that is too long",
            call.with(&[("p_description", "ARRAY[repeat('x', 501), '']")]),
            "23514",
        ),
    ];
    for (name, sql, sqlstate) in cases {
        for database in [&bank.database, &superuser] {
            assert_rejected(&bank, database, &format!("/* {name} */ {sql}"), sqlstate).await;
        }
    }
    bank.assert_sound().await;
}

/// The control: the unchanged call is posted, and so is an empty one.
async fn consistent_call_is_posted(bank: TestBank) {
    let (a, b) = two_accounts(&bank).await;
    let transaction = bank.database.begin().await.unwrap();
    let call = Call::of(a, b).sql();
    transaction.execute(statement(&call, [])).await.unwrap();
    let empty: Vec<_> = Call::of(a, b).0;
    let empty = Call(
        empty
            .into_iter()
            .map(|(name, _)| (name, "'{}'".to_owned()))
            .collect(),
    );
    transaction
        .execute(statement(&empty.sql(), []))
        .await
        .unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(
        (bank.balance(a).await, bank.balance(b).await),
        (czk("92"), czk("8"))
    );
    bank.assert_sound().await;
}

/// The application can set the setting that lets the triggers skip a check. It still has no
/// privilege to write into the journal.
async fn posting_setting_gives_no_other_privilege(bank: TestBank) {
    let (a, b) = two_accounts(&bank).await;
    let transfer = format!(
        "SET LOCAL neobank.posting = 'on';
         INSERT INTO banking.transfers (transfer_id, transfer_type, from_account_id, to_account_id, from_entry_number,
             to_entry_number, amount, currency_code, posted_at)
         VALUES ('00000000-0000-7000-8000-000000000001', 'transfer', '{a}', '{b}', 3, 2, 5, 'CZK', now())"
    );
    assert_rejected(&bank, &bank.database, &transfer, "42501").await;
    let balance = format!(
        "SET LOCAL neobank.posting = 'on';
         UPDATE banking.accounts SET current_balance = 1000 WHERE account_id = '{a}'"
    );
    assert_rejected(&bank, &bank.database, &balance, "42501").await;
    // The audit reports a role that was granted this privilege.
    let superuser = bank.superuser().await;
    let grant = "GRANT UPDATE (current_balance) ON banking.accounts TO neobank_app";
    superuser.execute(statement(grant, [])).await.unwrap();
    let violations = neobank_domain::audit::violations(&superuser).await.unwrap();
    assert_eq!(violations.len(), 1, "{violations:?}");
    let revoke = "REVOKE UPDATE (current_balance) ON banking.accounts FROM neobank_app";
    superuser.execute(statement(revoke, [])).await.unwrap();
    bank.assert_sound().await;
}

async fn role_without_the_privilege_cannot_post(bank: TestBank) {
    let (a, b) = two_accounts(&bank).await;
    let mut config = bank.config();
    config.role = Some("neobank_read".to_owned());
    let reader = Database::connect(config).await.unwrap();
    assert_rejected(&bank, &reader, &Call::of(a, b).sql(), "42501").await;
}

async fn optimistic_call_is_posted_only_while_its_preconditions_hold(bank: TestBank) {
    let (a, b) = two_accounts(&bank).await;
    let other = bank.account(czk("4")).await;
    let used = TransferRequest::new(other, bank.account(czk("0")).await, czk("1"));
    bank.ledger
        .transfer(used.with_idempotency_key("used"))
        .await
        .unwrap();
    let version = async |account| bank.find(account).await.version;
    let (of_a, of_other) = (version(a).await, version(other).await);
    let call = Call::of(a, b);
    let fence = format!("p_fence_account_id => '{a}', p_fence_version => ");
    let of_b = version(b).await;
    // The read set after the call's own postings: two entries on `b`, which then has a balance of
    // 8.
    let read_set = |versions: &str, balances: &str, held: &str, limits: &str, statuses: &str| {
        format!(
            "p_read_set_account_id => '{{{other},{b}}}', p_read_set_version => {versions}, \
             p_read_set_balance => '{balances}', p_read_set_held => '{held}', \
             p_read_set_limit => '{limits}', p_read_set_status => '{statuses}'"
        )
    };
    let versions = format!("'{{{of_other},{}}}'", of_b + 2);
    let expected = read_set(&versions, "{3,8}", "{0,0}", "{0,0}", "{active,active}");
    let changed = |one: String| format!("{fence} {of_a}, {one}");
    for conditions in [
        format!("{fence} {}", of_a - 1),
        format!("{fence} {}", of_a + 1),
        format!("{fence} NULL"),
        changed(expected.replace(&versions, &format!("'{{{},{}}}'", of_other + 1, of_b + 2))),
        changed(expected.replace(&versions, &format!("'{{{of_other},{of_b}}}'"))),
        changed(expected.replace(&versions, &format!("'{{{of_other}}}'"))),
        changed(expected.replace(&versions, "NULL")),
        // The expected version with an unexpected balance, held amount, limit or status.
        changed(read_set(
            &versions,
            "{2,8}",
            "{0,0}",
            "{0,0}",
            "{active,active}",
        )),
        changed(read_set(
            &versions,
            "{3,15}",
            "{0,0}",
            "{0,0}",
            "{active,active}",
        )),
        changed(read_set(
            &versions,
            "{3,8}",
            "{1,0}",
            "{0,0}",
            "{active,active}",
        )),
        changed(read_set(
            &versions,
            "{3,8}",
            "{0,0}",
            "{5,0}",
            "{active,active}",
        )),
        changed(read_set(
            &versions,
            "{3,8}",
            "{0,0}",
            "{NULL,0}",
            "{active,active}",
        )),
        changed(read_set(
            &versions,
            "{3,8}",
            "{0,0}",
            "{0,0}",
            "{frozen,active}",
        )),
        changed(read_set(
            &versions,
            "{3}",
            "{0,0}",
            "{0,0}",
            "{active,active}",
        )),
        // An idempotency key that has a transfer.
        changed(format!("{expected}, p_unused_key => '{{unused,used}}'")),
        changed("p_unused_key => '{used}'".to_owned()),
    ] {
        let sql = call.optimistic(&conditions);
        assert_rejected(&bank, &bank.database, &sql, "NB002").await;
    }
    // A change of nothing but the version rejects the call, now and in every later attempt.
    let touch = format!(
        "UPDATE banking.accounts SET overdraft_limit = overdraft_limit WHERE account_id = '{a}'"
    );
    bank.database.execute(statement(&touch, [])).await.unwrap();
    let late = call.optimistic(&format!("{fence} {of_a}"));
    assert_rejected(&bank, &bank.database, &late, "NB002").await;
    let of_a = version(a).await;
    let right = call.optimistic(&format!(
        "{fence} {of_a}, {expected}, p_unused_key => '{{unused}}'"
    ));
    bank.database.execute(statement(&right, [])).await.unwrap();
    assert_eq!(bank.balance(a).await, czk("92"));
    bank.assert_sound().await;
}

async fn optimistic_call_uses_the_servers_time_and_never_waits(bank: TestBank) {
    let (a, b) = two_accounts(&bank).await;
    let call = Call::of(a, b).optimistic("");
    let holder = bank.database.begin().await.unwrap();
    let lock = format!("SELECT FROM banking.accounts WHERE account_id = '{b}' FOR NO KEY UPDATE");
    holder.execute(statement(&lock, [])).await.unwrap();
    assert_rejected(&bank, &bank.database, &call, "55P03").await;
    holder.rollback().await.unwrap();

    let transaction = bank.database.begin().await.unwrap();
    let setting = "SELECT current_setting('lock_timeout')";
    let before: String = transaction
        .fetch_value(statement(setting, []))
        .await
        .unwrap();
    let posted_at: chrono::DateTime<chrono::Utc> =
        transaction.fetch_value(statement(&call, [])).await.unwrap();
    let after: String = transaction
        .fetch_value(statement(setting, []))
        .await
        .unwrap();
    assert_eq!(before, after);
    transaction.commit().await.unwrap();
    let there = bank
        .count(&format!(
            "banking.transactions WHERE transaction_date = '{}'",
            posted_at.to_rfc3339()
        ))
        .await;
    assert_eq!(there, 4);
    bank.assert_sound().await;
}

/// The function validates balances against the row under its lock, not against the statement's
/// snapshot.
async fn waiting_call_is_validated_against_the_committed_row(bank: TestBank) {
    for commits in [true, false] {
        let (a, b) = two_accounts(&bank).await;
        let first = bank.database.begin().await.unwrap();
        let moved = TransferRequest::new(a, b, czk("1"));
        let mut first = first;
        bank.ledger.transfer_in(&mut first, moved).await.unwrap();
        let call = Call::of(a, b).sql().replace(
            "00000000-0000-7000-8000",
            &format!("00000000-0000-7000-8{:03}", u8::from(commits)),
        );
        let database = bank.database.clone();
        let second = tokio::spawn(async move { database.execute(statement(&call, [])).await });
        let waits =
            "pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        let superuser = bank.superuser().await;
        while superuser
            .fetch_value::<i64>(statement(&format!("SELECT count(*) FROM {waits}"), []))
            .await
            .unwrap()
            == 0
        {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        if commits {
            first.commit().await.unwrap();
        } else {
            first.rollback().await.unwrap();
        }
        let outcome = second.await.unwrap();
        if commits {
            let error = outcome.unwrap_err();
            assert_eq!(error.server().unwrap().sqlstate, "NB002");
            assert_eq!(bank.balance(a).await, czk("89"));
        } else {
            outcome.unwrap();
            assert_eq!(bank.balance(a).await, czk("92"));
        }
        bank.assert_sound().await;
    }
}

async fn single_transfer_is_validated_like_a_batch(bank: TestBank) {
    let (a, b) = two_accounts(&bank).await;
    let frozen = bank.account(czk("10")).await;
    accounts::freeze(&bank.database, frozen).await.unwrap();
    let call = Call::of(a, b).first();
    let unknown = AccountId::new();
    let to = |account: AccountId| format!("'{{{account}}}'");
    let version = bank.find(a).await.version;
    let fence = format!("p_fence_account_id => '{a}', p_fence_version => ");
    let fenced = |version: i64| {
        let call = call.with(&[("p_posted_at", "'{2000-01-01}'")]);
        call.replace(
            "post_transfers(",
            &format!("post_transfers_optimistic({fence} {version}, "),
        )
    };
    let cases = [
        (
            "a gap",
            call.with(&[("p_from_entry_number", "'{4}'")]),
            "NB002",
        ),
        (
            "a gap of the payee",
            call.with(&[("p_to_entry_number", "'{3}'")]),
            "NB002",
        ),
        (
            "a wrong balance",
            call.with(&[("p_from_balance", "'{84}'")]),
            "NB002",
        ),
        (
            "a wrong balance of the payee",
            call.with(&[("p_to_balance", "'{16}'")]),
            "NB002",
        ),
        (
            "another amount",
            call.with(&[("p_amount", "'{6}'")]),
            "NB002",
        ),
        ("no amount", call.with(&[("p_amount", "'{NULL}'")]), "NB002"),
        (
            "not a number",
            call.with(&[("p_amount", "'{NaN}'")]),
            "NB002",
        ),
        (
            "nothing moves",
            call.with(&[
                ("p_amount", "'{0}'"),
                ("p_from_balance", "'{90}'"),
                ("p_to_balance", "'{10}'"),
            ]),
            "23514",
        ),
        (
            "backwards",
            call.with(&[
                ("p_amount", "'{-5}'"),
                ("p_from_balance", "'{95}'"),
                ("p_to_balance", "'{5}'"),
            ]),
            "23514",
        ),
        (
            "more than there is",
            call.with(&[
                ("p_amount", "'{91}'"),
                ("p_from_balance", "'{-1}'"),
                ("p_to_balance", "'{101}'"),
            ]),
            "23514",
        ),
        (
            "more decimals than the currency has",
            call.with(&[
                ("p_amount", "'{5.001}'"),
                ("p_from_balance", "'{84.999}'"),
                ("p_to_balance", "'{15.001}'"),
            ]),
            "NB002",
        ),
        (
            "another currency",
            call.with(&[("p_currency_code", "'{EUR}'")]),
            "NB002",
        ),
        (
            "from an unknown account",
            call.with(&[("p_from_account_id", &to(unknown))]),
            "NB002",
        ),
        (
            "to an unknown account",
            call.with(&[("p_to_account_id", &to(unknown))]),
            "NB002",
        ),
        (
            "to one that is frozen",
            call.with(&[("p_to_account_id", &to(frozen)), ("p_to_balance", "'{15}'")]),
            "NB002",
        ),
        (
            "to itself",
            call.with(&[
                ("p_to_account_id", &to(a)),
                ("p_to_entry_number", "'{4}'"),
                ("p_to_balance", "'{90}'"),
            ]),
            "NB002",
        ),
        (
            "before the last entry",
            call.with(&[("p_posted_at", "'{2001-01-01}'")]),
            "NB002",
        ),
        (
            "in the future",
            call.with(&[("p_posted_at", "ARRAY[now() + interval '1 day']")]),
            "NB002",
        ),
        (
            "no time",
            call.with(&[("p_posted_at", "'{NULL}'")]),
            "NB002",
        ),
        (
            "an unknown kind",
            call.with(&[("p_transfer_type", "'{gift}'")]),
            "23514",
        ),
        (
            "a balance too many",
            call.with(&[("p_to_balance", "'{15,15}'")]),
            "NB002",
        ),
        (
            "a time too many",
            call.with(&[("p_posted_at", "ARRAY[now(), now()]")]),
            "NB002",
        ),
        (
            "a key too many",
            call.with(&[("p_idempotency_key", "'{NULL,x}'")]),
            "NB002",
        ),
        ("a fence that has moved", fenced(version + 1), "NB002"),
    ];
    let superuser = bank.superuser().await;
    for (name, sql, sqlstate) in cases {
        for database in [&bank.database, &superuser] {
            assert_rejected(&bank, database, &format!("/* {name} */ {sql}"), sqlstate).await;
        }
    }
    // The control: the unchanged call is posted.
    let right = fenced(version);
    bank.database.execute(statement(&right, [])).await.unwrap();
    assert_eq!(
        (bank.balance(a).await, bank.balance(b).await),
        (czk("85"), czk("15"))
    );
    bank.assert_sound().await;
}

async fn arrays_of_different_lengths_are_rejected(bank: TestBank) {
    let (a, b) = two_accounts(&bank).await;
    for call in [Call::of(a, b), Call::of(a, b).first()] {
        for (name, value) in &call.0 {
            let longer = match value.trim_start_matches("'{").trim_end_matches("}'") {
                inner if inner.len() < value.len() => format!("'{{{inner},NULL}}'"),
                _ => "ARRAY[now(), now(), now()]".to_owned(),
            };
            for other in [longer.as_str(), "'{}'", "NULL"] {
                let sql = format!("/* {name} */ {}", call.with(&[(name, other)]));
                assert_rejected(&bank, &bank.database, &sql, "NB002").await;
            }
        }
    }
    bank.assert_sound().await;
}

/// Returns a call that is consistent after [`Call::of`].
fn next(a: AccountId, b: AccountId) -> Call {
    let mut call = Call::of(a, b);
    for (name, value) in &mut call.0 {
        match *name {
            "p_from_entry_number" => "'{5,5}'".clone_into(value),
            "p_from_balance" => "'{87,6}'".clone_into(value),
            "p_to_entry_number" => "'{4,6}'".clone_into(value),
            "p_to_balance" => "'{13,94}'".clone_into(value),
            _ => *value = value.replace("-7000-8000-", "-7000-8001-"),
        }
    }
    call
}

/// Returns the number of advisory locks in this database.
async fn advisory_locks(bank: &TestBank) -> i64 {
    let sql = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'
               AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    let superuser = bank.superuser().await;
    superuser.fetch_value(statement(sql, [])).await.unwrap()
}

async fn successor_waits_for_its_predecessor(bank: TestBank) {
    let (a, b) = two_accounts(&bank).await;
    for commits in [false, true] {
        // The successor waits so briefly that a busy machine may miss the wait, so the test repeats
        // it.
        for attempt in 0.. {
            assert!(attempt < 100, "it was never seen to wait and succeed");
            let predecessor = bank.database.begin().await.unwrap();
            let batch_lock = Call::of(a, b).optimistic("p_batch_lock => 77");
            predecessor
                .execute(statement(&batch_lock, []))
                .await
                .unwrap();
            let call = next(a, b).pipelined("");
            let database = bank.database.clone();
            let successor =
                tokio::spawn(async move { database.execute(statement(&call, [])).await });
            while advisory_locks(&bank).await < 2 && !successor.is_finished() {
                tokio::time::sleep(std::time::Duration::from_millis(2)).await;
            }
            let waited = !successor.is_finished();
            if !(commits && waited) {
                predecessor.rollback().await.unwrap();
            } else {
                predecessor.commit().await.unwrap();
            }
            let outcome = successor.await.unwrap();
            if !waited {
                assert_eq!(outcome.unwrap_err().server().unwrap().sqlstate, "NB002");
                continue;
            }
            if commits && outcome.is_ok() {
                break;
            }
            let error = outcome.unwrap_err();
            let sqlstate = error.server().unwrap().sqlstate.as_str();
            assert_eq!(sqlstate, "NB002");
            // The predecessor committed too late.
            if commits {
                bank.database
                    .execute(statement(&next(a, b).optimistic(""), []))
                    .await
                    .unwrap();
                break;
            }
            break;
        }
    }
    assert_eq!(
        (bank.balance(a).await, bank.balance(b).await),
        (czk("94"), czk("6"))
    );
    assert_eq!(advisory_locks(&bank).await, 0);
    bank.assert_sound().await;
}

async fn successor_of_a_missing_predecessor_leaves_nothing(bank: TestBank) {
    let (a, b) = two_accounts(&bank).await;
    let call = next(a, b).pipelined("p_batch_lock => 78");
    assert_rejected(&bank, &bank.database, &call, "NB002").await;
    let transaction = bank.database.begin().await.unwrap();
    let batch_lock = "SELECT pg_advisory_xact_lock(77)";
    transaction
        .execute(statement(batch_lock, []))
        .await
        .unwrap();
    assert_rejected(&bank, &bank.database, &call, "NB002").await;
    assert_eq!(advisory_locks(&bank).await, 1, "the predecessor's own");
    transaction.rollback().await.unwrap();
    assert_eq!(advisory_locks(&bank).await, 0);
    bank.assert_sound().await;
}

/// Another call left the accounts exactly in the state that the predecessor would have left.
async fn successor_of_a_replaced_predecessor_is_rejected(bank: TestBank) {
    let (a, b) = two_accounts(&bank).await;
    let other = Call::of(a, b).optimistic("p_batch_lock => 77");
    let other = other.replace("-7000-8000-", "-7000-8002-");
    bank.database.execute(statement(&other, [])).await.unwrap();
    let successor = next(a, b).pipelined("");
    assert_rejected(&bank, &bank.database, &successor, "NB002").await;
    let single = next(a, b).optimistic("");
    bank.database.execute(statement(&single, [])).await.unwrap();
    bank.assert_sound().await;
}

async fn foreign_advisory_locks_block_no_call(bank: TestBank) {
    let (a, b) = two_accounts(&bank).await;
    let foreign = bank.database.begin().await.unwrap();
    let locks = "SELECT pg_advisory_xact_lock(key) FROM unnest('{77,78}'::bigint[]) AS key";
    foreign.execute(statement(locks, [])).await.unwrap();
    let predecessor = Call::of(a, b).optimistic("p_batch_lock => 77");
    bank.database
        .execute(statement(&predecessor, []))
        .await
        .unwrap();
    let successor = next(a, b).pipelined("p_batch_lock => 78");
    bank.database
        .execute(statement(&successor, []))
        .await
        .unwrap();
    foreign.rollback().await.unwrap();
    assert_eq!(bank.balance(a).await, czk("94"));
    bank.assert_sound().await;
}

async fn cancelled_wait_leaves_no_lock(bank: TestBank) {
    let (a, b) = two_accounts(&bank).await;
    let mut config = bank.config();
    config.pool_max = 1;
    let database = Database::connect(config).await.unwrap();
    let superuser = bank.superuser().await;
    let predecessor = bank.database.begin().await.unwrap();
    let batch_lock = "SELECT pg_advisory_xact_lock(77)";
    predecessor
        .execute(statement(batch_lock, []))
        .await
        .unwrap();
    let call = next(a, b).pipelined("p_batch_lock => 78");
    let mut cancelled = 0;
    for _ in 0..2_000 {
        let (outcome, count) = tokio::join!(database.execute(statement(&call, [])), async {
            let sql = "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity
                       WHERE datname = current_database() AND wait_event = 'advisory'";
            let cancels = superuser.fetch_value::<i64>(statement(sql, []));
            cancels.await.unwrap()
        });
        let error = outcome.unwrap_err();
        cancelled += i64::from(error.server().unwrap().sqlstate == "57014");
        // The server answers before it releases the locks of the transaction.
        let mut locks = 0;
        for _ in 0..6_000 {
            locks = advisory_locks(&bank).await;
            if locks == 1 {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        assert_eq!(locks, 1, "after {count} were cancelled");
        if cancelled >= 5 {
            break;
        }
    }
    assert!(cancelled > 0, "none was cancelled");
    predecessor.rollback().await.unwrap();
    assert_eq!(advisory_locks(&bank).await, 0);
}

/// The settings of the database include a search path with a schema that has a function and an
/// operator for each name.
async fn database_settings_do_not_change_plans_or_names(bank: TestBank) {
    let superuser = bank.superuser().await;
    for sql in [
        "CREATE SCHEMA evil",
        "GRANT USAGE ON SCHEMA evil TO PUBLIC",
        "CREATE FUNCTION evil.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS $$ SELECT 'infinity'::timestamptz $$",
        "CREATE FUNCTION evil.unnest(uuid[]) RETURNS SETOF uuid LANGUAGE sql AS $$ SELECT NULL::uuid WHERE false $$",
        "CREATE FUNCTION evil.unnest(text[]) RETURNS SETOF text LANGUAGE sql AS $$ SELECT NULL::text WHERE false $$",
        "CREATE FUNCTION evil.never(uuid, uuid) RETURNS boolean LANGUAGE sql AS $$ SELECT false $$",
        "CREATE OPERATOR evil.= (LEFTARG = uuid, RIGHTARG = uuid, FUNCTION = evil.never)",
        "CREATE FUNCTION evil.never(text, text) RETURNS boolean LANGUAGE sql AS $$ SELECT false $$",
        "CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.never)",
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = evil, pg_catalog', current_database());
                     EXECUTE format('ALTER DATABASE %I SET enable_nestloop = off', current_database());
                     EXECUTE format('ALTER DATABASE %I SET enable_indexscan = off', current_database());
                     EXECUTE format('ALTER DATABASE %I SET jit_above_cost = 0', current_database());
                     EXECUTE format('ALTER DATABASE %I SET synchronous_commit = off', current_database());
         END $$",
    ] {
        superuser.execute(statement(sql, [])).await.unwrap();
    }
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let database = Database::connect(bank.config()).await.unwrap();
    for capacity in [neobank_domain::Ledger::ACCOUNT_CACHE_CAPACITY, 0] {
        let ledger = single_with_cache(database.clone(), capacity);
        let key = |number| format!("{capacity} {number}");
        let request =
            |number| TransferRequest::new(from, to, czk("1")).with_idempotency_key(key(number));
        for number in 0..10 {
            let first = ledger.transfer(request(number)).await.unwrap();
            assert!(first.posted_at < chrono::Utc::now() + chrono::TimeDelta::hours(1));
            assert_eq!(ledger.transfer(request(number)).await.unwrap(), first);
        }
    }
    assert_eq!(bank.balance(to).await, czk("20"));
    bank.assert_sound().await;
}

/// An internal function changes balances or rows without the checks of its callers.
async fn internal_functions_are_for_their_owner_alone(bank: TestBank) {
    let sql = "SELECT string_agg(p.proname, ' ' ORDER BY p.proname) FROM pg_proc AS p
               WHERE p.pronamespace = 'banking'::regnamespace AND p.proname = ANY ($1)
                 AND NOT EXISTS (SELECT FROM pg_roles AS r
                                 WHERE r.rolname IN ('neobank_app', 'neobank_read', 'neobank_import')
                                   AND has_function_privilege(r.oid, p.oid, 'EXECUTE'))
                 AND NOT p.prosecdef";
    let names = [
        "apply_balances",
        "await_predecessor",
        "await_predecessor_start",
        "compose_transfers",
        "end_posting",
        "insert_journal",
        "start_posting",
        "validate_read_set",
    ];
    let wanted: Vec<String> = names.map(str::to_owned).to_vec();
    let superuser = bank.superuser().await;
    let found: String = superuser
        .fetch_value(statement(sql, [wanted.into()]))
        .await
        .unwrap();
    assert_eq!(found, names.join(" "));
    let call = "SELECT banking.apply_balances('{}', now())";
    assert_rejected(&bank, &bank.database, call, "42501").await;
}

/// The preconditions of an optimistic call, behind a predecessor that has committed.
async fn pipelined_call_is_posted_only_while_its_preconditions_hold(bank: TestBank) {
    let (a, b) = two_accounts(&bank).await;
    let predecessor = Call::of(a, b).optimistic("p_batch_lock => 77");
    bank.database
        .execute(statement(&predecessor, []))
        .await
        .unwrap();
    let version = bank.find(a).await.version;
    let call = next(a, b);
    let fence = |version: i64| format!("p_fence_account_id => '{a}', p_fence_version => {version}");
    let read_set = |balance: i64| {
        format!(
            "{}, p_read_set_account_id => '{{{a}}}', p_read_set_version => '{{{}}}', \
             p_read_set_balance => '{{{balance}}}', p_read_set_held => '{{0}}', \
             p_read_set_limit => '{{0}}', p_read_set_status => '{{active}}'",
            fence(version),
            version + 2
        )
    };
    for preconditions in [fence(version + 1), fence(version - 1), read_set(95)] {
        let sql = call.pipelined(&preconditions);
        assert_rejected(&bank, &bank.database, &sql, "NB002").await;
    }
    let right = call.pipelined(&read_set(94));
    bank.database.execute(statement(&right, [])).await.unwrap();
    assert_eq!(bank.balance(a).await, czk("94"));
    bank.assert_sound().await;
}

/// The group's identifier is that of the transfers with zeros for the number of the step.
async fn attributes_that_contradict_their_transfer_are_rejected(bank: TestBank) {
    let (a, b) = two_accounts(&bank).await;
    let call = Call::of(a, b);
    let reversed: uuid::Uuid = bank
        .database
        .fetch_value(statement(
            "SELECT transfer_id FROM banking.transfers WHERE transfer_type = 'transfer'",
            [],
        ))
        .await
        .unwrap();
    let group = "00000000-0000-7000-8000-000000000000";
    let with = |types: &str, attributes: &str| {
        let sql = call.with(&[("p_transfer_type", &format!("'{{{types}}}'"))]);
        format!("{}{attributes})", sql.strip_suffix(')').unwrap())
    };
    let groups = |first: &str, second: &str| format!(", p_group_id => '{{{first},{second}}}'");
    let reverses =
        |first: &str, second: &str| format!(", p_reverses_transfer_id => '{{{first},{second}}}'");
    let reversed = reversed.to_string();
    for (case, sql) in [
        (
            "a group of another identifier",
            with(
                "transfer,transfer",
                &groups(group, "01942f3e-6a7b-7c00-8000-000000000000"),
            ),
        ),
        (
            "a group with the number of a step",
            with(
                "transfer,transfer",
                &groups("00000000-0000-7000-8000-000000000001", group),
            ),
        ),
        (
            "a random group",
            with(
                "transfer,transfer",
                ", p_group_id => ARRAY[gen_random_uuid(), NULL]",
            ),
        ),
        ("a reversal of nothing", with("transfer,reversal", "")),
        (
            "a reversal of nothing in a group",
            with("transfer,reversal", &groups(group, group)),
        ),
        (
            "a fee that reverses",
            with("transfer,fee", &reverses("NULL", &reversed)),
        ),
        (
            "an exchange between customers",
            with("exchange,exchange", &groups(group, group)),
        ),
        ("an exchange without a group", with("exchange,transfer", "")),
        (
            "a journal entry between customers",
            with("journal_entry,journal_entry", &groups(group, group)),
        ),
    ] {
        let before = bank.fingerprint().await;
        for optimistic in [false, true] {
            let sql = if optimistic {
                sql.replace("post_transfers(", "post_transfers_optimistic(")
                    .replace("ARRAY[now(), now()]", "'{2000-01-01,2000-01-01}'")
            } else {
                sql.clone()
            };
            let error = bank.database.execute(statement(&sql, [])).await;
            let error = error.expect_err(case);
            let error = error.server().unwrap();
            assert_eq!(error.sqlstate, "NB002", "{case}: {error:?}");
            assert!(error.hint.is_some(), "{case}: {error:?}");
            assert!(
                error.message.starts_with("transfer "),
                "{case}: {}",
                error.message
            );
        }
        assert_eq!(bank.fingerprint().await, before, "{case}");
    }
    // The same call with attributes that fit: the second transfer goes back to `A`.
    let fits = with("transfer,reversal", &reverses("NULL", &reversed));
    let fits = format!(
        "{}{})",
        fits.strip_suffix(')').unwrap(),
        groups(group, group)
    );
    bank.database.execute(statement(&fits, [])).await.unwrap();
    bank.assert_sound().await;
}

async fn call_above_a_limit_is_rejected(bank: TestBank) {
    let (a, b) = two_accounts(&bank).await;
    let call = Call::of(a, b);
    let limit = async |window, amount| {
        let limit = AccountLimit::new(EntryType::Debit, window, czk(amount));
        limits::set(&bank.database, a, &limit).await.unwrap();
    };
    // `A` has paid 10 already, and pays 5 more.
    limit(Window::Rolling(24), "14.99").await;
    for sql in [call.sql(), call.first().sql(), call.optimistic("")] {
        assert_rejected(&bank, &bank.database, &sql, "NB008").await;
    }
    let version: i64 = bank.find(a).await.version;
    let fence = format!("p_fence_account_id => '{a}', p_fence_version => {version}");
    assert_rejected(&bank, &bank.database, &call.optimistic(&fence), "NB002").await;
    limit(Window::Rolling(24), "15").await;
    limit(Window::Transfer, "4.99").await;
    for sql in [call.sql(), call.first().sql(), call.optimistic("")] {
        assert_rejected(&bank, &bank.database, &sql, "NB008").await;
    }
    limit(Window::Transfer, "5").await;
    let sql = call.sql();
    bank.database.execute(statement(&sql, [])).await.unwrap();
    assert_eq!(bank.balance(a).await, czk("92"));
    bank.assert_sound().await;
}
