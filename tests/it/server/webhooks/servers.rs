//! Several servers, and servers that end.

use std::process::Child;
use std::time::{Duration, Instant};

use neobank_domain::api_keys::Scope;
use neobank_server::Limits;
use serde_json::json;

use super::super::killed::start_with;
use super::super::{Service, key, send};
use super::{Receiver, Reply, Setup, limits, positions, transfers};
use crate::harness::{TestBank, czk};

on_both_versions!(
    of_two_servers_one_sends_the_events,
    killed_servers_leave_no_gap_and_keep_the_order,
    stopped_server_gives_its_webhooks_to_another_at_once,
    silent_receiver_does_not_hold_the_stop_up_and_gets_the_event_again_from_another,
    pause_after_a_failure_does_not_hold_the_stop_up,
    attempt_that_outlasts_the_lease_keeps_it,
    killed_servers_webhook_goes_on_before_its_attempt_would_have_ended,
);

async fn of_two_servers_one_sends_the_events(bank: TestBank) {
    let setup = Setup::on(bank).await;
    let second = Service::on(&setup.bank, limits()).await;
    let receiver = Receiver::start().await;
    let (webhook, _) = setup.webhook(&receiver.url(), json!({})).await;
    for _ in 0..10 {
        setup.transfers(10).await;
    }
    setup
        .wait(&webhook, |shown| shown["waiting_events"] == "0")
        .await;
    let accepted = receiver.accepted();
    let expected: Vec<_> = (accepted[0]..accepted[0] + 100).collect();
    assert_eq!(accepted, expected);
    drop(second);
}

async fn killed_servers_leave_no_gap_and_keep_the_order(bank: TestBank) {
    let bearer = key(&bank, &[Scope::Admin], |_| {}).await;
    let (from, to) = (
        bank.account(czk("1000")).await,
        bank.account(czk("0")).await,
    );
    super::seal(&bank).await;
    let receiver = Receiver::start().await;
    // Some attempts fail, so that kills also meet events that are not accepted yet.
    let replies = (0..200).map(|number| Reply::Status(if number % 20 == 19 { 503 } else { 200 }));
    receiver.reply(replies, Reply::Status(200));
    let options = ["--webhook-private-addresses", "--webhook-timeout", "1"];
    let begin = || start_with(bank.url(), "127.0.0.1:0", &options);
    let (mut first, address) = begin();
    let body = json!({ "url": receiver.url() }).to_string();
    let created = send(&address, "POST", "/v1/webhooks", &[&bearer], &body).await;
    assert_eq!(created.unwrap().status, 201);
    let (mut second, _) = begin();
    for round in 0..2 {
        transfers(&bank, from, to, 30).await;
        tokio::time::sleep(Duration::from_millis(700)).await;
        kill(&mut first);
        transfers(&bank, from, to, 10).await;
        (first, second) = (second, begin().0);
        // The killed server's lease ends by itself.
        let expected = (round + 1) * 40;
        receiver
            .wait_until(|received| {
                let accepted = received.iter().filter(|one| one.status == 200);
                let mut found: Vec<_> = accepted.map(|one| one.position()).collect();
                found.dedup();
                found.len() >= expected
            })
            .await;
    }
    kill(&mut first);
    kill(&mut second);
    let received = receiver.received();
    let found = positions(&received);
    let expected: Vec<_> = (found[0]..found[0] + 80).collect();
    assert_eq!(found, expected);
    bank.assert_sound().await;
}

async fn stopped_server_gives_its_webhooks_to_another_at_once(bank: TestBank) {
    let mut setup = Setup::on(bank).await;
    let receiver = Receiver::start().await;
    let (webhook, _) = setup.webhook(&receiver.url(), json!({})).await;
    setup.transfers(5).await;
    receiver.wait_for(5).await;
    let mut slow = limits();
    // Only its release lets another server begin in time.
    slow.webhooks.lease_time = Duration::from_secs(240);
    let slow = Service::on(&setup.bank, slow).await;
    setup.service.stop.take().unwrap().send(()).unwrap();
    let other = std::mem::replace(&mut setup.service, slow);
    other.task.await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    setup.transfers(5).await;
    receiver.wait_for(10).await;
    setup
        .wait(&webhook, |shown| shown["waiting_events"] == "0")
        .await;
    let accepted = receiver.accepted();
    let expected: Vec<_> = (accepted[0]..accepted[0] + 10).collect();
    assert_eq!(accepted, expected);
}

