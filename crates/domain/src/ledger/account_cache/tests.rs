use rust_decimal::Decimal;

use super::*;
use crate::Currency;
use crate::accounts::AccountStatus;

/// The batch lock of the group with the speculative state.
const TURN: i64 = 77;

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
    }
}

fn states(numbers: impl IntoIterator<Item = u128>) -> BTreeMap<AccountId, AccountState> {
    numbers
        .into_iter()
        .map(|number| (account(number), state(number, 7)))
        .collect()
}

#[test]
fn what_is_kept_is_recalled_once() {
    let account_cache = AccountCache::new(100);
    let accounts = [account(1), account(2), account(3)];
    let visit = account_cache.visit(&accounts, None);
    assert!(visit.may_be_optimistic() && visit.recall().accounts.is_empty());
    visit.keep(states([1, 2]));
    assert_eq!(account_cache.metrics().accounts, 2);
    assert_eq!(visit.recall().accounts, states([1, 2]));
    assert!(
        visit.recall().accounts.is_empty(),
        "whoever recalls an account has it alone"
    );
    assert_eq!(account_cache.metrics().accounts, 0);
}

#[test]
fn nobody_guesses_or_keeps_what_another_group_has_under_way() {
    let account_cache = AccountCache::new(100);
    let (both, one, other) = ([account(1), account(2)], [account(1)], [account(3)]);
    let first = account_cache.visit(&both, None);
    let second = account_cache.visit(&one, None);
    assert!(
        first.may_be_optimistic()
            && !second.may_be_optimistic()
            && account_cache.visit(&other, None).may_be_optimistic()
    );
    first.keep(states([1, 2]));
    assert_eq!(
        account_cache.metrics().accounts,
        1,
        "only account 2 is its own"
    );
    drop(first);
    second.keep(states([1]));
    assert_eq!(account_cache.metrics().accounts, 2);
    drop(second);
    assert!(account_cache.visit(&both, None).may_be_optimistic());
    assert!(
        account_cache.state().busy.is_empty(),
        "nothing is left of those who went"
    );
}

#[test]
fn what_is_promised_is_recalled_by_who_follows_and_kept_by_nobody_else() {
    let account_cache = AccountCache::new(100);
    let (both, one) = ([account(1), account(2)], [account(1), account(3)]);
    let first = account_cache.visit(&both, None);
    assert!(
        !account_cache.visit(&one, Some(TURN)).may_be_optimistic(),
        "nothing is speculative"
    );
    first.speculative_state(TURN, transfer(), states([1, 2]));
    assert!(!account_cache.visit(&one, None).may_be_optimistic());
    let second = account_cache.visit(&one, Some(TURN));
    assert!(second.may_be_optimistic());
    let third = account_cache.visit(&one, Some(TURN));
    assert!(
        !third.may_be_optimistic(),
        "two are under way with account 1"
    );
    drop(third);
    let recalled = second.recall();
    assert!(recalled.speculative == Some(transfer()) && recalled.accounts == states([1]));
    first.keep(first.take_back());
    drop(first);
    assert_eq!(
        account_cache.metrics().accounts,
        1,
        "account 1 has moved on"
    );
    second.keep(states([1, 3]));
    assert_eq!(account_cache.metrics().accounts, 3);
    assert!(account_cache.state().speculative.is_empty());
}

#[test]
fn a_promise_ends_with_its_group() {
    let account_cache = AccountCache::new(100);
    let accounts = [account(1)];
    let first = account_cache.visit(&accounts, None);
    first.speculative_state(TURN, transfer(), states([1]));
    let second = account_cache.visit(&accounts, Some(TURN));
    drop(first);
    assert!(account_cache.state().speculative.is_empty());
    let recalled = second.recall();
    assert!(
        recalled.speculative.is_none() && recalled.accounts.is_empty(),
        "it reads"
    );
}

#[test]
fn a_promise_that_was_not_kept_is_not_the_followers_fault() {
    let account_cache = AccountCache::new(100);
    let accounts = [account(1)];
    account_cache.visit(&accounts, Some(TURN)).was_wrong(false);
    assert!(account_cache.visit(&accounts, None).may_be_optimistic());
    assert_eq!(account_cache.metrics().wrong, 1);
}

#[test]
fn the_limit_holds_and_what_was_used_last_stays() {
    let account_cache = AccountCache::new(10);
    for number in 1..1_000 {
        let accounts = [account(number), account(0)];
        let visit = account_cache.visit(&accounts, None);
        let mut known = visit.recall().accounts;
        assert_eq!(known.contains_key(&account(0)), number > 1);
        known.extend(states([number, 0]));
        visit.keep(known);
        assert!(account_cache.metrics().accounts <= 10);
    }
    let nothing = AccountCache::new(0);
    let accounts = [account(1)];
    let visit = nothing.visit(&accounts, None);
    assert!(!visit.may_be_optimistic());
    visit.keep(states([1]));
    assert_eq!(nothing.metrics().accounts, 0);
}

#[test]
fn a_newer_state_replaces_an_old_one() {
    let account_cache = AccountCache::new(4);
    let accounts = [account(1), account(2), account(3)];
    let visit = account_cache.visit(&accounts, None);
    // The first two fill the young half and become old.
    visit.keep(states([1, 2]));
    visit.keep(BTreeMap::from([(account(1), state(1, 8))]));
    assert_eq!(visit.recall().accounts[&account(1)], state(1, 8));
    assert!(visit.recall().accounts.is_empty());
}

#[test]
fn doubt_doubles_up_to_a_limit_and_ends_with_a_right_guess() {
    let account_cache = AccountCache::new(10);
    let accounts = [account(1)];
    let locked_until_next_attempt = || {
        let mut locked = 0;
        while !account_cache.visit(&accounts, None).may_be_optimistic() {
            locked += 1;
            assert!(locked < 1_000);
        }
        locked
    };
    assert_eq!(locked_until_next_attempt(), 0);
    for expected in [1, 3, 7, 15, 31, 63, 63, 63] {
        account_cache.visit(&accounts, None).was_wrong(true);
        assert_eq!(locked_until_next_attempt(), expected);
    }
    account_cache.visit(&accounts, None).was_right();
    assert_eq!(locked_until_next_attempt(), 0);
    account_cache.visit(&accounts, None).was_wrong(true);
    assert_eq!(locked_until_next_attempt(), 1);
}
