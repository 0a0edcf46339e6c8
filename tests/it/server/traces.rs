//! Traces: the headers of W3C Trace Context, the log, and the export by the protocol of
//! OpenTelemetry to a receiver of the test.

use std::io::{BufRead as _, BufReader};
use std::process::Child;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use neobank_domain::api_keys::Scope;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::killed::start_command;
use super::{Answer, Running, key, send, transfer, with_key};
use crate::cli::program::{neobank, run};
use crate::harness::{TestBank, czk};

on_both_versions!(
    request_and_its_group_commit_are_exported_in_the_trace_of_the_caller,
    invalid_parent_begins_a_new_trace_and_an_unsampled_one_is_not_exported,
    metrics_have_the_figures_of_the_page,
    stopped_service_exports_the_last_spans,
    silent_receiver_delays_neither_requests_nor_the_stop,
    log_has_the_trace_of_the_caller,
    variables_of_opentelemetry_are_honoured,
    wrong_endpoint_is_an_error,
);

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// A receiver of traces and metrics, which ends with this value.
struct Receiver {
    url: String,
    got: Arc<Mutex<Got>>,
    _task: JoinSet<()>,
}

#[derive(Default)]
struct Got {
    traces: Vec<ExportTraceServiceRequest>,
    metrics: Vec<ExportMetricsServiceRequest>,
}

impl Got {
    fn note(&mut self, head: &str, body: &[u8]) {
        if head.starts_with("post /v1/traces ") {
            let traces = ExportTraceServiceRequest::decode(body);
            self.traces.push(traces.unwrap());
        } else {
            assert!(head.starts_with("post /v1/metrics "), "{head}");
            let metrics = ExportMetricsServiceRequest::decode(body);
            self.metrics.push(metrics.unwrap());
        }
    }
}

