//! Reversals: money of an earlier transfer moves back.

use neobank_db::{Executor, statement};
use neobank_domain::ledger::{GroupRequest, JournalLine, Outcome, ReversalRequest, TransferType};
use neobank_domain::{
    AccountId, Ledger, LedgerError, PostingRequest, Receipt, Rejection, Request, TransferId,
    TransferRequest, transfers,
};

use crate::harness::{TestBank, czk};

on_both_versions!(
    reversal_moves_the_money_back_and_is_linked,
    parts_never_exceed_the_original,
    reversal_is_idempotent_by_its_key,
    payee_without_the_money_cannot_be_reversed,
    reversal_cannot_be_reversed,
    deposit_can_be_reversed,
    group_is_reversed_as_a_whole,
    of_two_refunds_of_60_of_100_one_wins,
    reversal_in_the_transaction_of_its_original,
    one_line_of_a_journal_entry_cannot_be_reversed,
    lines_of_a_journal_entry_are_reversed_in_one_group,
    wrong_line_of_a_journal_entry_is_replaced_in_one_group,
    database_rejects_what_a_wrong_client_would_reverse,
    auditor_finds_reversals_beyond_their_transfer,
);

fn rejection<T: std::fmt::Debug>(outcome: Result<T, LedgerError>) -> Rejection {
    match outcome {
        Err(LedgerError::Rejected(rejection)) => rejection,
        other => panic!("{other:?}"),
    }
}

async fn paid(bank: &TestBank, amount: &str) -> Receipt {
    let (payer, shop) = (
        bank.account(czk(amount)).await,
        bank.account(czk("0")).await,
    );
    let transfer = TransferRequest::new(payer, shop, czk(amount)).with_description("Order");
    bank.ledger.transfer(transfer).await.unwrap()
}

async fn reversal_moves_the_money_back_and_is_linked(bank: TestBank) {
    for ledger in [bank.ledger.clone(), Ledger::new(bank.database.clone())] {
        let original = paid(&bank, "100").await;
        let request = ReversalRequest::new(original.transfer_id).with_description("returned");
        let receipt = ledger.reverse(request).await.unwrap();
        assert_eq!(receipt.transfer_type, TransferType::Reversal);
        assert_eq!(receipt.reverses, Some(original.transfer_id));
        let stored = transfers::find(&bank.database, receipt.transfer_id).await;
        assert_eq!(stored.unwrap().unwrap().reverses, receipt.reverses);
        assert_eq!(receipt.debit.account_id, original.credit.account_id);
        assert_eq!(receipt.credit.account_id, original.debit.account_id);
        assert_eq!(receipt.credit.running_balance, czk("100"));
        let text = bank
            .database
            .fetch_value::<String>(statement(
                "SELECT description FROM banking.transactions WHERE transaction_id = $1",
                [receipt.credit.transaction_id.as_uuid().into()],
            ))
            .await
            .unwrap();
        assert_eq!(
            text,
            format!("Reversal of {}: returned", original.reference_number())
        );
    }
    bank.assert_sound().await;
}

async fn parts_never_exceed_the_original(bank: TestBank) {
    let original = paid(&bank, "100").await;
    let transfer = original.transfer_id;
    let part = |amount: &str| ReversalRequest::new(transfer).with_amount(czk(amount));
    let ledger = &bank.ledger;
    assert_eq!(
        rejection(ledger.reverse(part("100.01")).await),
        Rejection::MoreThanRemains {
            transfer,
            left: czk("100"),
            requested: czk("100.01")
        }
    );
    for amount in ["0", "-1"] {
        assert_eq!(
            rejection(ledger.reverse(part(amount)).await),
            Rejection::AmountNotPositive {
                amount: czk(amount)
            }
        );
    }
    ledger.reverse(part("60")).await.unwrap();
    // Each request of a batch sees the reversals before it.
    let requests: [Request; 3] = [
        part("30").into(),
        part("30").into(),
        ReversalRequest::new(transfer).into(),
    ];
    let outcomes = ledger.submit_all(&requests).await.unwrap();
    assert!(matches!(&outcomes[0], Outcome::Posted(receipt) if receipt.amount == czk("30")));
    assert_eq!(
        outcomes[1],
        Outcome::Rejected(Rejection::MoreThanRemains {
            transfer,
            left: czk("10"),
            requested: czk("30")
        })
    );
    assert!(matches!(&outcomes[2], Outcome::Posted(receipt) if receipt.amount == czk("10")));
    let rejected = ledger.reverse(ReversalRequest::new(transfer)).await;
    assert_eq!(rejection(rejected), Rejection::AlreadyReversed { transfer });
    let unknown = TransferId::new();
    let rejected = ledger.reverse(ReversalRequest::new(unknown)).await;
    assert_eq!(
        rejection(rejected),
        Rejection::UnknownTransfer { transfer: unknown }
    );
    bank.assert_sound().await;
}

