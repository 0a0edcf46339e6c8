//! Every change is recorded with its values and its actor, and posting is not.

use neobank_db::{Executor, statement};
use neobank_domain::accounts::{self, NewAccount};
use neobank_domain::change_log::{self, Change, ChangeFilter, ChangeOperation};
use neobank_domain::customers::{self, CustomerStatus, CustomerUpdate, NewCustomer};
use neobank_domain::ledger::HoldRequest;
use neobank_domain::preferences::{self, PreferenceUpdate};
use neobank_domain::{
    AccountType, Currency, Ledger, LedgerError, PostingRequest, Rejection, TransferRequest,
};
use serde_json::{Value, json};

use super::changes;
use crate::harness::{TestBank, czk};

on_both_versions!(
    each_change_is_recorded_with_its_values_and_actor,
    changes_of_sql_users_are_recorded,
    blocking_of_a_customer_is_recorded_for_each_account,
    posting_and_changes_of_nothing_are_not_recorded,
    change_without_a_required_actor_is_rejected,
);

fn seen(change: &Change) -> (&str, ChangeOperation, Value, Value) {
    (
        change.table_name.as_str(),
        change.operation,
        Value::Object(change.old_values.clone()),
        Value::Object(change.new_values.clone()),
    )
}

async fn each_change_is_recorded_with_its_values_and_actor(bank: TestBank) {
    let teller = bank.ledger.acting_as("teller:42".parse().unwrap());
    let change = teller.begin_change().await.unwrap();
    let new = NewCustomer::individual("Ada", "Byron");
    let customer = customers::create(&change, &new).await.unwrap().customer_id;
    let mut update = CustomerUpdate::default();
    update.last_name = Some("Lovelace".to_owned());
    customers::update(&change, customer, &update).await.unwrap();
    let new = NewAccount::new(
        customer,
        AccountType::Savings,
        Currency::from_code("CZK").unwrap(),
    );
    let account = accounts::open(&change, &new).await.unwrap().account_id;
    accounts::set_overdraft_limit(&change, account, czk("1000000000000000.01"))
        .await
        .unwrap();
    accounts::freeze(&change, account).await.unwrap();
    for text in [
        r#"{"language": "cs", "paper": true}"#,
        r#"{"paper": false, "size": 3}"#,
    ] {
        let update = PreferenceUpdate::from_json(customer, text).unwrap();
        preferences::merge(&change, &[update]).await.unwrap();
    }
    preferences::remove(&change, customer, &["language".to_owned()])
        .await
        .unwrap();
    change.commit().await.unwrap();

    let of_customer = ChangeFilter::default().with_customer(customer);
    let all = changes(&bank.database, &of_customer).await;
    for change in &all {
        assert_eq!(change.actor.as_deref(), Some("teller:42"), "{change:?}");
        assert_eq!(change.customer_id, Some(customer));
        assert!(
            all.windows(2)
                .all(|pair| pair[0].changed_at <= pair[1].changed_at)
        );
    }
    let created = &all[0].new_values;
    assert_eq!(created["first_name"], "Ada");
    assert!(!created.contains_key("email") && !created.contains_key("created_at"));
    let opened = &all[2].new_values;
    assert_eq!(
        (&opened["account_status"], &opened["overdraft_limit"]),
        (&json!("active"), &json!("0"))
    );
    assert!(!opened.contains_key("current_balance") && !opened.contains_key("version"));
    let rest: Vec<_> = [1, 3, 4, 5, 6, 7].map(|place| seen(&all[place])).into();
    let update = ChangeOperation::Update;
    assert_eq!(
        rest,
        [
            (
                "customers",
                update,
                json!({"last_name": "Byron"}),
                json!({"last_name": "Lovelace"})
            ),
            (
                "accounts",
                update,
                json!({"overdraft_limit": "0"}),
                json!({"overdraft_limit": "1000000000000000.01"})
            ),
            (
                "accounts",
                update,
                json!({"account_status": "active"}),
                json!({"account_status": "frozen"})
            ),
            (
                "customer_preferences",
                ChangeOperation::Insert,
                json!({}),
                json!({"language": "cs", "paper": true})
            ),
            (
                "customer_preferences",
                update,
                json!({"paper": true}),
                json!({"paper": false, "size": 3})
            ),
            (
                "customer_preferences",
                update,
                json!({"language": "cs"}),
                json!({})
            ),
        ]
    );
    let of_account = ChangeFilter::default().with_account(account);
    let of_account = changes(&bank.database, &of_account).await;
    assert_eq!(of_account, [all[2].clone(), all[3].clone(), all[4].clone()]);
    bank.assert_sound().await;
}

