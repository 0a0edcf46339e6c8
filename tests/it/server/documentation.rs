//! The description of the API, and its page.

use neobank_server::Limits;

use super::Service;
use crate::harness::TestBank;

on_both_versions!(description_and_page_are_served);

async fn description_and_page_are_served(bank: TestBank) {
    let service = Service::on(&bank, Limits::default()).await;
    let answer = service.send("GET", "/openapi.json", &[], "").await;
    assert_eq!(answer.status, 200);
    assert!(answer.has("content-type: application/json"), "{answer:?}");
    let committed = include_str!("../../../docs/openapi.json");
    let committed: serde_json::Value = serde_json::from_str(committed).unwrap();
    assert_eq!(answer.body, committed);
    let page = service.send("GET", "/docs/", &[], "").await;
    assert_eq!(page.status, 200, "{page:?}");
    assert!(
        page.headers
            .contains("content-security-policy: default-src 'none'")
    );
    let html = page.body.as_str().unwrap();
    assert!(
        !html.contains("http://") && !html.contains("https://"),
        "{html}"
    );
}