async fn reversal_is_idempotent_by_its_key(bank: TestBank) {
    let original = paid(&bank, "100").await;
    let request = || {
        ReversalRequest::new(original.transfer_id)
            .with_amount(czk("40"))
            .with_idempotency_key("refund-1")
    };
    let first = bank.ledger.reverse(request()).await.unwrap();
    for ledger in [bank.ledger.clone(), Ledger::new(bank.database.clone())] {
        assert_eq!(ledger.reverse(request()).await.unwrap(), first);
        let other = ledger.reverse(request().with_amount(czk("41"))).await;
        assert!(matches!(rejection(other), Rejection::KeyReused { .. }));
        let unknown = ReversalRequest::new(TransferId::new()).with_idempotency_key("refund-1");
        assert!(matches!(
            rejection(ledger.reverse(unknown).await),
            Rejection::KeyReused { .. }
        ));
    }
    assert_eq!(bank.balance(original.debit.account_id).await, czk("40"));
}

async fn payee_without_the_money_cannot_be_reversed(bank: TestBank) {
    let original = paid(&bank, "100").await;
    let shop = original.credit.account_id;
    let ledger = &bank.ledger;
    ledger
        .submit(PostingRequest::withdrawal(shop, czk("30")))
        .await
        .unwrap();
    let rejected = ledger
        .reverse(ReversalRequest::new(original.transfer_id))
        .await;
    assert_eq!(
        rejection(rejected),
        Rejection::InsufficientFunds {
            account: shop,
            available: czk("70"),
            requested: czk("100")
        }
    );
    let part = ReversalRequest::new(original.transfer_id).with_amount(czk("70"));
    ledger.reverse(part).await.unwrap();
    bank.assert_sound().await;
}

async fn reversal_cannot_be_reversed(bank: TestBank) {
    let original = paid(&bank, "100").await;
    let first = bank
        .ledger
        .reverse(ReversalRequest::new(original.transfer_id))
        .await
        .unwrap();
    let again = bank
        .ledger
        .reverse(ReversalRequest::new(first.transfer_id))
        .await;
    let transfer = first.transfer_id;
    assert_eq!(rejection(again), Rejection::ReversalOfReversal { transfer });
}

async fn deposit_can_be_reversed(bank: TestBank) {
    let account = bank.account(czk("0")).await;
    let deposit = bank
        .ledger
        .submit(PostingRequest::deposit(account, czk("5")))
        .await
        .unwrap();
    bank.ledger
        .reverse(ReversalRequest::new(deposit.transfer_id))
        .await
        .unwrap();
    assert_eq!(bank.balance(account).await, czk("0"));
    bank.assert_sound().await;
}

async fn group_is_reversed_as_a_whole(bank: TestBank) {
    let [a, b, c] = [
        bank.account(czk("100")).await,
        bank.account(czk("0")).await,
        bank.account(czk("0")).await,
    ];
    for ledger in [bank.ledger.clone(), Ledger::new(bank.database.clone())] {
        let group = GroupRequest::new()
            .with_step(TransferRequest::new(a, b, czk("100")))
            .with_step(TransferRequest::new(b, c, czk("100")));
        let group = ledger.submit_group(group).await.unwrap().group_id;
        // The second step goes back first: the first payee has nothing before.
        let key = Some(format!("undo {group}"));
        let receipt = ledger
            .reverse_group(group, "Undo", key.clone())
            .await
            .unwrap();
        let reversed: Vec<_> = receipt
            .transfers()
            .map(|one| one.debit.account_id)
            .collect();
        assert_eq!(reversed, [c, b]);
        assert_eq!(
            ledger.reverse_group(group, "Undo", key).await.unwrap(),
            receipt
        );
        assert_eq!(bank.balance(a).await, czk("100"));
        let again = rejection(ledger.reverse_group(group, "Undo", None).await);
        assert!(
            matches!(&again, Rejection::GroupStep { step: 0, reason } if matches!(**reason, Rejection::AlreadyReversed { .. })),
            "{again:?}"
        );
    }
    let unknown = uuid::Uuid::now_v7().into();
    let rejected = rejection(bank.ledger.reverse_group(unknown, "", None).await);
    assert_eq!(rejected, Rejection::GroupSize { steps: 0 });
    bank.assert_sound().await;
}

