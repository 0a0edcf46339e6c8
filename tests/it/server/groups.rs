//! Groups: all steps or none, conditions, reversals, and who may do what.

use neobank_domain::AccountId;
use neobank_domain::api_keys::Scope;
use neobank_server::Limits;
use serde_json::{Value, json};

use super::{Service, amount, assert_problem, key, post};
use crate::harness::{TestBank, czk};

on_both_versions!(
    steps_of_every_kind_are_posted_together_and_reversed,
    rejected_step_is_named_and_nothing_is_posted,
    conditions_must_hold_after_their_steps,
    wrong_members_of_groups_are_named_by_their_path,
    group_of_a_bound_key_uses_its_own_accounts_only,
    holds_and_releases_are_steps,
    hold_steps_need_their_scope_and_binding,
    group_of_releases_is_shown_and_a_single_hold_is_no_group,
);

fn transfer(from: AccountId, to: AccountId, text: &str) -> Value {
    json!({ "transfer": { "from": from, "to": to, "amount": amount(text) } })
}

fn line(account: AccountId, side: &str, text: &str) -> Value {
    json!({ "journal_line": { "account": account, "side": side, "amount": amount(text) } })
}

async fn steps_of_every_kind_are_posted_together_and_reversed(bank: TestBank) {
    let service = Service::on(&bank, Limits::default()).await;
    let bearer = key(&bank, &[Scope::Admin], |_| {}).await;
    let (a, b) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let hold = json!({ "account": a, "amount": amount("10"), "to": b });
    let hold = post(&service, &bearer, "/v1/holds", "hold", &hold).await;
    let paid = json!({ "from": a, "to": b, "amount": amount("30") });
    let paid = post(&service, &bearer, "/v1/transfers", "pay", &paid).await;
    let group = json!({
        "description": "Order 4711",
        "metadata": { "order": 4711 },
        "steps": [
            transfer(a, b, "5"),
            { "posting": { "account": a, "kind": "fee", "amount": amount("1"), "description": "Fee" } },
            line(a, "debit", "2"),
            line(b, "credit", "2"),
            { "capture": { "hold": hold.body["hold_id"] } },
            { "reversal": { "transfer": paid.body["transfer_id"], "amount": amount("4") } },
            { "transfer": { "from": b, "to": a, "amount": amount("0.50"), "up_to": true, "or_nothing": true } },
        ],
    });
    let posted = post(&service, &bearer, "/v1/groups", "group", &group).await;
    assert_eq!(posted.status, 201, "{posted:?}");
    let path = format!("/v1/groups/{}", posted.body["group_id"].as_str().unwrap());
    assert!(posted.has(&format!("location: {path}")), "{posted:?}");
    let steps = posted.body["steps"].as_array().unwrap();
    let types: Vec<_> = steps
        .iter()
        .map(|one| one["transfer_type"].as_str().unwrap())
        .collect();
    assert_eq!(
        types,
        [
            "transfer",
            "fee",
            "journal_entry",
            "journal_entry",
            "transfer",
            "reversal",
            "transfer"
        ]
    );
    assert_eq!(bank.balance(a).await, czk("56.50"));
    assert_eq!(bank.balance(b).await, czk("42.50"));
    let again = post(&service, &bearer, "/v1/groups", "group", &group).await;
    assert!(again.has("idempotency-replayed: true"), "{again:?}");
    assert_eq!(again.body, posted.body);
    let other = json!({ "steps": [transfer(a, b, "5")] });
    let other = post(&service, &bearer, "/v1/groups", "group", &other).await;
    assert_problem(&other, 409, "key_reused");

    let shown = service.send("GET", &path, &[&bearer], "").await;
    assert_eq!(shown.status, 200, "{shown:?}");
    let shown = shown.body["transfers"].as_array().unwrap();
    assert_eq!(shown.len(), 7);
    for (shown, step) in shown.iter().zip(steps) {
        assert_eq!(shown["transfer_id"], step["transfer_id"]);
        assert_eq!(shown["metadata"]["order"], 4711);
    }
    assert_eq!(
        (&shown[0]["description"], &shown[1]["description"]),
        (&"Order 4711".into(), &"Fee".into())
    );

    // A group with a reversal cannot be reversed.
    let reversals = format!("{path}/reversals");
    let denied = post(&service, &bearer, &reversals, "back", &json!({})).await;
    assert_problem(&denied, 422, "group_step");
    assert_eq!(
        denied.body["details"]["reason"]["kind"],
        "reversal_of_reversal"
    );
    let group =
        json!({ "steps": [transfer(a, b, "6"), line(b, "debit", "3"), line(a, "credit", "3")] });
    let posted = post(&service, &bearer, "/v1/groups", "next", &group).await;
    let path = format!(
        "/v1/groups/{}/reversals",
        posted.body["group_id"].as_str().unwrap()
    );
    let back = post(
        &service,
        &bearer,
        &path,
        "back",
        &json!({ "description": "Sorry" }),
    )
    .await;
    assert_eq!(back.status, 201, "{back:?}");
    assert_eq!(
        back.body["steps"][2]["reverses"],
        posted.body["steps"][0]["transfer_id"]
    );
    let again = post(
        &service,
        &bearer,
        &path,
        "back",
        &json!({ "description": "Sorry" }),
    )
    .await;
    assert!(again.has("idempotency-replayed: true"), "{again:?}");
    assert_eq!(bank.balance(a).await, czk("56.50"));
    let unknown = "/v1/groups/01a20965-a098-7575-9a06-6fd66fbd3c75";
    assert_problem(
        &service.send("GET", unknown, &[&bearer], "").await,
        404,
        "unknown_group",
    );
    let unknown = format!("{unknown}/reversals");
    assert_problem(
        &post(&service, &bearer, &unknown, "u", &json!({})).await,
        404,
        "unknown_group",
    );
    bank.assert_sound().await;
}

