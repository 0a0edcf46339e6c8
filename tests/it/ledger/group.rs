//! Groups: requests that are posted together or not at all.

use chrono::{Duration, Utc};
use neobank_db::{Executor, statement};
use neobank_domain::ledger::{
    Comparison, Condition, GroupReceipt, GroupRequest, JournalLine, Outcome, PostingKind,
    SystemAccount,
};
use neobank_domain::{
    AccountId, Ledger, LedgerError, PostingRequest, Rejection, Request, TransferRequest,
};

use crate::harness::{TestBank, czk};

on_both_versions!(
    group_is_posted_as_a_whole,
    rejected_step_undoes_the_steps_before_it,
    rejected_group_does_not_disturb_its_batch,
    group_is_replayed_under_its_key,
    concurrent_groups_with_one_key_are_posted_once,
    rejection_does_not_use_up_the_key,
    condition_is_checked_after_its_step,
    condition_of_an_optimistic_group_holds_at_its_commit,
    transfer_up_to_an_amount_moves_what_is_available,
    journal_entry_leaves_the_clearing_account_at_zero,
    clearing_posting_outside_a_group_is_rejected,
    expired_group_is_rejected,
    invalid_groups_are_rejected,
    database_error_of_one_step_leaves_no_trace_of_its_group,
    groups_of_many_callers_are_posted_whole,
);

fn reason(rejected: Result<GroupReceipt, LedgerError>) -> Rejection {
    match rejected {
        Err(LedgerError::Rejected(rejection)) => rejection,
        other => panic!("{other:?}"),
    }
}

fn at_step(rejected: Result<GroupReceipt, LedgerError>) -> (usize, Rejection) {
    match reason(rejected) {
        Rejection::GroupStep { step, reason } => (step, *reason),
        other => panic!("{other:?}"),
    }
}

/// Both ways of executing a group: in a transaction of its own, and by group commit.
fn both(bank: &TestBank) -> [Ledger; 2] {
    [bank.ledger.clone(), Ledger::new(bank.database.clone())]
}

async fn group_is_posted_as_a_whole(bank: TestBank) {
    for ledger in both(&bank) {
        let (payer, shop) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
        let group = GroupRequest::new()
            .with_step(TransferRequest::new(payer, shop, czk("99")))
            // The shop has the money of the step before.
            .with_step(PostingRequest::fee(shop, czk("1")))
            .with_step(TransferRequest::new(shop, payer, czk("98")))
            .with_description("Order 4711");
        let receipt = ledger.submit_group(group).await.unwrap();
        assert_eq!(receipt.transfers().count(), 3);
        let stored = bank
            .database
            .fetch_value::<i64>(statement(
                "SELECT count(*) FROM banking.transfers
                 WHERE group_id = $1 AND description = 'Order 4711' AND idempotency_key IS NULL",
                [receipt.group_id.as_uuid().into()],
            ))
            .await
            .unwrap();
        assert_eq!(stored, 3);
        assert_eq!(bank.balance(payer).await, czk("99"));
        assert_eq!(bank.balance(shop).await, czk("0"));
    }
    bank.assert_sound().await;
}

async fn rejected_step_undoes_the_steps_before_it(bank: TestBank) {
    for ledger in both(&bank) {
        let (payer, shop) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
        let before = bank.count("banking.transfers").await;
        let group = GroupRequest::new()
            .with_step(TransferRequest::new(payer, shop, czk("100")))
            .with_step(PostingRequest::fee(payer, czk("0.01")));
        let (step, reason) = at_step(ledger.submit_group(group).await);
        let expected = Rejection::InsufficientFunds {
            account: payer,
            available: czk("0"),
            requested: czk("0.01"),
        };
        assert_eq!((step, reason), (1, expected));
        assert_eq!(bank.balance(payer).await, czk("100"));
        assert_eq!(bank.count("banking.transfers").await, before);
    }
    bank.assert_sound().await;
}

