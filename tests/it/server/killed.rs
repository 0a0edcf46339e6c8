//! The command `neobank serve`: a key from the command line, and kills under load.

use std::io::{BufRead as _, BufReader};
use std::process::Child;

use super::{Answer, send, transfer, with_key};
use crate::cli::program::{data, neobank, run};
use crate::harness::{TestBank, czk};

on_both_versions!(
    repeated_requests_move_money_once_through_kills_of_the_server,
    plain_http_is_refused_where_other_machines_reach_it,
);

fn start(bank: &TestBank, listen: &str) -> (Child, String) {
    let mut child = neobank(bank.url(), &["serve", "--listen", listen])
        .spawn()
        .unwrap();
    let errors = child.stderr.take().unwrap();
    let mut lines = BufReader::new(errors).lines().map(Result::unwrap);
    let address = lines.find_map(|line| Some(line.split_once("http://")?.1.to_owned()));
    // Reads the log on, so that its pipe never fills.
    std::thread::spawn(move || lines.for_each(drop));
    (child, address.expect("the command names its address"))
}

async fn repeated_requests_move_money_once_through_kills_of_the_server(bank: TestBank) {
    let scope = ["--scope", "transfers:write", "--actor", "admin:1"];
    let create = [&["api-key", "create", "--name", "load"][..], &scope].concat();
    let created = data(bank.url(), &create).await;
    let bearer = format!("authorization: Bearer {}", created["key"].as_str().unwrap());
    let listed = run(bank.url(), &["api-key", "list"]).await;
    assert!(
        !listed.out.contains(created["key"].as_str().unwrap()),
        "{}",
        listed.out
    );
    let (from, to) = (
        bank.account(czk("1000")).await,
        bank.account(czk("0")).await,
    );
    let body = transfer(from, to, "1");
    let (mut child, address) = start(&bank, "127.0.0.1:0");
    let callers = (0..8).map(|caller| {
        let (address, bearer, body) = (address.clone(), bearer.clone(), body.clone());
        tokio::spawn(async move {
            for number in 0..25 {
                let k = with_key(&format!("{caller}/{number}"));
                loop {
                    match send(&address, "POST", "/v1/transfers", &[&bearer, &k], &body).await {
                        Ok(Answer { status: 201, .. }) => break,
                        Ok(answer) => assert_eq!(answer.status, 503, "{answer:?}"),
                        Err(_) => {}
                    }
                    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                }
            }
        })
    });
    let callers: Vec<_> = callers.collect();
    for _ in 0..3 {
        tokio::time::sleep(std::time::Duration::from_millis(150)).await;
        child.kill().unwrap();
        child.wait().unwrap();
        child = start(&bank, &address).0;
    }
    for caller in callers {
        caller.await.unwrap();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(bank.balance(to).await, czk("200"));
    bank.assert_sound().await;
}

async fn plain_http_is_refused_where_other_machines_reach_it(bank: TestBank) {
    let refused = run(bank.url(), &["serve", "--listen", "0.0.0.0:0"]).await;
    assert_eq!(refused.code, 2, "{}", refused.err);
    assert!(refused.err.contains("does not encrypt"), "{}", refused.err);
}