async fn changes_of_sql_users_are_recorded(bank: TestBank) {
    let account = bank.account(czk("5")).await;
    let superuser = bank.superuser().await;
    let sql = "UPDATE banking.accounts SET time_zone = 'Europe/Prague' WHERE account_id = $1";
    let transaction = bank.database.begin().await.unwrap();
    let actor = "SET LOCAL neobank.actor = 'sql:eve'";
    transaction.execute(statement(actor, [])).await.unwrap();
    let named = [account.as_uuid().into()];
    transaction
        .execute(statement(sql, named.clone()))
        .await
        .unwrap();
    transaction.commit().await.unwrap();
    // The owner's update too, and without an actor.
    let back = "UPDATE banking.accounts SET time_zone = 'UTC' WHERE account_id = $1";
    superuser.execute(statement(back, named)).await.unwrap();

    let of_account = ChangeFilter::default().with_account(account);
    let found = changes(&bank.database, &of_account).await;
    let who: String = bank
        .database
        .fetch_value(statement("SELECT session_user::text", []))
        .await
        .unwrap();
    let seen: Vec<_> = found[1..]
        .iter()
        .map(|change| {
            assert_eq!(change.database_role, who);
            (
                change.actor.as_deref(),
                change.new_values["time_zone"].clone(),
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            (Some("sql:eve"), json!("Europe/Prague")),
            (None, json!("UTC"))
        ]
    );
    let by_eve =
        ChangeFilter::default().with_actor("sql:eve".parse::<neobank_domain::ledger::Actor>().ok());
    assert_eq!(changes(&bank.database, &by_eve).await, [found[1].clone()]);
}

async fn blocking_of_a_customer_is_recorded_for_each_account(bank: TestBank) {
    let account = bank.account(czk("5")).await;
    let customer = bank.find(account).await.customer_id.unwrap();
    let officer = bank.ledger.acting_as("officer:1".parse().unwrap());
    let change = officer.begin_change().await.unwrap();
    let update = CustomerUpdate::default().with_customer_status(CustomerStatus::Suspended);
    customers::update(&change, customer, &update).await.unwrap();
    change.commit().await.unwrap();
    let filter = ChangeFilter::default()
        .with_customer(customer)
        .with_actor("officer:1".parse::<neobank_domain::ledger::Actor>().ok());
    let found = changes(&bank.database, &filter).await;
    let statuses: Vec<_> = found.iter().map(|change| seen(change).3).collect();
    assert_eq!(statuses.len(), 2);
    assert!(statuses.contains(&json!({"account_status": "blocked"})));
    assert!(statuses.contains(&json!({"customer_status": "suspended"})));
}

async fn posting_and_changes_of_nothing_are_not_recorded(bank: TestBank) {
    let (one, two) = (bank.account(czk("50")).await, bank.account(czk("0")).await);
    let customer = bank.find(one).await.customer_id.unwrap();
    let before = bank.count("banking.change_log").await;
    bank.ledger
        .transfer(TransferRequest::new(one, two, czk("1")))
        .await
        .unwrap();
    bank.ledger
        .submit(PostingRequest::withdrawal(one, czk("1")))
        .await
        .unwrap();
    bank.ledger
        .hold(HoldRequest::new(one, czk("3")))
        .await
        .unwrap();
    let same = CustomerUpdate::default().with_customer_status(CustomerStatus::Active);
    customers::update(&bank.database, customer, &same)
        .await
        .unwrap();
    accounts::set_overdraft_limit(&bank.database, one, czk("0"))
        .await
        .unwrap();
    assert_eq!(bank.count("banking.change_log").await, before);
}

async fn change_without_a_required_actor_is_rejected(bank: TestBank) {
    let account = bank.account(czk("5")).await;
    let strict = Ledger::builder(bank.database.clone())
        .require_actor()
        .build()
        .unwrap();
    let error = strict.begin_change().await.unwrap_err();
    assert!(
        matches!(error, LedgerError::Rejected(Rejection::ActorRequired)),
        "{error:?}"
    );
    let change = strict
        .acting_as("teller:1".parse().unwrap())
        .begin_change()
        .await
        .unwrap();
    accounts::freeze(&change, account).await.unwrap();
    change.commit().await.unwrap();
    // For every program, by a setting of the database.
    let superuser = bank.superuser().await;
    let sql = "DO $$BEGIN EXECUTE format('ALTER DATABASE %I SET neobank.require_actor = on', current_database()); END$$";
    superuser.execute(statement(sql, [])).await.unwrap();
    let fresh = neobank_db::Database::connect(bank.config()).await.unwrap();
    let error = accounts::unfreeze(&fresh, account).await.unwrap_err();
    let accounts::AccountError::Database(error) = error else {
        panic!("{error:?}")
    };
    assert_eq!(error.server().unwrap().sqlstate, "NB006");
    let transaction = fresh.begin().await.unwrap();
    change_log::act_as(&transaction, &"teller:2".parse().unwrap())
        .await
        .unwrap();
    accounts::unfreeze(&transaction, account).await.unwrap();
    transaction.commit().await.unwrap();
}