async fn rejected_step_is_named_and_nothing_is_posted(bank: TestBank) {
    let service = Service::on(&bank, Limits::default()).await;
    let bearer = key(
        &bank,
        &[Scope::TransfersWrite, Scope::AdjustmentsWrite],
        |_| {},
    )
    .await;
    let (a, b) = (bank.account(czk("10")).await, bank.account(czk("0")).await);
    let before = bank.fingerprint().await;
    let group = json!({ "steps": [transfer(a, b, "6"), transfer(a, b, "6")] });
    let poor = post(&service, &bearer, "/v1/groups", "poor", &group).await;
    assert_problem(&poor, 422, "group_step");
    assert_eq!(poor.body["field"], "steps[1]");
    assert_eq!(poor.body["details"]["step"], "1");
    assert_eq!(poor.body["details"]["reason"]["kind"], "insufficient_funds");
    for (steps, kind, field) in [
        (json!([line(a, "debit", "1")]), "unbalanced", Value::Null),
        (json!([]), "group_size", Value::Null),
        (
            json!([transfer(a, b, "0")]),
            "group_step",
            json!("steps[0]"),
        ),
        (
            json!([transfer(a, b, "1"), transfer(a, b, "1.234")]),
            "amount",
            json!("steps[1].transfer.amount.amount"),
        ),
        (
            json!([{ "reversal": { "transfer": "01a20965-a098-7575-9a06-6fd66fbd3c75" } }]),
            "group_step",
            json!("steps[0]"),
        ),
        (
            json!([{ "transfer": { "from": b, "to": a, "amount": amount("1"), "up_to": true,
                "or_nothing": true } }]),
            "nothing_moved",
            Value::Null,
        ),
    ] {
        let group = json!({ "steps": steps });
        let answer = post(&service, &bearer, "/v1/groups", "wrong", &group).await;
        assert_eq!(
            (&answer.body["kind"], &answer.body["field"]),
            (&kind.into(), &field),
            "{answer:?}"
        );
    }
    let late = json!({ "steps": [transfer(a, b, "1")], "expires_at": "2001-01-01T00:00:00Z" });
    let late = post(&service, &bearer, "/v1/groups", "late", &late).await;
    assert_problem(&late, 422, "group_expired");
    assert_eq!(bank.fingerprint().await, before);
}