impl Receiver {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let got = Arc::default();
        let mut task = JoinSet::new();
        let own = Arc::clone(&got);
        task.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.spawn(receive(stream, Arc::clone(&own)));
            }
        });
        Self {
            url,
            got,
            _task: task,
        }
    }

    fn spans(&self) -> Vec<Span> {
        let got = self.got.lock().unwrap();
        let of_resources = got.traces.iter().flat_map(|one| &one.resource_spans);
        let of_scopes = of_resources.flat_map(|one| &one.scope_spans);
        of_scopes.flat_map(|one| one.spans.clone()).collect()
    }

    /// Waits for a span of a name.
    async fn span(&self, name: &str) -> Span {
        for _ in 0..500 {
            if let Some(found) = self.spans().into_iter().find(|span| span.name == name) {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("no span {name}: {:#?}", self.spans());
    }
}

async fn receive(mut stream: TcpStream, got: Arc<Mutex<Got>>) {
    let mut buffer = Vec::new();
    loop {
        let head = buffer.windows(4).position(|four| four == b"\r\n\r\n");
        if let Some(end) = head {
            let text = String::from_utf8(buffer[..end].to_vec()).unwrap();
            let text = text.to_ascii_lowercase();
            assert!(
                text.contains("content-type: application/x-protobuf"),
                "{text}"
            );
            let length = text.split("content-length: ").nth(1).unwrap();
            let length: usize = length.lines().next().unwrap().parse().unwrap();
            let (begin, end) = (end + 4, end + 4 + length);
            if buffer.len() >= end {
                got.lock().unwrap().note(&text, &buffer[begin..end]);
                buffer.drain(..end);
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
                stream.write_all(answer).await.unwrap();
                continue;
            }
        }
        if stream.read_buf(&mut buffer).await.unwrap_or(0) == 0 {
            return;
        }
    }
}

/// Starts the service with variables, and returns it with its address.
fn start(bank: &TestBank, options: &[&str], variables: &[(&str, &str)]) -> (Running, String) {
    let (child, address) = start_command(bank.url(), "127.0.0.1:0", options, |command| {
        command.env("OTEL_BSP_SCHEDULE_DELAY", "50");
        command.env("OTEL_METRIC_EXPORT_INTERVAL", "100");
        command.envs(variables.iter().copied());
    });
    (Running(child), address)
}

/// Moves money with further headers.
async fn pay(bank: &TestBank, address: &str, headers: &[&str]) -> Answer {
    let bearer = key(bank, &[Scope::TransfersWrite], |_| {}).await;
    let from = bank.account(czk("10")).await;
    let to = bank.account(czk("0")).await;
    let k = with_key("one");
    let headers = [&[bearer.as_str(), k.as_str()][..], headers].concat();
    let body = transfer(from, to, "1");
    let answer = send(address, "POST", "/v1/transfers", &headers, &body).await;
    let answer = answer.unwrap();
    assert_eq!(answer.status, 201, "{answer:?}");
    answer
}

fn attribute(span: &Span, name: &str) -> Option<Value> {
    value(&span.attributes, name)
}

fn value(attributes: &[KeyValue], name: &str) -> Option<Value> {
    let found = attributes.iter().find(|one| one.key == name)?;
    found.value.clone()?.value
}

fn text(text: &str) -> Option<Value> {
    Some(Value::StringValue(text.to_owned()))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Asks the service to stop, and waits for its end.
async fn stop(mut service: Running) -> Duration {
    let begun = Instant::now();
    terminate(&service.0);
    tokio::task::spawn_blocking(move || {
        assert!(service.0.wait().unwrap().success());
    })
    .await
    .unwrap();
    begun.elapsed()
}

fn terminate(child: &Child) {
    let id = child.id().to_string();
    let ended = std::process::Command::new("kill")
        .args(["-TERM", &id])
        .status();
    assert!(ended.unwrap().success());
}

async fn request_and_its_group_commit_are_exported_in_the_trace_of_the_caller(bank: TestBank) {
    let receiver = Receiver::start().await;
    let (_service, address) = start(&bank, &["--otlp-endpoint", &receiver.url], &[]);
    let parent = format!("traceparent: 00-{TRACE}-00f067aa0ba902b7-01");
    pay(
        &bank,
        &address,
        &[&parent, "tracestate: a=1,b@c=2", "x-request-id: r-1"],
    )
    .await;
    let request = receiver.span("POST /v1/transfers").await;
    assert_eq!(hexadecimal(&request.trace_id), TRACE);
    assert_eq!(hexadecimal(&request.parent_span_id), "00f067aa0ba902b7");
    assert_eq!(request.trace_state, "a=1,b@c=2");
    // A server's span.
    assert_eq!(request.kind, 2);
    assert_eq!(attribute(&request, "http.request.method"), text("POST"));
    assert_eq!(attribute(&request, "http.route"), text("/v1/transfers"));
    assert_eq!(attribute(&request, "neobank.request_id"), text("r-1"));
    let status = attribute(&request, "http.response.status_code");
    assert_eq!(status, Some(Value::IntValue(201)));
    let commit = receiver.span("group commit").await;
    assert_eq!(commit.trace_id, request.trace_id);
    assert_eq!(commit.parent_span_id, request.span_id);
    assert_eq!(attribute(&commit, "db.system.name"), text("postgresql"));

    let reader = key(&bank, &[Scope::AccountsRead], |_| {}).await;
    let account = bank.account(czk("0")).await.to_string();
    let path = format!("/v1/accounts/{account}");
    let read = send(&address, "GET", &path, &[&reader, "x: canary-header"], "").await;
    assert_eq!(read.unwrap().status, 200);
    let read = receiver.span("GET /v1/accounts/{account_id}").await;
    let route = text("/v1/accounts/{account_id}");
    assert_eq!(attribute(&read, "http.route"), route);
    let unknown = send(&address, "BREW", "/canary-path", &[], "").await;
    assert_eq!(unknown.unwrap().status, 404);
    receiver.span("HTTP").await;
    let exported = format!("{:?}", receiver.spans());
    let secret = reader.rsplit_once(' ').unwrap().1;
    for hidden in [account.as_str(), "canary", secret, "BREW"] {
        assert!(!exported.contains(hidden), "{hidden}: {exported}");
    }
}

async fn invalid_parent_begins_a_new_trace_and_an_unsampled_one_is_not_exported(bank: TestBank) {
    let receiver = Receiver::start().await;
    let (_service, address) = start(&bank, &["--otlp-endpoint", &receiver.url], &[]);
    let unsampled = format!("traceparent: 00-{TRACE}-00f067aa0ba902b7-00");
    let path = "/health/live";
    send(&address, "GET", path, &[&unsampled], "")
        .await
        .unwrap();
    let invalid = format!("traceparent: 00-{TRACE}-00f067aa0ba902b7-1");
    let headers = [invalid.as_str(), "tracestate: a=1"];
    send(&address, "GET", path, &headers, "").await.unwrap();
    let span = receiver.span("GET /health/live").await;
    assert_ne!(hexadecimal(&span.trace_id), TRACE);
    assert!(span.parent_span_id.is_empty(), "{span:?}");
    assert_eq!(span.trace_state, "");
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(receiver.spans().len(), 1, "{:#?}", receiver.spans());
}

async fn metrics_have_the_figures_of_the_page(bank: TestBank) {
    let receiver = Receiver::start().await;
    let (_service, address) = start(&bank, &["--otlp-endpoint", &receiver.url], &[]);
    pay(&bank, &address, &[]).await;
    let page = send(&address, "GET", "/metrics", &[], "").await.unwrap();
    let page = page.body.as_str().unwrap().to_owned();
    let types = page.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let expected: Vec<_> = types.map(|line| line.split(' ').next().unwrap()).collect();
    let with_samples =
        |name: &&str| page.contains(&format!("\n{name} ")) || page.contains(&format!("\n{name}{{"));
    let expected: Vec<_> = expected.into_iter().filter(with_samples).collect();
    assert!(expected.len() >= 10, "{page}");
    let names = || {
        let got = receiver.got.lock().unwrap();
        let last = got.metrics.last().cloned();
        let of_scopes = last.into_iter().flat_map(|one| one.resource_metrics);
        let metrics = of_scopes.flat_map(|one| one.scope_metrics);
        let metrics = metrics.flat_map(|one| one.metrics);
        metrics.collect::<Vec<_>>()
    };
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let found = names();
        let has = |name: &&str| found.iter().any(|metric| metric.name == *name);
        let text = format!("{found:?}");
        // The transfer's answer is counted.
        if expected.iter().all(has) && text.contains("2xx") && text.contains("AsInt(1)") {
            return;
        }
    }
    panic!("{expected:?}: {:#?}", names());
}

async fn stopped_service_exports_the_last_spans(bank: TestBank) {
    let receiver = Receiver::start().await;
    let long = [("OTEL_BSP_SCHEDULE_DELAY", "600000")];
    let options = ["--otlp-endpoint", &receiver.url, "--drain-delay", "0s"];
    let (service, address) = start(&bank, &options, &long);
    pay(&bank, &address, &[]).await;
    assert_eq!(receiver.spans(), []);
    stop(service).await;
    let names: Vec<_> = receiver.spans().into_iter().map(|span| span.name).collect();
    assert!(
        names.contains(&"POST /v1/transfers".to_owned()),
        "{names:?}"
    );
}

async fn silent_receiver_delays_neither_requests_nor_the_stop(bank: TestBank) {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let small = [
        ("OTEL_BSP_MAX_QUEUE_SIZE", "16"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "8"),
    ];
    let options = ["--otlp-endpoint", &url, "--drain-delay", "0s"];
    let (service, address) = start(&bank, &options, &small);
    pay(&bank, &address, &[]).await;
    let begun = Instant::now();
    // Far more than the queue takes.
    for _ in 0..200 {
        send(&address, "GET", "/health/live", &[], "")
            .await
            .unwrap();
    }
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(5), "{took:?}");
    let (stream, _) = silent.accept().await.unwrap();
    let took = stop(service).await;
    assert!(took < Duration::from_secs(8), "{took:?}");
    drop(stream);
}

