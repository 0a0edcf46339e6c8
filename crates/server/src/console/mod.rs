//! The console: pages for the people of a bank, at `/console`.
//!
//! One file for each page. `session` keeps the sessions, `frame` puts every answer into its frame
//! (session, headers, errors), `layout` and `parts` write the HTML, and `form` reads what people
//! send. The pages need no script; `assets/console.js` only makes some of them nicer.

mod accounts;
mod assets;
mod audit;
mod csv_file;
mod customers;
mod database;
mod error;
mod events;
mod form;
mod frame;
mod groups;
mod holds;
mod layout;
mod parts;
mod search;
mod session;
mod sign_in;
mod transfer_form;
mod transfers;
mod trial_balance;
mod visit;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use neobank_ops::Monitor;
use tokio::sync::OnceCell;

use crate::middleware::{identify, limit};
use crate::state::ServiceState;
use session::Sessions;

/// The options of the console.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConsoleOptions {
    /// The time after which an unused session ends.
    pub idle_timeout: Duration,
    /// The time after which every session ends.
    pub session_timeout: Duration,
    /// The most sessions of one key; a further one ends the one of these that has been unused for
    /// longest.
    pub sessions_per_key_max: usize,
    /// The most sessions; a further one ends the session that has been unused for longest.
    pub sessions_max: u64,
}

impl Default for ConsoleOptions {
    fn default() -> Self {
        Self {
            idle_timeout: Duration::from_secs(15 * 60),
            session_timeout: Duration::from_secs(8 * 60 * 60),
            sessions_per_key_max: 20,
            sessions_max: 1_000,
        }
    }
}

/// The state of the console, which all its requests share.
#[derive(Clone, Debug)]
struct ConsoleState {
    service: ServiceState,
    sessions: Arc<Sessions>,
    /// Connected when the page of the database is first opened.
    monitor: Arc<OnceCell<Monitor>>,
}

/// Returns the console, to be merged with [`router`](crate::router).
pub fn console(state: ServiceState, options: ConsoleOptions) -> Router {
    let console = ConsoleState {
        service: state.clone(),
        sessions: Arc::new(Sessions::new(options)),
        monitor: Arc::default(),
    };
    let pages = Router::new()
        .route("/", get(search::home))
        .route("/sign-in", get(sign_in::form).post(sign_in::sign_in))
        .route("/sign-out", post(sign_in::sign_out))
        .route("/search", get(search::show))
        .route("/customers/{customer_id}", get(customers::show))
        .route("/accounts/{account_id}", get(accounts::show))
        .route(
            "/accounts/{account_id}/statement.csv",
            get(csv_file::statement),
        )
        .route("/transfer", get(transfer_form::form))
        .route("/transfer/preview", post(transfer_form::preview))
        .route("/transfer/edit", post(transfer_form::edit))
        .route("/transfer/confirm", post(transfer_form::confirm))
        .route("/transfers/{transfer_id}", get(transfers::show))
        .route("/holds", get(holds::list))
        .route("/holds/{hold_id}", get(holds::show))
        .route("/holds/{hold_id}/capture", post(holds::capture))
        .route("/holds/{hold_id}/release", post(holds::release))
        .route("/groups", get(groups::find))
        .route("/groups/{group_id}", get(groups::show))
        .route("/trial-balance", get(trial_balance::show))
        .route("/events", get(events::show))
        .route("/database", get(database::show))
        .route("/audit", get(audit::show).post(audit::run))
        .layer(from_fn_with_state(state.clone(), limit));
    let files = Router::new()
        .route("/style.css", get(assets::style))
        .route("/console.js", get(assets::script))
        .route("/icon.svg", get(assets::icon));
    let framed = pages
        .merge(files)
        .fallback(error::unknown_page)
        .method_not_allowed_fallback(error::unknown_method)
        .layer(from_fn_with_state(console.clone(), frame::frame))
        .with_state(console);
    Router::new()
        .nest("/console", framed)
        .layer(from_fn_with_state(state, identify))
}