async fn conditions_must_hold_after_their_steps(bank: TestBank) {
    let service = Service::on(&bank, Limits::default()).await;
    let bearer = key(&bank, &[Scope::TransfersWrite], |_| {}).await;
    let (a, b) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let steps = json!([transfer(a, b, "6"), transfer(b, a, "1")]);
    let after = amount("94");
    for (number, (condition, holds)) in [
        (
            json!({ "account": a, "step": 0, "balance": { "eq": after } }),
            true,
        ),
        (json!({ "account": a, "balance": { "eq": after } }), false),
        (
            json!({ "account": a, "step": 0, "available": { "lt": amount("10") } }),
            false,
        ),
        (
            json!({ "account": b, "step": 1, "available": { "gt": amount("100") } }),
            false,
        ),
        (json!({ "account": b, "version": "999" }), false),
    ]
    .into_iter()
    .enumerate()
    {
        let group = json!({ "steps": steps, "conditions": [condition] });
        let answer = post(
            &service,
            &bearer,
            "/v1/groups",
            &format!("k-{number}"),
            &group,
        )
        .await;
        if holds {
            assert_eq!(answer.status, 201, "{condition}: {answer:?}");
            continue;
        }
        assert_problem(&answer, 422, "group_step");
        assert_eq!(
            answer.body["details"]["reason"]["kind"], "condition_failed",
            "{condition}"
        );
    }
    assert_eq!(bank.balance(a).await, czk("95"));
}

async fn wrong_members_of_groups_are_named_by_their_path(bank: TestBank) {
    let service = Service::on(&bank, Limits::default()).await;
    let bearer = key(&bank, &[Scope::Admin], |_| {}).await;
    let (a, b) = (bank.account(czk("10")).await, bank.account(czk("0")).await);
    let mut keyed = transfer(a, b, "1");
    keyed["transfer"]["idempotency_key"] = json!("k");
    let mut two = transfer(a, b, "1");
    two["posting"] = json!({ "account": a, "kind": "fee", "amount": amount("1") });
    let good = json!([transfer(a, b, "1")]);
    let condition = |condition: Value| json!({ "steps": good, "conditions": [condition] });
    for (group, field) in [
        (
            json!({ "steps": [keyed] }),
            "steps[0].transfer.idempotency_key",
        ),
        (json!({ "steps": [transfer(a, b, "1"), two] }), "steps[1]"),
        (json!({ "steps": [{}] }), "steps[0]"),
        (json!({ "steps": [["x"]] }), "steps[0]"),
        (
            json!({ "steps": [{ "transfer": ["x"] }] }),
            "steps[0].transfer",
        ),
        (json!({ "steps": [{ "group": {} }] }), "steps[0].group"),
        (
            json!({ "steps": [line(a, "left", "1")] }),
            "steps[0].journal_line.side",
        ),
        (json!({ "steps": {} }), "steps"),
        (json!({ "steps": good, "expires_at": "x" }), "expires_at"),
        (condition(json!({ "account": a })), "conditions[0]"),
        (
            condition(json!({ "account": a, "version": 7 })),
            "conditions[0].version",
        ),
        (
            condition(json!({ "account": a, "version": "7", "step": 1 })),
            "conditions[0].step",
        ),
        (
            condition(json!({ "account": a, "balance": { "ne": amount("1") } })),
            "conditions[0].balance.ne",
        ),
        (
            condition(json!({ "account": a, "balance": {} })),
            "conditions[0].balance",
        ),
        (
            condition(json!({ "account": a, "version": "7", "balance": { "eq": amount("1") } })),
            "conditions[0]",
        ),
    ] {
        let answer = post(&service, &bearer, "/v1/groups", "wrong", &group).await;
        assert_problem(&answer, 422, "invalid");
        assert_eq!(answer.body["field"], field, "{answer:?}");
    }
    assert_eq!(bank.balance(b).await, czk("0"));
}