async fn of_two_refunds_of_60_of_100_one_wins(bank: TestBank) {
    let gathering = Ledger::new(bank.database.clone());
    let rounds = std::env::var("NEOBANK_REFUNDS").map_or(100, |number| number.parse().unwrap());
    for _ in 0..rounds {
        let original = paid(&bank, "100").await;
        let transfer = original.transfer_id;
        let refund = || ReversalRequest::new(transfer).with_amount(czk("60"));
        let (one, other) = tokio::join!(bank.ledger.reverse(refund()), gathering.reverse(refund()));
        let (winner, loser) = if one.is_ok() {
            (one, other)
        } else {
            (other, one)
        };
        winner.unwrap();
        let lost = rejection(loser);
        // The loser learns what is left, or that the payee no longer has the money.
        assert!(
            matches!(lost, Rejection::MoreThanRemains { ref left, .. } if *left == czk("40")),
            "{lost:?}"
        );
        assert_eq!(bank.balance(original.debit.account_id).await, czk("60"));
    }
    bank.assert_sound().await;
}

async fn reversal_in_the_transaction_of_its_original(bank: TestBank) {
    let (payer, shop) = (bank.account(czk("10")).await, bank.account(czk("0")).await);
    let mut transaction = bank.database.begin().await.unwrap();
    let transfer = TransferRequest::new(payer, shop, czk("10"));
    let original = bank
        .ledger
        .transfer_in(&mut transaction, transfer)
        .await
        .unwrap();
    let reversal = ReversalRequest::new(original.transfer_id);
    bank.ledger
        .submit_in(&mut transaction, reversal.clone())
        .await
        .unwrap();
    let again = bank.ledger.submit_in(&mut transaction, reversal).await;
    assert!(matches!(
        rejection(again),
        Rejection::AlreadyReversed { .. }
    ));
    transaction.commit().await.unwrap();
    assert_eq!(bank.balance(payer).await, czk("10"));
    bank.assert_sound().await;
}

/// Posts a journal entry of 1 CZK, and returns its debit and its credit.
async fn journal_entry(ledger: &Ledger, from: AccountId, to: AccountId) -> [Receipt; 2] {
    let lines = [
        JournalLine::debit(from, czk("1")),
        JournalLine::credit(to, czk("1")),
    ];
    let group = GroupRequest::journal_entry(lines);
    let posted = ledger.submit_group(group).await.unwrap();
    let lines: Vec<_> = posted.transfers().cloned().collect();
    lines.try_into().unwrap()
}

fn unbalanced(sum: &str) -> Rejection {
    Rejection::Unbalanced {
        currency: czk("0").currency(),
        sum: sum.parse().unwrap(),
    }
}

