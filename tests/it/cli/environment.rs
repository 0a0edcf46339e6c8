//! Variables of the environment that the command cannot use are wrong usage, and are not taken for
//! unset.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use super::program::{Run, neobank};
use crate::harness::{TestBank, czk};

on_both_versions!(variables_that_cannot_be_used_are_wrong_usage_and_change_nothing);

async fn variables_that_cannot_be_used_are_wrong_usage_and_change_nothing(bank: TestBank) {
    let account = bank.account(czk("10")).await.to_string();
    let number = bank.find(account.parse().unwrap()).await.account_number;
    let before = bank.fingerprint().await;
    let hold = ["hold", "create", "--account", &number, "--amount", "1 CZK"];
    let deposit = ["deposit", "--account", &number, "--amount", "1 CZK"];
    let unreadable = OsStr::from_bytes(b"teller\xff");
    let cases = [
        ("NEOBANK_ACTOR", unreadable),
        ("NEOBANK_ACTOR", OsStr::new("")),
        ("NEOBANK_ACTOR", OsStr::new("  ")),
        ("DB_ROLE", unreadable),
        ("DB_STATEMENT_TIMEOUT", unreadable),
        ("DB_PASSWORD", unreadable),
        ("DATABASE_URL", unreadable),
    ];
    for (name, value) in cases {
        for arguments in [&hold[..], &deposit, &["hold", "expire"]] {
            let mut command = neobank(bank.url(), arguments);
            let found = Run::from(command.env(name, value).output().unwrap());
            assert_eq!(found.code, 2, "{name} {arguments:?}: {}", found.err);
            assert!(found.err.contains(name), "{}", found.err);
        }
    }
    assert_eq!(bank.fingerprint().await, before);
    // The option takes precedence.
    let named = [&deposit[..], &["--actor", "teller:1"]].concat();
    let mut command = neobank(bank.url(), &named);
    let found = Run::from(command.env("NEOBANK_ACTOR", "").output().unwrap());
    assert_eq!(found.code, 0, "{}", found.err);
}