async fn rejected_group_does_not_disturb_its_batch(bank: TestBank) {
    let (payer, shop) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let whole = |amounts: [&str; 2]| {
        amounts.iter().fold(GroupRequest::new(), |group, amount| {
            group.with_step(TransferRequest::new(payer, shop, czk(amount)))
        })
    };
    let requests: [Request; 5] = [
        TransferRequest::new(payer, shop, czk("10")).into(),
        whole(["50", "50"]).into(),
        whole(["40", "40"]).into(),
        whole(["5", "5.01"]).into(),
        TransferRequest::new(payer, shop, czk("10")).into(),
    ];
    let outcomes = bank.ledger.submit_all(&requests).await.unwrap();
    let posted: Vec<_> = outcomes
        .iter()
        .map(|outcome| outcome.receipts().count())
        .collect();
    assert_eq!(posted, [1, 0, 2, 0, 1]);
    assert!(
        matches!(outcomes[2], Outcome::GroupPosted(_)),
        "{outcomes:?}"
    );
    assert_eq!(bank.balance(payer).await, czk("0"));
    bank.assert_sound().await;
}

async fn group_is_replayed_under_its_key(bank: TestBank) {
    let (payer, shop) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let group = |last: &str| {
        GroupRequest::new()
            // Moves nothing: the shop has nothing yet.
            .with_step(TransferRequest::new(shop, payer, czk("1")).up_to_or_nothing())
            .with_step(TransferRequest::new(payer, shop, czk("60")))
            .with_step(TransferRequest::new(payer, shop, czk(last)))
            .with_idempotency_key("order-1")
    };
    let first = bank.ledger.submit_group(group("40")).await.unwrap();
    assert_eq!(
        first.steps.iter().map(Option::is_some).collect::<Vec<_>>(),
        [false, true, true]
    );
    for ledger in both(&bank) {
        // The money is gone, and the receipt is the first one.
        assert_eq!(ledger.submit_group(group("40")).await.unwrap(), first);
        let twice = [Request::from(group("40")), Request::from(group("40"))];
        for outcome in ledger.submit_all(&twice).await.unwrap() {
            assert_eq!(outcome, Outcome::GroupReplayed(first.clone()));
        }
        match reason(ledger.submit_group(group("39")).await) {
            Rejection::KeyReused {
                first: transfer, ..
            } => {
                assert_eq!(
                    Some(transfer),
                    first.transfers().next().map(|one| one.transfer_id)
                );
            }
            other => panic!("{other:?}"),
        }
        // One key space for groups and single requests.
        let single = TransferRequest::new(payer, shop, czk("60")).with_idempotency_key("order-1");
        let rejected = ledger.transfer(single).await;
        assert!(
            matches!(
                rejected,
                Err(LedgerError::Rejected(Rejection::KeyReused { .. }))
            ),
            "{rejected:?}"
        );
    }
    assert_eq!(bank.balance(shop).await, czk("100"));
    bank.assert_sound().await;
}

async fn concurrent_groups_with_one_key_are_posted_once(bank: TestBank) {
    let (payer, shop) = (
        bank.account(czk("1000")).await,
        bank.account(czk("0")).await,
    );
    let ledger = Ledger::new(bank.database.clone());
    for round in 0..10 {
        let calls = (0..16).map(|number| {
            let ledger = if number % 2 == 0 {
                ledger.clone()
            } else {
                bank.ledger.clone()
            };
            let group = GroupRequest::new()
                .with_step(TransferRequest::new(payer, shop, czk("1")))
                .with_step(TransferRequest::new(payer, shop, czk("2")))
                .with_idempotency_key(format!("round-{round}"));
            async move { ledger.submit_group(group).await.unwrap() }
        });
        let receipts = futures_util::future::join_all(calls).await;
        assert!(receipts.iter().all(|receipt| *receipt == receipts[0]));
    }
    assert_eq!(bank.balance(shop).await, czk("30"));
    bank.assert_sound().await;
}

