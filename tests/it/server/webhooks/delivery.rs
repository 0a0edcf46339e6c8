//! Signatures, order, failures, dead letters, replay and rotation.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Receiver, Reply, Setup, positions};
use crate::harness::TestBank;

on_both_versions!(
    events_are_sent_once_in_order_with_signatures,
    failing_receiver_gets_the_same_event_until_it_accepts,
    event_that_is_never_accepted_becomes_a_dead_letter,
    dead_letter_is_sent_again_on_request,
    replay_sends_events_again_with_the_same_identifiers,
    rotation_signs_with_both_secrets_until_the_old_one_ends,
    receiver_that_is_gone_gets_no_more_until_it_is_enabled,
    only_wanted_types_of_events_are_sent,
    answers_without_an_end_and_slow_ones_are_bounded,
);

async fn events_are_sent_once_in_order_with_signatures(bank: TestBank) {
    let setup = Setup::on(bank).await;
    let receiver = Receiver::start().await;
    let (webhook, secret) = setup.webhook(&receiver.url(), json!({})).await;
    let before = setup.show(&webhook).await["position"].clone();
    setup.transfers(25).await;
    let received = receiver.wait_for(25).await;
    let first: i64 = before.as_str().unwrap().parse().unwrap();
    let expected: Vec<_> = (first + 1..=first + 25).collect();
    assert_eq!(receiver.accepted(), expected);
    let listed = setup
        .send("GET", &format!("/v1/events?after={first}"), "")
        .await;
    for (one, event) in received
        .iter()
        .zip(listed.body["events"].as_array().unwrap())
    {
        one.assert_signed(&secret);
        assert_eq!(one.body["type"], "transfer.posted");
        assert_eq!(one.body["timestamp"], event["posted_at"]);
        assert_eq!(one.body["data"], *event);
        let id = format!("msg_{}", event["transfer_id"].as_str().unwrap());
        assert_eq!(one.header("webhook-id"), id);
        assert_eq!(one.header("content-type"), "application/json");
    }
    let other = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    assert!(!received[0].is_signed(other));
    setup
        .wait(&webhook, |shown| shown["waiting_events"] == "0")
        .await;
    assert_eq!(receiver.received().len(), 25);
    let metrics = setup.send("GET", "/metrics", "").await;
    let metrics = metrics.body.as_str().unwrap();
    let label = format!("{{webhook=\"{webhook}\"");
    for line in [
        format!("neobank_webhook_attempts_total{label},outcome=\"accepted\"}} 25"),
        format!("neobank_webhook_attempts_total{label},outcome=\"failed\"}} 0"),
        format!("neobank_webhook_enabled{label}}} 1"),
    ] {
        assert!(
            metrics.lines().any(|found| found == line),
            "{line}: {metrics}"
        );
    }
    setup.bank.assert_sound().await;
}

async fn failing_receiver_gets_the_same_event_until_it_accepts(bank: TestBank) {
    let setup = Setup::on(bank).await;
    let receiver = Receiver::start().await;
    let failures = [500, 404, 302, 429].map(Reply::Status);
    receiver.reply(failures, Reply::Status(204));
    let (webhook, secret) = setup.webhook(&receiver.url(), json!({})).await;
    setup.transfers(3).await;
    let received = receiver.wait_for(7).await;
    let first = received[0].position();
    let found: Vec<_> = received.iter().map(|one| one.position() - first).collect();
    assert_eq!(found, [0, 0, 0, 0, 0, 1, 2]);
    for one in &received[..5] {
        one.assert_signed(&secret);
        assert_eq!(one.header("webhook-id"), received[0].header("webhook-id"));
        assert_eq!(one.text, received[0].text);
    }
    let shown = setup
        .wait(&webhook, |shown| shown["waiting_events"] == "0")
        .await;
    assert_eq!(shown["failure"], Value::Null, "{shown}");
}

