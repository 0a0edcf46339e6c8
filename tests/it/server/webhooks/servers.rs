//! Several servers, and servers that end.

use std::process::Child;
use std::time::Duration;

use neobank_domain::api_keys::Scope;
use serde_json::json;

use super::super::killed::start_with;
use super::super::{Service, key, send};
use super::{Receiver, Reply, Setup, limits, positions, transfers};
use crate::harness::{TestBank, czk};

on_both_versions!(
    of_two_servers_one_sends_the_events,
    killed_servers_leave_no_gap_and_keep_the_order,
    stopped_server_gives_its_webhooks_to_another_at_once,
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
    // A lease of four minutes: only its release lets another server begin in time.
    slow.webhooks.attempt_timeout = Duration::from_secs(120);
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

fn kill(child: &mut Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}