async fn one_line_of_a_journal_entry_cannot_be_reversed(bank: TestBank) {
    for ledger in [bank.ledger.clone(), Ledger::new(bank.database.clone())] {
        let (from, to) = (bank.account(czk("10")).await, bank.account(czk("0")).await);
        let [debit, credit] = journal_entry(&ledger, from, to).await;
        let debit = ReversalRequest::new(debit.transfer_id);
        let credit = ReversalRequest::new(credit.transfer_id);
        let partial = GroupRequest::new()
            .with_step(credit.clone())
            .with_step(debit.clone().with_amount(czk("0.40")));
        let of_one = GroupRequest::new().with_step(debit.clone());
        let single = ledger.submit(debit.clone()).await;
        assert_eq!(rejection(single), unbalanced("1"));
        let single = ledger.submit(credit.clone()).await;
        assert_eq!(rejection(single), unbalanced("-1"));
        let group = ledger.submit_group(partial.clone()).await;
        assert_eq!(rejection(group), unbalanced("-0.60"));
        let group = ledger.submit_group(of_one).await;
        assert_eq!(rejection(group), unbalanced("1"));
        // The other requests of a batch and of a transaction are not affected.
        let requests: [Request; 5] = [
            TransferRequest::new(from, to, czk("2")).into(),
            debit.into(),
            partial.into(),
            credit.clone().into(),
            TransferRequest::new(to, from, czk("3")).into(),
        ];
        let outcomes = ledger.submit_all(&requests).await.unwrap();
        assert!(
            matches!(
                outcomes.as_slice(),
                [
                    Outcome::Posted(_),
                    Outcome::Rejected(Rejection::Unbalanced { .. }),
                    Outcome::Rejected(Rejection::Unbalanced { .. }),
                    Outcome::Rejected(Rejection::Unbalanced { .. }),
                    Outcome::Posted(_),
                ]
            ),
            "{outcomes:?}"
        );
        let mut transaction = bank.database.begin().await.unwrap();
        // The payee has nothing left, which is not the reason.
        let rejected = ledger.submit_in(&mut transaction, credit).await;
        assert_eq!(rejection(rejected), unbalanced("-1"));
        let transfer = TransferRequest::new(from, to, czk("1"));
        let transferred = ledger.submit_in(&mut transaction, transfer).await;
        transferred.unwrap();
        transaction.commit().await.unwrap();
        assert_eq!(bank.balance(from).await, czk("9"));
        assert_eq!(bank.balance(to).await, czk("1"));
    }
    bank.assert_sound().await;
}

async fn lines_of_a_journal_entry_are_reversed_in_one_group(bank: TestBank) {
    for ledger in [bank.ledger.clone(), Ledger::new(bank.database.clone())] {
        let (from, to) = (bank.account(czk("1")).await, bank.account(czk("0")).await);
        let [debit, credit] = journal_entry(&ledger, from, to).await;
        let reversal = |line: &Receipt| ReversalRequest::new(line.transfer_id);
        let parts = GroupRequest::new()
            .with_step(reversal(&credit).with_amount(czk("0.40")))
            .with_step(reversal(&debit).with_amount(czk("0.40")));
        ledger.submit_group(parts).await.unwrap();
        assert_eq!(bank.balance(to).await, czk("0.60"));
        let whole = GroupRequest::new()
            .with_step(reversal(&credit))
            .with_step(reversal(&debit));
        ledger.submit_group(whole).await.unwrap();
        assert_eq!(bank.balance(from).await, czk("1"));
        assert_eq!(bank.balance(to).await, czk("0"));
        let transfer = debit.transfer_id;
        let again = ledger.submit(reversal(&debit)).await;
        assert_eq!(rejection(again), Rejection::AlreadyReversed { transfer });
    }
    bank.assert_sound().await;
}

async fn wrong_line_of_a_journal_entry_is_replaced_in_one_group(bank: TestBank) {
    for ledger in [bank.ledger.clone(), Ledger::new(bank.database.clone())] {
        let [from, wrong, right] = [
            bank.account(czk("1")).await,
            bank.account(czk("0")).await,
            bank.account(czk("0")).await,
        ];
        let [_, credit] = journal_entry(&ledger, from, wrong).await;
        let correction = |amount| {
            GroupRequest::journal_entry([JournalLine::credit(right, czk(amount))])
                .with_step(ReversalRequest::new(credit.transfer_id))
        };
        let rejected = ledger.submit_group(correction("0.99")).await;
        assert_eq!(rejection(rejected), unbalanced("-0.01"));
        ledger.submit_group(correction("1")).await.unwrap();
        assert_eq!(bank.balance(wrong).await, czk("0"));
        assert_eq!(bank.balance(right).await, czk("1"));
    }
    bank.assert_sound().await;
}

