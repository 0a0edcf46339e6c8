//! Entries: each transfer has two, and each account's continue it within its limit.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use uuid::Uuid;

use super::amounts::sum;
use super::requests::shown;
use super::view::{Posted, View};
use super::{Invariant, Report};
use crate::books::Account;
use crate::history::Entry;

/// Requires a debit and a credit of the amount of each transfer.
pub(super) fn transfers_have_two_entries(view: &View<'_>, report: &mut Report) {
    report.checked.transfers += view.books.transfers.len();
    for transfer in &view.books.transfers {
        let Some(posted) = view.transfers.get(&transfer.id) else {
            continue;
        };
        if let Err(difference) = has_two_entries(posted) {
            let id = transfer.id;
            let key = transfer.key.as_deref().unwrap_or_default();
            report.violation(
                Invariant::TwoEntries,
                format!("transfer {id} of key {key:?} {difference}"),
            );
        }
    }
}

fn has_two_entries(posted: &Posted<'_>) -> Result<(), String> {
    let count = posted.entries.len();
    if count != 2 {
        return Err(format!("has {count} entries"));
    }
    let amount = posted.transfer.amount;
    let (debit, credit) = (posted.side(true), posted.side(false));
    match debit.zip(credit) {
        Some((debit, credit)) if debit.account == credit.account => {
            Err(format!("moves money within account {}", debit.account))
        }
        Some((debit, credit)) if (debit.amount, credit.amount) == (Some(-amount), Some(amount)) => {
            Ok(())
        }
        Some((debit, credit)) => {
            let (debit, credit) = (shown(debit), shown(credit));
            Err(format!("of {amount} has {debit} and {credit}"))
        }
        None => Err("lacks its debit or its credit".to_owned()),
    }
}

/// Requires that each account's entries have consecutive numbers, and continue its balance up to
/// the recorded one.
pub(super) fn entries_continue_their_account(view: &View<'_>, report: &mut Report) {
    report.checked.accounts += view.books.accounts.len();
    for account in &view.books.accounts {
        let entries = view
            .by_account
            .get(&account.id)
            .map_or(&[][..], Vec::as_slice);
        report.checked.entries += entries.len();
        numbers(account, entries, report);
        let mut balance = account.opening_balance;
        for entry in entries {
            let expected = entry.amount.and_then(|amount| balance.checked_add(amount));
            if expected != Some(entry.balance) {
                let entry = shown(entry);
                report.violation(
                    Invariant::RunningBalance,
                    format!("{entry} does not continue the balance {balance} before it"),
                );
            }
            balance = entry.balance;
        }
        if balance != account.balance {
            let (id, recorded) = (account.id, account.balance);
            report.violation(
                Invariant::RecordedBalance,
                format!("account {id} records {recorded}, and its entries end at {balance}"),
            );
        }
    }
    let known = |account: &Uuid| view.books.accounts.iter().any(|known| known.id == *account);
    for account in view.by_account.keys().filter(|account| !known(account)) {
        report.violation(
            Invariant::RecordedBalance,
            format!("account {account} has entries and no recorded balance"),
        );
    }
}

fn numbers(account: &Account, entries: &[&Entry], report: &mut Report) {
    for (expected, entry) in (1..).zip(entries) {
        if entry.number != expected {
            let (id, number) = (account.id, entry.number);
            report.violation(
                Invariant::EntryNumbers,
                format!("account {id} has entry {number} in the place of entry {expected}"),
            );
            break;
        }
    }
}

/// Requires that no account is below its least balance after any entry, and that what it has covers
/// its open holds: at the end, and at each entry while a hold was certainly open.
pub(super) fn balances_are_within_their_limit(view: &View<'_>, report: &mut Report) {
    let mut reserved = certain_reservations(view);
    for account in &view.books.accounts {
        let Some(least) = account.least_balance else {
            continue;
        };
        let entries = view
            .by_account
            .get(&account.id)
            .map_or(&[][..], Vec::as_slice);
        for entry in entries.iter().filter(|entry| entry.balance < least) {
            let entry = shown(entry);
            report.violation(
                Invariant::LeastBalance,
                format!("{entry} leaves less than the least balance {least}"),
            );
        }
        let available = account.balance.saturating_sub(account.held);
        if available < least {
            let (id, balance, held) = (account.id, account.balance, account.held);
            report.violation(
                Invariant::LeastBalance,
                format!("account {id} has {balance}, of which {held} are held; least is {least}"),
            );
        }
        let reserved = reserved.remove(&account.id).unwrap_or_default();
        held_at_entries(view, (entries, least), reserved, report);
    }
}

/// A hold that was certainly open, whole, from one time to another.
#[derive(Clone, Copy, Debug)]
struct Reservation {
    from: u64,
    until: Option<u64>,
    amount: Decimal,
}

/// Returns the reservations by account: from the answer to the hold until its first change is sent.
/// A hold with an end can be over at any time, by the server's clock.
fn certain_reservations(view: &View<'_>) -> BTreeMap<Uuid, Vec<Reservation>> {
    let mut reserved: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for hold in &view.books.holds {
        let made = hold.key.as_deref().and_then(|key| view.calls.keys.get(key));
        let Some(from) = made
            .filter(|made| !can_run_out(made))
            .and_then(super::calls::Key::end)
        else {
            continue;
        };
        let keys = hold.change_keys.iter();
        let changes = keys.map(|key| view.calls.keys.get(key.as_str())?.begin());
        // A change that no caller sent is a violation of its own; it can have been at any time.
        let Some(changes) = changes.collect::<Option<Vec<_>>>() else {
            continue;
        };
        reserved.entry(hold.account).or_default().push(Reservation {
            from,
            until: changes.into_iter().min(),
            amount: hold.amount,
        });
    }
    reserved
}

fn can_run_out(made: &super::calls::Key<'_>) -> bool {
    use crate::history::Request;
    made.attempts.iter().any(|attempt| {
        !matches!(
            attempt.request,
            Request::Hold {
                expires_at: None,
                ..
            }
        )
    })
}

/// Requires that each entry left enough for the holds that were open all the time of its call.
fn held_at_entries(
    view: &View<'_>,
    (entries, least): (&[&Entry], Decimal),
    mut reserved: Vec<Reservation>,
    report: &mut Report,
) {
    let mut made: Vec<_> = entries
        .iter()
        .filter_map(|entry| {
            let (_, key) = view.key_of(entry)?;
            Some((key.begin()?, key.end()?, *entry))
        })
        .collect();
    made.sort_by_key(|(begin, ..)| *begin);
    reserved.sort_by_key(|reservation| reservation.from);
    let mut later = reserved.into_iter().peekable();
    let mut open: Vec<Reservation> = Vec::new();
    for (begin, end, entry) in made {
        while let Some(reservation) = later.next_if(|reservation| reservation.from < begin) {
            open.push(reservation);
        }
        open.retain(|reservation| reservation.until.is_none_or(|until| until > begin));
        let whole = open
            .iter()
            .filter(|open| open.until.is_none_or(|until| until > end));
        let held = sum(whole.map(|reservation| reservation.amount));
        if entry.balance.saturating_sub(held) < least {
            let entry = shown(entry);
            report.violation(
                Invariant::LeastBalance,
                format!("{entry} leaves too little for open holds of {held}; least is {least}"),
            );
        }
    }
}