async fn group_of_a_bound_key_uses_its_own_accounts_only(bank: TestBank) {
    let service = Service::on(&bank, Limits::default()).await;
    let (own, other) = (bank.account(czk("50")).await, bank.account(czk("77")).await);
    let scopes = [
        Scope::TransfersWrite,
        Scope::AdjustmentsWrite,
        Scope::AccountsRead,
    ];
    let bound = key(&bank, &scopes, |new| new.bindings.accounts = vec![own]).await;
    let free = key(&bank, &scopes, |_| {}).await;
    let transfers = key(&bank, &scopes[..1], |_| {}).await;
    let third = bank.account(czk("5")).await;
    for (steps, conditions, kind) in [
        (
            json!([transfer(own, other, "1"), transfer(other, own, "1")]),
            json!([]),
            "binding",
        ),
        (
            json!([line(other, "debit", "1"), line(own, "credit", "1")]),
            json!([]),
            "binding",
        ),
        (
            json!([transfer(own, other, "1")]),
            json!([{ "account": other, "balance": { "ge": amount("100") } }]),
            "binding",
        ),
    ] {
        let group = json!({ "steps": steps, "conditions": conditions });
        let denied = post(&service, &bound, "/v1/groups", "denied", &group).await;
        assert_problem(&denied, 403, kind);
    }
    let scope = json!({ "steps": [transfer(own, other, "1"), line(own, "debit", "1")] });
    let scope = post(&service, &transfers, "/v1/groups", "scope", &scope).await;
    assert_problem(&scope, 403, "scope");
    assert_eq!(scope.body["field"], "steps[1].journal_line");

    let steps = [
        transfer(own, other, "1"),
        line(own, "debit", "2"),
        line(other, "credit", "2"),
    ];
    let group = json!({ "steps": steps, "metadata": { "secret": 1 } });
    let posted = post(&service, &bound, "/v1/groups", "split", &group).await;
    assert_eq!(posted.status, 201, "{posted:?}");
    assert_eq!(
        posted.body["steps"][1]["debit"]["running_balance"]["amount"],
        "47.00"
    );
    for step in posted.body["steps"].as_array().unwrap() {
        assert!(step["credit"]["running_balance"].is_null(), "{step}");
    }
    let path = format!("/v1/groups/{}", posted.body["group_id"].as_str().unwrap());
    let all = service.send("GET", &path, &[&free], "").await;
    let seen = service.send("GET", &path, &[&bound], "").await;
    let of_other = key(&bank, &scopes, |new| new.bindings.accounts = vec![other]).await;
    let of_other = service.send("GET", &path, &[&of_other], "").await;
    let of_third = key(&bank, &scopes, |new| new.bindings.accounts = vec![third]).await;
    let count = |answer: &super::Answer| answer.body["transfers"].as_array().unwrap().len();
    assert_eq!((count(&all), count(&seen), count(&of_other)), (3, 2, 2));
    for one in of_other.body["transfers"].as_array().unwrap() {
        assert!(
            one["metadata"].is_null() && one["idempotency_key"].is_null(),
            "{one}"
        );
    }
    assert_problem(
        &service.send("GET", &path, &[&of_third], "").await,
        404,
        "unknown_group",
    );
    let back = format!("{path}/reversals");
    let denied = post(&service, &of_third, &back, "back", &json!({})).await;
    assert_problem(&denied, 404, "unknown_group");
    // The reason of another account is hidden, and its step is not.
    let unknown: AccountId = "01a20965-a098-7575-9a06-6fd66fbd3c75".parse().unwrap();
    let group = json!({ "steps": [transfer(own, other, "1"), transfer(own, unknown, "1")] });
    let hidden = post(&service, &bound, "/v1/groups", "hidden", &group).await;
    assert_problem(&hidden, 422, "not_accepted");
    assert_eq!(hidden.body["field"], "steps[1]");
    assert_eq!(
        (bank.balance(own).await, bank.balance(other).await),
        (czk("47"), czk("80"))
    );
}

fn hold(account: AccountId, to: AccountId, minor: &str) -> Value {
    json!({ "hold": { "account": account, "to": to, "amount": amount(minor) } })
}