async fn rejection_does_not_use_up_the_key(bank: TestBank) {
    let (payer, shop) = (bank.account(czk("1")).await, bank.account(czk("0")).await);
    for (number, ledger) in both(&bank).into_iter().enumerate() {
        let group = GroupRequest::new()
            .with_step(TransferRequest::new(payer, shop, czk("2")))
            .with_idempotency_key(format!("late {number}"));
        at_step(ledger.submit_group(group.clone()).await);
        ledger
            .submit(PostingRequest::deposit(payer, czk("1")))
            .await
            .unwrap();
        // The late retry is a new decision, and it is posted.
        ledger.submit_group(group).await.unwrap();
        ledger
            .submit(PostingRequest::deposit(payer, czk("1")))
            .await
            .unwrap();
    }
    assert_eq!(bank.balance(shop).await, czk("4"));
    bank.assert_sound().await;
}

async fn condition_is_checked_after_its_step(bank: TestBank) {
    let (payer, shop) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let version = bank.find(payer).await.version;
    let pay = |amount: &str| {
        GroupRequest::new().with_step(TransferRequest::new(payer, shop, czk(amount)))
    };
    let rejected = [
        (
            Condition::balance(payer, Comparison::AtLeast, czk("90.01")),
            "balance 90.00 CZK",
        ),
        (
            Condition::available(payer, Comparison::Above, czk("90")),
            "available balance 90.00 CZK",
        ),
        (
            Condition::balance(shop, Comparison::Equal, czk("0")),
            "balance 10.00 CZK",
        ),
        (
            Condition::balance(shop, Comparison::Below, czk("10")),
            "balance 10.00 CZK",
        ),
        (
            Condition::balance(shop, Comparison::AtMost, czk("9.99")),
            "balance 10.00 CZK",
        ),
        (
            Condition::version(payer, version),
            &format!("version {}", version + 1),
        ),
    ];
    for ledger in both(&bank) {
        for (condition, value) in rejected.clone() {
            let group = pay("10").with_condition(condition.clone());
            match at_step(ledger.submit_group(group).await) {
                (
                    0,
                    Rejection::ConditionFailed {
                        account,
                        condition: shown,
                        found,
                    },
                ) => {
                    assert_eq!(account, condition.account);
                    assert_eq!(
                        (shown, found.as_str()),
                        (condition.measure.to_string(), value)
                    );
                }
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(bank.balance(payer).await, czk("100"));
    let group = pay("10")
        .with_condition(Condition::version(payer, version + 1))
        .with_condition(Condition::balance(shop, Comparison::Equal, czk("10")))
        .with_step(TransferRequest::new(payer, shop, czk("90")))
        .with_condition(Condition::available(payer, Comparison::AtMost, czk("0")));
    bank.ledger.submit_group(group).await.unwrap();
    bank.assert_sound().await;
}

/// The cached account is stale: another process has paid into it.
async fn condition_of_an_optimistic_group_holds_at_its_commit(bank: TestBank) {
    let ledger = Ledger::new(bank.database.clone());
    let (payer, shop, watched) = (
        bank.account(czk("100")).await,
        bank.account(czk("0")).await,
        bank.account(czk("5")).await,
    );
    let group = || {
        GroupRequest::new()
            .with_step(TransferRequest::new(payer, shop, czk("1")))
            .with_condition(Condition::balance(watched, Comparison::AtMost, czk("5")))
    };
    ledger.submit_group(group()).await.unwrap();
    ledger.submit_group(group()).await.unwrap();
    assert!(ledger.account_cache_metrics().committed > 0);
    bank.ledger
        .submit(PostingRequest::deposit(watched, czk("1")))
        .await
        .unwrap();
    let (step, reason) = at_step(ledger.submit_group(group()).await);
    assert_eq!(step, 0);
    assert!(
        matches!(reason, Rejection::ConditionFailed { .. }),
        "{reason:?}"
    );
    assert_eq!(bank.balance(shop).await, czk("2"));
    bank.assert_sound().await;
}

async fn transfer_up_to_an_amount_moves_what_is_available(bank: TestBank) {
    for ledger in both(&bank) {
        let (payer, shop) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
        let up_to = |amount: &str, key: &str| {
            TransferRequest::new(payer, shop, czk(amount))
                .up_to()
                .with_idempotency_key(format!("{payer} {key}"))
        };
        let first = ledger.transfer(up_to("60", "a")).await.unwrap();
        assert_eq!(first.amount, czk("60"));
        let second = ledger.transfer(up_to("60", "b")).await.unwrap();
        assert_eq!(second.amount, czk("40"));
        // The hash is that of the request: the same request gets its receipt, with what moved.
        assert_eq!(ledger.transfer(up_to("60", "b")).await.unwrap(), second);
        let nothing = ledger.transfer(up_to("60", "c")).await;
        assert!(
            matches!(
                nothing,
                Err(LedgerError::Rejected(Rejection::InsufficientFunds { .. }))
            ),
            "{nothing:?}"
        );
        let other = ledger
            .transfer(
                TransferRequest::new(payer, shop, czk("60"))
                    .with_idempotency_key(format!("{payer} b")),
            )
            .await;
        assert!(
            matches!(
                other,
                Err(LedgerError::Rejected(Rejection::KeyReused { .. }))
            ),
            "{other:?}"
        );
        // A group of which no step moves anything is rejected.
        let nothing = GroupRequest::new()
            .with_step(TransferRequest::new(payer, shop, czk("1")).up_to_or_nothing());
        assert_eq!(
            reason(ledger.submit_group(nothing).await),
            Rejection::NothingMoved
        );
        assert_eq!(bank.balance(shop).await, czk("100"));
    }
    bank.assert_sound().await;
}

async fn journal_entry_leaves_the_clearing_account_at_zero(bank: TestBank) {
    let [salary, tax, net] = [
        bank.account(czk("1000")).await,
        bank.account(czk("0")).await,
        bank.account(czk("0")).await,
    ];
    for ledger in both(&bank) {
        let before = bank.find(salary).await.last_entry_number;
        let lines = [
            JournalLine::credit(tax, czk("75.50")).with_description("Tax"),
            JournalLine::debit(salary, czk("500")),
            JournalLine::credit(net, czk("424.50")),
        ];
        let receipt = ledger
            .submit_group(GroupRequest::journal_entry(lines).with_description("Salary"))
            .await
            .unwrap();
        assert_eq!(receipt.transfers().count(), 3);
        // One line on the statement of each account.
        assert_eq!(bank.find(salary).await.last_entry_number, before + 1);
        let clearing = SystemAccount::Clearing.id(czk("0").currency());
        assert_eq!(bank.balance(clearing).await, czk("0"));
    }
    let texts = bank
        .database
        .fetch_value::<String>(statement(
            "SELECT string_agg(DISTINCT description, ', ' ORDER BY description)
             FROM banking.transfers WHERE transfer_type = 'journal_entry'",
            [],
        ))
        .await
        .unwrap();
    assert_eq!(texts, "Salary, Tax");
    let unbalanced = GroupRequest::journal_entry([
        JournalLine::debit(tax, czk("1")),
        JournalLine::credit(net, czk("1.01")),
    ]);
    assert_eq!(
        reason(bank.ledger.submit_group(unbalanced).await),
        Rejection::Unbalanced {
            currency: czk("0").currency(),
            sum: czk("0.01").amount(),
        }
    );
    assert_eq!(bank.balance(tax).await, czk("151"));
    bank.assert_sound().await;
}

async fn clearing_posting_outside_a_group_is_rejected(bank: TestBank) {
    let account = bank.account(czk("1")).await;
    let direction = neobank_domain::ledger::EntryType::Debit;
    let posting = PostingRequest::new(account, PostingKind::Clearing, direction, czk("1"));
    let rejected = bank.ledger.submit(posting).await;
    assert!(
        matches!(
            rejected,
            Err(LedgerError::Rejected(Rejection::Unbalanced { .. }))
        ),
        "{rejected:?}"
    );
    // The database rejects it too, whatever a client says.
    let open = "SELECT banking.open_system_accounts('CZK')";
    bank.database.execute(statement(open, [])).await.unwrap();
    let post = |to: AccountId| {
        format!(
            "SELECT banking.post_transfers(
                 ARRAY[banking.uuid_v7()], ARRAY['adjustment'], ARRAY[1.0], ARRAY['CZK'],
                 ARRAY[''], ARRAY[NULL]::text[], ARRAY[NULL]::bytea[], ARRAY[clock_timestamp()],
                 ARRAY['{account}'::uuid], ARRAY[debit.last_entry_number + 1],
                 ARRAY[debit.current_balance - 1], ARRAY[banking.uuid_v7()], ARRAY[''],
                 ARRAY['{to}'::uuid], ARRAY[credit.last_entry_number + 1],
                 ARRAY[credit.current_balance + 1], ARRAY[banking.uuid_v7()], ARRAY[''])
             FROM banking.accounts AS debit, banking.accounts AS credit
             WHERE debit.account_id = '{account}' AND credit.account_id = '{to}'"
        )
    };
    let clearing = SystemAccount::Clearing.id(czk("0").currency());
    let rejected = bank.database.execute(statement(&post(clearing), [])).await;
    let state = rejected.unwrap_err();
    assert_eq!(
        state.server().map(|server| server.sqlstate.as_str()),
        Some("NB002")
    );
    // The same call to another of the bank's accounts is accepted.
    let fees = SystemAccount::Fees.id(czk("0").currency());
    bank.database
        .execute(statement(&post(fees), []))
        .await
        .unwrap();
    bank.assert_sound().await;
}

async fn expired_group_is_rejected(bank: TestBank) {
    let (payer, shop) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    for ledger in both(&bank) {
        let group = |seconds: i64| {
            GroupRequest::new()
                .with_step(TransferRequest::new(payer, shop, czk("1")))
                .with_expiry(Utc::now() + Duration::seconds(seconds))
        };
        ledger.submit_group(group(600)).await.unwrap();
        let rejected = reason(ledger.submit_group(group(-600)).await);
        assert!(
            matches!(rejected, Rejection::GroupExpired { .. }),
            "{rejected:?}"
        );
    }
    assert_eq!(bank.balance(shop).await, czk("2"));
}

async fn invalid_groups_are_rejected(bank: TestBank) {
    let (payer, shop) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let pay = || TransferRequest::new(payer, shop, czk("1"));
    let ledger = &bank.ledger;
    let empty = ledger.submit_group(GroupRequest::new()).await;
    assert_eq!(reason(empty), Rejection::GroupSize { steps: 0 });
    let large =
        (0..=GroupRequest::STEPS_MAX).fold(GroupRequest::new(), |group, _| group.with_step(pay()));
    assert_eq!(
        reason(ledger.submit_group(large).await),
        Rejection::GroupSize {
            steps: GroupRequest::STEPS_MAX + 1
        }
    );
    let nested = GroupRequest::new()
        .with_step(pay())
        .with_step(GroupRequest::new().with_step(pay()));
    assert_eq!(
        at_step(ledger.submit_group(nested).await),
        (1, Rejection::NestedGroup)
    );
    let keyed = GroupRequest::new().with_step(pay().with_idempotency_key("own"));
    let key = "own".to_owned();
    assert_eq!(
        at_step(ledger.submit_group(keyed).await),
        (0, Rejection::KeyInGroup { key })
    );
    let unknown = AccountId::new();
    let stranger = GroupRequest::new()
        .with_step(pay())
        .with_condition(Condition::version(unknown, 1));
    assert_eq!(
        at_step(ledger.submit_group(stranger).await),
        (0, Rejection::UnknownAccount { account: unknown })
    );
    assert_eq!(bank.balance(shop).await, czk("0"));
}

/// A trigger of the bank rejects one payee, which only the database knows.
async fn database_error_of_one_step_leaves_no_trace_of_its_group(bank: TestBank) {
    let (payer, shop, refused) = (
        bank.account(czk("1000")).await,
        bank.account(czk("0")).await,
        bank.account(czk("0")).await,
    );
    let others: Vec<AccountId> =
        futures_util::future::join_all((0..8).map(|_| bank.account(czk("10")))).await;
    let superuser = bank.superuser().await;
    for sql in [
        format!(
            "CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN
                 IF NEW.to_account_id = '{refused}' THEN RAISE EXCEPTION 'not this payee'; END IF;
                 RETURN NEW;
             END $$"
        ),
        "CREATE TRIGGER refuse BEFORE INSERT ON banking.transfers
         FOR EACH ROW EXECUTE FUNCTION public.refuse()"
            .to_owned(),
    ] {
        superuser.execute(statement(&sql, [])).await.unwrap();
    }
    let ledger = Ledger::new(bank.database.clone());
    for round in 0..5 {
        let bad = GroupRequest::new()
            .with_step(TransferRequest::new(payer, shop, czk("1")))
            .with_step(TransferRequest::new(payer, refused, czk("1")))
            .with_step(TransferRequest::new(payer, shop, czk("1")));
        let good = GroupRequest::new()
            .with_step(TransferRequest::new(payer, shop, czk("2")))
            .with_step(TransferRequest::new(payer, shop, czk("3")));
        let singles = others.iter().zip(others.iter().cycle().skip(1));
        let singles = singles.map(|(from, to)| {
            let (ledger, from, to) = (ledger.clone(), *from, *to);
            async move {
                ledger
                    .transfer(TransferRequest::new(from, to, czk("1")))
                    .await
                    .map(drop)
            }
        });
        let (bad, good, singles) = tokio::join!(
            ledger.submit_group(bad),
            ledger.submit_group(good),
            futures_util::future::join_all(singles),
        );
        assert!(
            matches!(bad, Err(LedgerError::Database(_))),
            "{round}: {bad:?}"
        );
        good.unwrap();
        for single in singles {
            single.unwrap();
        }
    }
    assert_eq!(bank.balance(shop).await, czk("25"));
    assert_eq!(bank.balance(refused).await, czk("0"));
    superuser
        .execute(statement("DROP TRIGGER refuse ON banking.transfers", []))
        .await
        .unwrap();
    bank.assert_sound().await;
}

async fn groups_of_many_callers_are_posted_whole(bank: TestBank) {
    let ledger = Ledger::new(bank.database.clone());
    let accounts: Vec<AccountId> =
        futures_util::future::join_all((0..6).map(|_| bank.account(czk("50")))).await;
    let callers = (0..32_usize).map(|caller| {
        let (ledger, accounts) = (ledger.clone(), accounts.clone());
        async move {
            let mut posted = 0_u32;
            for round in 0..20_usize {
                let account = |offset: usize| accounts[(caller + offset * (round + 1)) % 6];
                let pair = [(account(0), account(1)), (account(1), account(2))];
                if pair.iter().any(|(from, to)| from == to) {
                    continue;
                }
                let group = pair.iter().fold(GroupRequest::new(), |group, (from, to)| {
                    group.with_step(TransferRequest::new(*from, *to, czk("20")))
                });
                match ledger.submit_group(group).await {
                    Ok(receipt) => {
                        assert_eq!(receipt.transfers().count(), 2);
                        posted += 1;
                    }
                    Err(LedgerError::Rejected(Rejection::GroupStep { .. })) => {}
                    Err(other) => panic!("{other:?}"),
                }
            }
            posted
        }
    });
    let posted: u32 = futures_util::future::join_all(callers)
        .await
        .into_iter()
        .sum();
    let broken = bank
        .database
        .fetch_value::<i64>(statement(
            "SELECT count(*) FROM (SELECT FROM banking.transfers WHERE group_id IS NOT NULL
                                   GROUP BY group_id HAVING count(*) <> 2) AS broken",
            [],
        ))
        .await
        .unwrap();
    assert_eq!(broken, 0);
    let groups = bank
        .database
        .fetch_value::<i64>(statement(
            "SELECT count(DISTINCT group_id) FROM banking.transfers",
            [],
        ))
        .await
        .unwrap();
    assert_eq!(groups, i64::from(posted));
    assert!(posted > 0);
    bank.assert_sound().await;
}
