//! The trial balance: each currency by itself, debits equal to credits.

use neobank_db::{Executor, statement};
use neobank_domain::accounts::{self, NewAccount};
use neobank_domain::balances::{self, TrialBalance};
use neobank_domain::ledger::{EntryType, PostingKind};
use neobank_domain::{AccountType, Currency, Money, PostingRequest, TransferRequest};

use crate::harness::{GUARDS_OFF, GUARDS_ON, TestBank, czk};

on_both_versions!(
    debits_and_credits_of_each_currency_are_equal,
    altered_balance_does_not_balance,
    bank_without_accounts_has_no_lines,
);

/// Returns each line with a balance as `number (accounts): debit | credit`.
fn lines(trial: &TrialBalance) -> Vec<String> {
    let lines = trial.lines.iter();
    let lines = lines.filter(|line| !(line.debit.is_zero() && line.credit.is_zero()));
    let lines = lines.map(|line| {
        let number = line.account_number.as_deref().unwrap_or("customers");
        format!(
            "{number} ({}): {} | {}",
            line.accounts,
            line.debit.amount(),
            line.credit.amount()
        )
    });
    lines.collect()
}

async fn debits_and_credits_of_each_currency_are_equal(bank: TestBank) {
    let (ada, bob) = (bank.account(czk("500")).await, bank.account(czk("0")).await);
    accounts::set_overdraft_limit(&bank.database, bob, czk("100"))
        .await
        .unwrap();
    let eur = Currency::from_code("EUR").unwrap();
    let euro = NewAccount::new(bank.customer().await, AccountType::Savings, eur);
    let euro = accounts::open(&bank.database, &euro)
        .await
        .unwrap()
        .account_id;
    let before = bank
        .ledger
        .transfer(TransferRequest::new(bob, ada, czk("30")))
        .await
        .unwrap();
    for posting in [
        PostingRequest::deposit(euro, Money::parse("7.5", eur).unwrap()),
        PostingRequest::new(ada, PostingKind::Fee, EntryType::Debit, czk("3")),
        PostingRequest::new(bob, PostingKind::Interest, EntryType::Credit, czk("1.25")),
    ] {
        bank.ledger.submit(posting).await.unwrap();
    }
    let now = balances::trial_balance(&bank.database, None).await.unwrap();
    assert_eq!(now.len(), 2);
    assert_eq!(
        lines(&now[0]),
        [
            "customers (2): 28.75 | 527.00",
            "SYS-EXTERNAL-CZK (1): 500.00 | 0.00",
            "SYS-FEES-CZK (1): 0.00 | 3.00",
            "SYS-INTEREST-CZK (1): 1.25 | 0.00",
        ]
    );
    assert_eq!((now[0].debit, now[0].credit), (czk("530"), czk("530")));
    assert_eq!(
        (now[1].currency, now[1].debit.to_string()),
        (eur, "7.50 EUR".to_owned())
    );
    assert!(now.iter().all(TrialBalance::is_balanced));
    // Before the fee and the interest, and before there was an entry in euros.
    let then = balances::trial_balance(&bank.database, Some(before.posted_at))
        .await
        .unwrap();
    assert_eq!(lines(&then[0])[0], "customers (2): 30.00 | 530.00");
    assert_eq!((then[0].debit, then[0].credit), (czk("530"), czk("530")));
    assert!(then[1].debit.is_zero() && then[1].credit.is_zero());
}

async fn altered_balance_does_not_balance(bank: TestBank) {
    let account = bank.account(czk("10")).await;
    let superuser = bank.superuser().await;
    let alter =
        format!("UPDATE banking.accounts SET current_balance = 11 WHERE account_id = '{account}'");
    for sql in [GUARDS_OFF, alter.as_str(), GUARDS_ON] {
        superuser.execute(statement(sql, [])).await.unwrap();
    }
    let now = balances::trial_balance(&bank.database, None).await.unwrap();
    assert_eq!((now[0].debit, now[0].credit), (czk("10"), czk("11")));
    assert!(!now[0].is_balanced());
    let run = crate::cli::program::run(bank.url(), &["trial-balance"]).await;
    assert_eq!(run.code, 1, "{}", run.out);
    assert!(run.out.contains("NOT BALANCED"), "{}", run.out);
}

async fn bank_without_accounts_has_no_lines(bank: TestBank) {
    assert_eq!(
        balances::trial_balance(&bank.database, None).await.unwrap(),
        []
    );
    let run = crate::cli::program::run(bank.url(), &["trial-balance"]).await;
    assert_eq!(
        (run.code, run.out.contains("no accounts")),
        (0, true),
        "{}",
        run.out
    );
}
