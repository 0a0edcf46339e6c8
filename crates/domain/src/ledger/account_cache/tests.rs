use rust_decimal::Decimal;

use super::*;
use crate::Currency;
use crate::accounts::AccountStatus;

/// The batch lock of the predecessor.
const BATCH_LOCK: i64 = 77;

fn transfer() -> TransferId {
    uuid::Uuid::from_u128(99).into()
}

fn account(number: u128) -> AccountId {
    uuid::Uuid::from_u128(number).into()
}

fn state(number: u128, last_entry_number: i64) -> AccountState {
    AccountState {
        account_id: account(number),
        account_number: format!("NB{number}"),
        currency: Currency::from_code("CZK").unwrap(),
        status: AccountStatus::Active,
        balance: Decimal::ONE_HUNDRED,
        held: Decimal::ZERO,
        overdraft_limit: Some(Decimal::ZERO),
        last_entry_number,
        last_entry_at: None,
        opened_at: None,
        version: last_entry_number + 1,
        has_limits: false,
        limits: Vec::new(),
    }
}

fn left(accounts: BTreeMap<AccountId, AccountState>) -> DecidedState {
    DecidedState {
        accounts,
        holds: BTreeMap::new(),
    }
}

fn states(numbers: impl IntoIterator<Item = u128>) -> DecidedState {
    let numbers = numbers.into_iter();
    left(
        numbers
            .map(|number| (account(number), state(number, 7)))
            .collect(),
    )
}

#[test]
fn cached_account_is_taken_once() {
    let account_cache = AccountCache::new(100);
    let accounts = [account(1), account(2), account(3)];
    let cached = account_cache.begin(&accounts, None);
    assert!(cached.may_be_optimistic() && cached.take().accounts.is_empty());
    cached.keep(states([1, 2]));
    assert_eq!(account_cache.metrics().accounts, 2);
    assert_eq!(cached.take().accounts, states([1, 2]).accounts);
    assert!(
        cached.take().accounts.is_empty(),
        "one batch takes an account"
    );
    assert_eq!(account_cache.metrics().accounts, 0);
}

#[test]
fn account_in_use_is_neither_attempted_nor_cached() {
    let account_cache = AccountCache::new(100);
    let (both, one, other) = ([account(1), account(2)], [account(1)], [account(3)]);
    let first = account_cache.begin(&both, None);
    let second = account_cache.begin(&one, None);
    assert!(
        first.may_be_optimistic()
            && !second.may_be_optimistic()
            && account_cache.begin(&other, None).may_be_optimistic()
    );
    first.keep(states([1, 2]));
    assert_eq!(
        account_cache.metrics().accounts,
        1,
        "the second batch uses account 1"
    );
    drop(first);
    second.keep(states([1]));
    assert_eq!(account_cache.metrics().accounts, 2);
    drop(second);
    assert!(account_cache.begin(&both, None).may_be_optimistic());
    assert!(
        account_cache.state().busy.is_empty(),
        "ended batches use no account"
    );
}

#[test]
fn speculative_state_is_for_the_successor_only() {
    let account_cache = AccountCache::new(100);
    let (both, one) = ([account(1), account(2)], [account(1), account(3)]);
    let first = account_cache.begin(&both, None);
    assert!(
        !account_cache
            .begin(&one, Some(BATCH_LOCK))
            .may_be_optimistic(),
        "no speculative state yet"
    );
    first.publish_speculative(BATCH_LOCK, transfer(), states([1, 2]));
    assert!(!account_cache.begin(&one, None).may_be_optimistic());
    let second = account_cache.begin(&one, Some(BATCH_LOCK));
    assert!(second.may_be_optimistic());
    let third = account_cache.begin(&one, Some(BATCH_LOCK));
    assert!(!third.may_be_optimistic(), "two batches use account 1");
    drop(third);
    let taken = second.take();
    assert!(taken.speculative == Some(transfer()) && taken.accounts == states([1]).accounts);
    first.keep(first.withdraw_speculative());
    drop(first);
    assert_eq!(
        account_cache.metrics().accounts,
        1,
        "the successor uses account 1"
    );
    second.keep(states([1, 3]));
    assert_eq!(account_cache.metrics().accounts, 3);
    assert!(account_cache.state().speculative.is_empty());
}

#[test]
fn speculative_state_ends_with_its_batch() {
    let account_cache = AccountCache::new(100);
    let accounts = [account(1)];
    let first = account_cache.begin(&accounts, None);
    first.publish_speculative(BATCH_LOCK, transfer(), states([1]));
    let second = account_cache.begin(&accounts, Some(BATCH_LOCK));
    drop(first);
    assert!(account_cache.state().speculative.is_empty());
    let taken = second.take();
    assert!(
        taken.speculative.is_none() && taken.accounts.is_empty(),
        "the successor reads the account"
    );
}

#[test]
fn conflict_over_speculative_state_does_not_back_off() {
    let account_cache = AccountCache::new(100);
    let accounts = [account(1)];
    account_cache
        .begin(&accounts, Some(BATCH_LOCK))
        .conflict(false);
    assert!(account_cache.begin(&accounts, None).may_be_optimistic());
    assert_eq!(account_cache.metrics().conflicts, 1);
}

#[test]
fn cache_keeps_its_limit_and_the_accounts_used_last() {
    let account_cache = AccountCache::new(10);
    for number in 1..1_000 {
        let accounts = [account(number), account(0)];
        let cached = account_cache.begin(&accounts, None);
        let mut accounts_taken = cached.take().accounts;
        assert_eq!(accounts_taken.contains_key(&account(0)), number > 1);
        accounts_taken.extend(states([number, 0]).accounts);
        cached.keep(left(accounts_taken));
        assert!(account_cache.metrics().accounts <= 10);
    }
    let nothing = AccountCache::new(0);
    let accounts = [account(1)];
    let cached = nothing.begin(&accounts, None);
    assert!(!cached.may_be_optimistic());
    cached.keep(states([1]));
    assert_eq!(nothing.metrics().accounts, 0);
}

#[test]
fn newer_state_replaces_an_older_one() {
    let account_cache = AccountCache::new(4);
    let accounts = [account(1), account(2), account(3)];
    let cached = account_cache.begin(&accounts, None);
    // The first two fill the young half and become old.
    cached.keep(states([1, 2]));
    cached.keep(left(BTreeMap::from([(account(1), state(1, 8))])));
    assert_eq!(cached.take().accounts[&account(1)], state(1, 8));
    assert!(cached.take().accounts.is_empty());
}

#[test]
fn back_off_doubles_to_a_limit_and_ends_with_a_commit() {
    let account_cache = AccountCache::new(10);
    let accounts = [account(1)];
    let locked_until_next_attempt = || {
        let mut locked = 0;
        while !account_cache.begin(&accounts, None).may_be_optimistic() {
            locked += 1;
            assert!(locked < 1_000);
        }
        locked
    };
    assert_eq!(locked_until_next_attempt(), 0);
    for expected in [1, 3, 7, 15, 31, 63, 63, 63] {
        account_cache.begin(&accounts, None).conflict(true);
        assert_eq!(locked_until_next_attempt(), expected);
    }
    account_cache.begin(&accounts, None).committed();
    assert_eq!(locked_until_next_attempt(), 0);
    account_cache.begin(&accounts, None).conflict(true);
    assert_eq!(locked_until_next_attempt(), 1);
}