async fn event_that_is_never_accepted_becomes_a_dead_letter(bank: TestBank) {
    let setup = Setup::on(bank).await;
    let receiver = Receiver::start().await;
    receiver.reply([], Reply::Status(500));
    let given = json!({ "dead_after_seconds": 1 });
    let (webhook, _) = setup.webhook(&receiver.url(), given).await;
    setup.transfers(3).await;
    receiver.wait_for(2).await;
    let failing = setup
        .wait(&webhook, |shown| shown["failure"] != Value::Null)
        .await;
    assert_eq!(failing["failure"]["last_status"], 500, "{failing}");
    assert_eq!(failing["failure"]["last_error"], "the answer is 500");
    setup
        .wait(&webhook, |shown| shown["dead_letters"] == "2")
        .await;
    receiver.reply([], Reply::Status(200));
    setup
        .wait(&webhook, |shown| shown["waiting_events"] == "0")
        .await;
    let received = receiver.received();
    let first = received[0].position();
    assert_eq!(positions(&received), [first, first + 1, first + 2]);
    assert_eq!(receiver.accepted(), [first + 2]);
    let path = format!("/v1/webhooks/{webhook}/dead-letters");
    let page = setup.send("GET", &format!("{path}?limit=1"), "").await;
    let letter = &page.body["dead_letters"][0];
    assert_eq!(letter["position"], first.to_string(), "{page:?}");
    assert_eq!(letter["last_status"], 500);
    let attempts: usize = letter["attempts"].as_str().unwrap().parse().unwrap();
    let of_first = received.iter().filter(|one| one.position() == first);
    assert_eq!(of_first.count(), attempts);
    let next = page.body["next"].as_str().unwrap();
    let page = setup
        .send("GET", &format!("{path}?limit=1&after={next}"), "")
        .await;
    assert_eq!(
        page.body["dead_letters"][0]["position"],
        (first + 1).to_string()
    );
    assert_eq!(page.body["next"], Value::Null);
}