async fn silent_receiver_does_not_hold_the_stop_up_and_gets_the_event_again_from_another(
    bank: TestBank,
) {
    let mut setup = Setup::of(bank, long_attempts(240)).await;
    let receiver = Receiver::start().await;
    receiver.reply([Reply::Silence], Reply::Status(200));
    setup.webhook(&receiver.url(), json!({})).await;
    setup.transfers(1).await;
    receiver.wait_for(1).await;
    let other = Service::on(&setup.bank, long_attempts(240)).await;
    let begun = Instant::now();
    setup.stop(other).await;
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(8), "{took:?}");
    let received = receiver.wait_for(2).await;
    let first = received[0].header("webhook-id");
    assert_eq!(received[1].header("webhook-id"), first);
    assert_eq!(received[1].status, 200);
}

async fn pause_after_a_failure_does_not_hold_the_stop_up(bank: TestBank) {
    let mut limits = long_attempts(240);
    limits.webhooks.first_pause = Duration::from_secs(120);
    limits.webhooks.longest_pause = Duration::from_secs(120);
    let mut setup = Setup::of(bank, limits.clone()).await;
    let receiver = Receiver::start().await;
    receiver.reply([], Reply::Status(500));
    let (webhook, _) = setup.webhook(&receiver.url(), json!({})).await;
    setup.transfers(1).await;
    setup
        .wait(&webhook, |shown| !shown["failure"].is_null())
        .await;
    let other = Service::on(&setup.bank, limits).await;
    let begun = Instant::now();
    setup.stop(other).await;
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(2), "{took:?}");
}

async fn attempt_that_outlasts_the_lease_keeps_it(bank: TestBank) {
    let mut limits = long_attempts(1);
    limits.webhooks.attempt_timeout = Duration::from_secs(5);
    let setup = Setup::of(bank, limits.clone()).await;
    let _other = Service::on(&setup.bank, limits).await;
    let receiver = Receiver::start().await;
    receiver.reply([Reply::Silence], Reply::Status(200));
    setup.webhook(&receiver.url(), json!({})).await;
    setup.transfers(1).await;
    receiver.wait_for(1).await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(receiver.received().len(), 1);
    receiver.wait_for(2).await;
}

async fn killed_servers_webhook_goes_on_before_its_attempt_would_have_ended(bank: TestBank) {
    let bearer = key(&bank, &[Scope::Admin], |_| {}).await;
    let (from, to) = (bank.account(czk("9")).await, bank.account(czk("0")).await);
    super::seal(&bank).await;
    let receiver = Receiver::start().await;
    receiver.reply([Reply::Silence], Reply::Status(200));
    let options = ["--webhook-private-addresses", "--webhook-timeout", "60"];
    let (mut first, address) = start_with(bank.url(), "127.0.0.1:0", &options);
    let body = json!({ "url": receiver.url() }).to_string();
    let created = send(&address, "POST", "/v1/webhooks", &[&bearer], &body).await;
    assert_eq!(created.unwrap().status, 201);
    transfers(&bank, from, to, 1).await;
    receiver.wait_for(1).await;
    let (mut second, _) = start_with(bank.url(), "127.0.0.1:0", &options);
    kill(&mut first);
    let begun = Instant::now();
    let received = receiver.wait_for(2).await;
    let took = begun.elapsed();
    kill(&mut second);
    assert!(took < Duration::from_secs(16), "{took:?}");
    let id = received[0].header("webhook-id");
    assert_eq!(received[1].header("webhook-id"), id);
}

/// Limits with attempts of two minutes, and a lease of so many seconds.
fn long_attempts(lease: u64) -> Limits {
    let mut limits = limits();
    limits.webhooks.attempt_timeout = Duration::from_secs(120);
    limits.webhooks.lease_time = Duration::from_secs(lease);
    limits
}

impl Setup {
    /// Stops the service, and goes on with another one.
    async fn stop(&mut self, other: Service) {
        self.service.stop.take().unwrap().send(()).unwrap();
        let stopped = std::mem::replace(&mut self.service, other);
        stopped.task.await.unwrap();
    }
}

fn kill(child: &mut Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}