/// Calls the posting function with each array as a wrong client would fill it.
async fn database_rejects_what_a_wrong_client_would_reverse(bank: TestBank) {
    let original = paid(&bank, "100").await;
    let (payer, shop) = (original.debit.account_id, original.credit.account_id);
    let other = bank.account(czk("100")).await;
    let more = PostingRequest::deposit(shop, czk("50"));
    bank.ledger.submit(more).await.unwrap();
    let reversal = bank
        .ledger
        .reverse(ReversalRequest::new(original.transfer_id).with_amount(czk("10")))
        .await
        .unwrap();
    let post = |from, to, amount: &str, reverses: TransferId| {
        let sql = format!(
            "SELECT banking.post_transfers(
                 ARRAY[banking.uuid_v7()], ARRAY['reversal'], ARRAY[{amount}], ARRAY['CZK'], ARRAY[''],
                 ARRAY[NULL]::text[], ARRAY[NULL]::bytea[], ARRAY[clock_timestamp()],
                 ARRAY['{from}'::uuid], ARRAY[debit.last_entry_number + 1],
                 ARRAY[debit.current_balance - {amount}], ARRAY[banking.uuid_v7()], ARRAY[''],
                 ARRAY['{to}'::uuid], ARRAY[credit.last_entry_number + 1],
                 ARRAY[credit.current_balance + {amount}], ARRAY[banking.uuid_v7()], ARRAY[''],
                 p_reverses_transfer_id => ARRAY['{reverses}'::uuid])
             FROM banking.accounts AS debit, banking.accounts AS credit
             WHERE debit.account_id = '{from}' AND credit.account_id = '{to}'"
        );
        let database = bank.database.clone();
        async move { database.execute(statement(&sql, [])).await }
    };
    for (name, from, to, amount, reverses) in [
        (
            "more than is left",
            shop,
            payer,
            "90.01",
            original.transfer_id,
        ),
        ("the same direction", payer, shop, "1", original.transfer_id),
        ("another payer", other, payer, "1", original.transfer_id),
        ("another payee", shop, other, "1", original.transfer_id),
        ("a reversal", payer, shop, "1", reversal.transfer_id),
        ("no transfer", shop, payer, "1", TransferId::new()),
    ] {
        let error = post(from, to, amount, reverses).await.unwrap_err();
        let state = error.server().map(|server| server.sqlstate.clone());
        assert_eq!(state.as_deref(), Some("NB002"), "{name}: {error:?}");
    }
    // The same call with what is right is accepted, so the errors above have their own reasons.
    post(shop, payer, "90", original.transfer_id).await.unwrap();
    bank.assert_sound().await;
}

async fn auditor_finds_reversals_beyond_their_transfer(bank: TestBank) {
    let original = paid(&bank, "100").await;
    let receipt = bank
        .ledger
        .reverse(ReversalRequest::new(original.transfer_id))
        .await
        .unwrap();
    let tamper = |sql: String| {
        let bank = &bank;
        async move {
            let superuser = bank.superuser().await;
            for sql in [
                "ALTER TABLE banking.transfers DISABLE TRIGGER ALL",
                &sql,
                "ALTER TABLE banking.transfers ENABLE TRIGGER ALL",
            ] {
                superuser.execute(statement(sql, [])).await.unwrap();
            }
            let found = neobank_domain::audit::violations(&bank.database)
                .await
                .unwrap();
            found
                .into_iter()
                .map(|one| format!("{one:?}"))
                .collect::<String>()
        }
    };
    let found = tamper(format!(
        "UPDATE banking.transfers SET reverses_transfer_id = transfer_id WHERE transfer_id = '{}'",
        receipt.transfer_id
    ))
    .await;
    assert!(
        found.contains("reversal goes back to its transfer"),
        "{found}"
    );
    let found = tamper(format!(
        "UPDATE banking.transfers SET reverses_transfer_id = '{}', amount = 100.01 WHERE transfer_id = '{}'",
        original.transfer_id, receipt.transfer_id
    ))
    .await;
    assert!(
        found.contains("reversals are within their transfer"),
        "{found}"
    );
    let found = tamper(format!(
        "UPDATE banking.transfers SET group_id = gen_random_uuid() WHERE transfer_id = '{}'",
        receipt.transfer_id
    ))
    .await;
    assert!(found.contains("transfer follows its group"), "{found}");
    let id = receipt.transfer_id;
    for change in [
        "transfer_type = 'fee'",
        "transfer_type = 'reversal', reverses_transfer_id = NULL",
        "transfer_type = 'exchange', reverses_transfer_id = NULL",
        "transfer_type = 'journal_entry', reverses_transfer_id = NULL, group_id = gen_random_uuid()",
    ] {
        let sql = format!("UPDATE banking.transfers SET {change} WHERE transfer_id = '{id}'");
        let found = tamper(sql).await;
        assert!(
            found.contains("transfer is of its type"),
            "{change}: {found}"
        );
    }
}