async fn holds_and_releases_are_steps(bank: TestBank) {
    let service = Service::on(&bank, Limits::default()).await;
    let scopes = [
        Scope::TransfersWrite,
        Scope::HoldsWrite,
        Scope::AccountsRead,
    ];
    let bearer = key(&bank, &scopes, |_| {}).await;
    let (a, b) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let steps = json!([
        hold(a, b, "60"),
        { "capture": { "hold_step": 0, "amount": amount("25"), "more_to_come": true } },
        hold(a, b, "30"),
        { "release": { "hold_step": 2 } },
        transfer(b, a, "5"),
    ]);
    let group = json!({ "steps": steps });
    let posted = post(&service, &bearer, "/v1/groups", "order", &group).await;
    assert_eq!(posted.status, 201, "{posted:?}");
    let steps = posted.body["steps"].as_array().unwrap();
    assert_eq!(steps[0]["event_type"], "authorised");
    assert_eq!(steps[1]["hold_id"], steps[0]["hold_id"]);
    assert_eq!(steps[1]["amount"]["amount"], "25.00");
    assert_eq!(steps[3]["event_type"], "released");
    assert_eq!(steps[3]["hold_id"], steps[2]["hold_id"]);
    let again = post(&service, &bearer, "/v1/groups", "order", &group).await;
    assert!(again.has("idempotency-replayed: true"), "{again:?}");
    assert_eq!(again.body, posted.body);
    let other = json!({ "steps": [transfer(a, b, "1"), hold(a, b, "1")] });
    let other = post(&service, &bearer, "/v1/groups", "order", &other).await;
    assert_problem(&other, 409, "key_of_hold");

    // A group without transfers.
    let made = json!({ "steps": [hold(a, b, "10"), hold(a, b, "5")] });
    let made = post(&service, &bearer, "/v1/groups", "made", &made).await;
    assert_eq!(made.status, 201, "{made:?}");
    let path = format!("/v1/groups/{}", made.body["group_id"].as_str().unwrap());
    let shown = service.send("GET", &path, &[&bearer], "").await;
    assert_eq!(shown.body["transfers"], json!([]));
    assert_eq!(shown.body["holds"].as_array().unwrap().len(), 2);
    assert_eq!(shown.body["holds"][1]["remaining"]["amount"], "5.00");
    let back = format!("{path}/reversals");
    let undone = post(&service, &bearer, &back, "back", &json!({})).await;
    assert_eq!(undone.status, 201, "{undone:?}");
    assert_eq!(undone.body["steps"][0]["event_type"], "released");
    let again = post(&service, &bearer, &back, "back", &json!({})).await;
    assert!(again.has("idempotency-replayed: true"), "{again:?}");

    for (steps, kind, field) in [
        (
            json!([{ "capture": { "hold_step": 0 } }]),
            "group_step",
            "steps[0]",
        ),
        (
            json!([{ "release": { "hold": "01a20965-a098-7575-9a06-6fd66fbd3c75" } }]),
            "group_step",
            "steps[0]",
        ),
        (
            json!([hold(a, b, "1"), { "release": {} }]),
            "invalid",
            "steps[1].release",
        ),
        (json!([hold(a, b, "1000")]), "group_step", "steps[0]"),
    ] {
        let group = json!({ "steps": steps });
        let answer = post(&service, &bearer, "/v1/groups", "wrong", &group).await;
        assert_problem(&answer, 422, kind);
        assert_eq!(answer.body["field"], field, "{answer:?}");
    }
    bank.assert_sound().await;
}