async fn dead_letter_is_sent_again_on_request(bank: TestBank) {
    let setup = Setup::on(bank).await;
    let receiver = Receiver::start().await;
    receiver.reply([], Reply::Status(500));
    let given = json!({ "dead_after_seconds": 1 });
    let (webhook, secret) = setup.webhook(&receiver.url(), given).await;
    setup.transfers(1).await;
    setup
        .wait(&webhook, |shown| shown["dead_letters"] == "1")
        .await;
    let dead = receiver.received()[0].clone();
    let position = dead.position();
    let letters = format!("/v1/webhooks/{webhook}/dead-letters");
    let path = format!("{letters}/{position}/redeliver");
    // A failed attempt leaves the dead letter.
    let seen = receiver.received().len();
    assert_eq!(setup.send("POST", &path, "").await.status, 204);
    receiver.wait_for(seen + 1).await;
    receiver.reply([], Reply::Status(200));
    let is_ended = || async {
        let page = setup.send("GET", &letters, "").await;
        page.body["dead_letters"][0]["redelivery_requested_at"] == Value::Null
    };
    while !is_ended().await {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(setup.show(&webhook).await["dead_letters"], "1");
    assert_eq!(setup.send("POST", &path, "").await.status, 204);
    setup
        .wait(&webhook, |shown| shown["dead_letters"] == "0")
        .await;
    let last = receiver.received().pop().unwrap();
    assert_eq!(last.header("webhook-id"), dead.header("webhook-id"));
    last.assert_signed(&secret);
    let missing = format!("{letters}/{}/redeliver", position + 1);
    assert_eq!(setup.send("POST", &missing, "").await.status, 404);
}

async fn replay_sends_events_again_with_the_same_identifiers(bank: TestBank) {
    let setup = Setup::on(bank).await;
    let receiver = Receiver::start().await;
    let (webhook, _) = setup.webhook(&receiver.url(), json!({})).await;
    setup.transfers(5).await;
    let first = receiver.wait_for(5).await;
    setup
        .wait(&webhook, |shown| shown["waiting_events"] == "0")
        .await;
    let after = first[1].position();
    let path = format!("/v1/webhooks/{webhook}/replay");
    let back = json!({ "after": after.to_string() }).to_string();
    let replayed = setup.send("POST", &path, &back).await;
    assert_eq!(replayed.body["position"], after.to_string(), "{replayed:?}");
    let again = receiver.wait_for(8).await;
    let ids = |messages: &[super::Received]| -> Vec<String> {
        let ids = messages
            .iter()
            .map(|one| one.header("webhook-id").to_owned());
        ids.collect()
    };
    assert_eq!(ids(&again[5..8]), ids(&first[2..5]));
    setup
        .wait(&webhook, |shown| shown["waiting_events"] == "0")
        .await;
    // Forward, over events that are not sent then.
    let disable = json!({ "enabled": false }).to_string();
    let one = format!("/v1/webhooks/{webhook}");
    assert_eq!(setup.send("PATCH", &one, &disable).await.status, 200);
    setup.transfers(3).await;
    let end = first[4].position() + 3;
    let forward = json!({ "after": (end - 1).to_string() }).to_string();
    assert_eq!(setup.send("POST", &path, &forward).await.status, 200);
    let enable = json!({ "enabled": true }).to_string();
    assert_eq!(setup.send("PATCH", &one, &enable).await.status, 200);
    setup
        .wait(&webhook, |shown| shown["waiting_events"] == "0")
        .await;
    assert_eq!(receiver.accepted()[8..], [end]);
    let beyond = json!({ "after": (end + 1).to_string() }).to_string();
    assert_eq!(setup.send("POST", &path, &beyond).await.status, 422);
}

async fn rotation_signs_with_both_secrets_until_the_old_one_ends(bank: TestBank) {
    let setup = Setup::on(bank).await;
    let receiver = Receiver::start().await;
    let (webhook, old) = setup.webhook(&receiver.url(), json!({})).await;
    let path = format!("/v1/webhooks/{webhook}/rotate");
    let rotated = setup.send("POST", &path, "{}").await;
    let new = rotated.body["secret"].as_str().unwrap().to_owned();
    assert_ne!(new, old);
    assert!(rotated.body["previous_secret_until"].is_string());
    setup.transfers(1).await;
    let received = receiver.wait_for(1).await;
    let signatures = received[0].header("webhook-signature").split(' ');
    assert_eq!(signatures.count(), 2);
    received[0].assert_signed(&old);
    received[0].assert_signed(&new);
    let at_once = json!({ "overlap_hours": 0 }).to_string();
    let rotated = setup.send("POST", &path, &at_once).await;
    let newest = rotated.body["secret"].as_str().unwrap().to_owned();
    setup.transfers(1).await;
    let received = receiver.wait_for(2).await;
    received[1].assert_signed(&newest);
    assert!(!received[1].is_signed(&new) && !received[1].is_signed(&old));
}

async fn receiver_that_is_gone_gets_no_more_until_it_is_enabled(bank: TestBank) {
    let setup = Setup::on(bank).await;
    let receiver = Receiver::start().await;
    receiver.reply([Reply::Status(200), Reply::Status(410)], Reply::Status(200));
    let (webhook, _) = setup.webhook(&receiver.url(), json!({})).await;
    setup.transfers(3).await;
    let shown = setup
        .wait(&webhook, |shown| shown["enabled"] == false)
        .await;
    assert_eq!(shown["disabled_reason"], "the receiver answered 410 (gone)");
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(receiver.received().len(), 2);
    let enable = json!({ "enabled": true }).to_string();
    let one = format!("/v1/webhooks/{webhook}");
    let enabled = setup.send("PATCH", &one, &enable).await;
    assert_eq!(enabled.body["disabled_reason"], Value::Null, "{enabled:?}");
    setup
        .wait(&webhook, |shown| shown["waiting_events"] == "0")
        .await;
    let accepted = receiver.accepted();
    assert_eq!(accepted, [accepted[0], accepted[0] + 1, accepted[0] + 2]);
    let changes = crate::cli::program::data(setup.bank.url(), &["changes", "list"]).await;
    let text = changes.to_string();
    assert!(
        text.contains("service:webhooks") && text.contains("webhooks"),
        "{text}"
    );
}

async fn only_wanted_types_of_events_are_sent(bank: TestBank) {
    let setup = Setup::on(bank).await;
    let receiver = Receiver::start().await;
    let given = json!({ "event_types": ["hold.authorised", "hold.released"] });
    let (webhook, _) = setup.webhook(&receiver.url(), given).await;
    setup.transfers(120).await;
    let hold = json!({ "account": setup.from, "amount": super::super::amount("5") });
    let held = super::super::post(&setup.service, &setup.bearer, "/v1/holds", "h", &hold).await;
    let release = format!(
        "/v1/holds/{}/release",
        held.body["hold_id"].as_str().unwrap()
    );
    super::super::post(&setup.service, &setup.bearer, &release, "r", &json!({})).await;
    setup.transfers(3).await;
    setup
        .wait(&webhook, |shown| shown["waiting_events"] == "0")
        .await;
    let received = receiver.received();
    let types: Vec<_> = received
        .iter()
        .map(|one| one.body["type"].clone())
        .collect();
    assert_eq!(types, ["hold.authorised", "hold.released"]);
}

async fn answers_without_an_end_and_slow_ones_are_bounded(bank: TestBank) {
    let setup = Setup::on(bank).await;
    let receiver = Receiver::start().await;
    let header = format!("HTTP/1.1 200 OK\r\nx: {}", "y".repeat(1_000_000));
    receiver.reply(
        [
            Reply::Silence,
            Reply::Raw("HTTP/1.1 200 OK\r\n".to_owned()),
            Reply::Raw(header),
            Reply::Endless(500),
            Reply::Endless(200),
            Reply::Raw("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nslow".to_owned()),
        ],
        Reply::Status(200),
    );
    let began = Instant::now();
    let (webhook, _) = setup.webhook(&receiver.url(), json!({})).await;
    setup.transfers(3).await;
    setup
        .wait(&webhook, |shown| shown["waiting_events"] == "0")
        .await;
    let received = receiver.received();
    let first = received[0].position();
    let found: Vec<_> = received.iter().map(|one| one.position() - first).collect();
    // The status accepts an event, whatever follows it.
    assert_eq!(found, [0, 0, 0, 0, 0, 1, 2]);
    assert!(began.elapsed() < Duration::from_secs(20));
}