async fn log_has_the_trace_of_the_caller(bank: TestBank) {
    let mut command = neobank(bank.url(), &["serve", "--listen", "127.0.0.1:0", "-v"]);
    let mut service = Running(command.spawn().unwrap());
    let lines = BufReader::new(service.0.stderr.take().unwrap()).lines();
    let mut lines = lines.map(Result::unwrap);
    let address = lines.find_map(|line| Some(line.split_once("http://")?.1.to_owned()));
    let address = address.unwrap();
    let parent = format!("traceparent: 00-{TRACE}-00f067aa0ba902b7-00");
    let answer = send(&address, "GET", "/v1/accounts", &[&parent], "").await;
    assert_eq!(answer.unwrap().status, 401);
    send(&address, "GET", "/health/live", &[], "")
        .await
        .unwrap();
    let mut of_request = |path: &str| {
        let mut seen = Vec::new();
        loop {
            let line = lines.next().expect("the log goes on");
            let is_last = line.contains("answered") && line.contains(path);
            seen.push(line);
            if is_last {
                return seen;
            }
        }
    };
    let lines = of_request("/v1/accounts");
    for part in ["denied: no key", "answered"] {
        let has_trace =
            |line: &&String| line.contains(part) && line.contains(&format!("trace={TRACE}"));
        assert!(lines.iter().any(|line| has_trace(&line)), "{lines:#?}");
    }
    let line = of_request("/health/live").pop().unwrap();
    let trace = line
        .split("trace=")
        .nth(1)
        .unwrap()
        .split(' ')
        .next()
        .unwrap();
    assert_eq!(trace.len(), 32, "{line}");
    assert_ne!(trace, TRACE);
}

async fn variables_of_opentelemetry_are_honoured(bank: TestBank) {
    let receiver = Receiver::start().await;
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url.as_str()),
        ("OTEL_SERVICE_NAME", "retail"),
        (
            "OTEL_RESOURCE_ATTRIBUTES",
            "deployment.environment.name=test",
        ),
    ];
    let (service, address) = start(&bank, &[], &variables);
    send(&address, "GET", "/health/live", &[], "")
        .await
        .unwrap();
    receiver.span("GET /health/live").await;
    let resource = {
        let got = receiver.got.lock().unwrap();
        got.traces[0].resource_spans[0].resource.clone().unwrap()
    };
    let of_resource = |name: &str| value(&resource.attributes, name);
    assert_eq!(of_resource("service.name"), text("retail"));
    assert_eq!(of_resource("deployment.environment.name"), text("test"));
    assert!(of_resource("service.version").is_some());
    drop(service);
    let before = receiver.spans().len();
    let off = [variables[0], ("OTEL_TRACES_SAMPLER", "always_off")];
    let (_service, address) = start(&bank, &[], &off);
    send(&address, "GET", "/health/live", &[], "")
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(receiver.spans().len(), before);
}

async fn wrong_endpoint_is_an_error(bank: TestBank) {
    let arguments = [
        "serve",
        "--otlp-endpoint",
        "http://user:canary@collector:4318",
    ];
    let run = run(bank.url(), &arguments).await;
    assert_eq!(run.code, 2, "{}", run.err);
    assert!(run.err.contains("is no address"), "{}", run.err);
    assert!(!run.err.contains("canary"), "{}", run.err);
}