async fn hold_steps_need_their_scope_and_binding(bank: TestBank) {
    let service = Service::on(&bank, Limits::default()).await;
    let (own, other) = (bank.account(czk("50")).await, bank.account(czk("77")).await);
    let transfers = key(&bank, &[Scope::TransfersWrite], |_| {}).await;
    let scopes = [Scope::TransfersWrite, Scope::HoldsWrite];
    let bound = key(&bank, &scopes, |new| new.bindings.accounts = vec![own]).await;
    let free = key(&bank, &scopes, |_| {}).await;
    let group = |step: Value| json!({ "steps": [transfer(own, other, "1"), step] });
    for step in [
        hold(own, other, "1"),
        json!({ "release": { "hold_step": 0 } }),
        json!({ "capture": { "hold_step": 0 } }),
    ] {
        let denied = post(&service, &transfers, "/v1/groups", "scope", &group(step)).await;
        assert_problem(&denied, 403, "scope");
    }
    let foreign = group(hold(other, own, "1"));
    let denied = post(&service, &bound, "/v1/groups", "binding", &foreign).await;
    assert_problem(&denied, 403, "binding");
    // A hold between other accounts is none that the key knows.
    let third = bank.account(czk("5")).await;
    let made = json!({ "steps": [hold(other, third, "3")] });
    let made = post(&service, &free, "/v1/groups", "made", &made).await;
    let strange = made.body["steps"][0]["hold_id"].clone();
    let release = group(json!({ "release": { "hold": strange } }));
    let denied = post(&service, &bound, "/v1/groups", "strange", &release).await;
    assert_problem(&denied, 422, "group_step");
    assert_eq!(
        denied.body["details"]["reason"]["kind"], "unknown_hold",
        "{denied:?}"
    );
    // What the group has made belongs to other accounts, and so does its reversal.
    let path = format!("/v1/groups/{}", made.body["group_id"].as_str().unwrap());
    let denied = post(
        &service,
        &bound,
        &format!("{path}/reversals"),
        "r",
        &json!({}),
    )
    .await;
    assert_problem(&denied, 404, "unknown_group");
    let only_transfers = post(
        &service,
        &transfers,
        &format!("{path}/reversals"),
        "r",
        &json!({}),
    )
    .await;
    assert_problem(&only_transfers, 403, "scope");

    // A transfer to the caller's account gives no right to the holds of others beside it.
    let mixed = json!({ "steps": [hold(other, third, "3"), transfer(third, own, "1")] });
    let mixed = post(&service, &free, "/v1/groups", "mixed", &mixed).await;
    let back = format!(
        "/v1/groups/{}/reversals",
        mixed.body["group_id"].as_str().unwrap()
    );
    let denied = post(&service, &bound, &back, "back", &json!({})).await;
    assert_problem(&denied, 404, "unknown_group");
    let released = mixed.body["steps"][0]["hold_id"].clone();
    let release = json!({ "release": { "hold": released } });
    let release = json!({ "steps": [release, transfer(third, own, "1")] });
    let release = post(&service, &free, "/v1/groups", "release", &release).await;
    let back = format!(
        "/v1/groups/{}/reversals",
        release.body["group_id"].as_str().unwrap()
    );
    let hidden = post(&service, &bound, &back, "back", &json!({})).await;
    assert_problem(&hidden, 422, "not_accepted");
    assert!(!hidden.body.to_string().contains(released.as_str().unwrap()));
    let named = post(&service, &free, &back, "back", &json!({})).await;
    assert_problem(&named, 422, "released_by_group");
    bank.assert_sound().await;
}

async fn group_of_releases_is_shown_and_a_single_hold_is_no_group(bank: TestBank) {
    let service = Service::on(&bank, Limits::default()).await;
    let scopes = [Scope::HoldsWrite, Scope::AccountsRead];
    let bearer = key(&bank, &scopes, |_| {}).await;
    let account = bank.account(czk("10")).await;
    let hold = json!({ "account": account, "amount": amount("4") });
    let hold = post(&service, &bearer, "/v1/holds", "hold", &hold).await;
    let hold = hold.body["hold_id"].as_str().unwrap();
    let single = format!("/v1/groups/{hold}");
    let single = service.send("GET", &single, &[&bearer], "").await;
    assert_problem(&single, 404, "unknown_group");
    let group = json!({ "steps": [{ "release": { "hold": hold } }] });
    let group = post(&service, &bearer, "/v1/groups", "group", &group).await;
    assert_eq!(group.status, 201, "{group:?}");
    let path = format!("/v1/groups/{}", group.body["group_id"].as_str().unwrap());
    let shown = service.send("GET", &path, &[&bearer], "").await;
    assert_eq!(shown.status, 200, "{shown:?}");
    assert_eq!(shown.body["transfers"], json!([]));
    assert_eq!(shown.body["holds"], json!([]));
    assert_eq!(shown.body["released"][0]["hold_id"], hold);
    assert_eq!(shown.body["released"][0]["status"], "released");
    let own = bank.account(czk("1")).await;
    let stranger = key(&bank, &scopes, |new| new.bindings.accounts.push(own)).await;
    let hidden = service.send("GET", &path, &[&stranger], "").await;
    assert_problem(&hidden, 404, "unknown_group");
}
