//! The handling of keys.

use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use neobank_ops::live::{Signal, SignalOutcome, Target};

use super::state::{Confirmation, Message, State, View};

/// The greatest length of a filter.
const FILTER_LENGTH_MAX: usize = 200;
/// The number of lines of a page.
const PAGE: usize = 15;

pub(super) const INTERVAL_MIN: Duration = Duration::from_millis(500);
pub(super) const INTERVAL_MAX: Duration = Duration::from_secs(60);

/// An effect outside the state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Quit,
    /// Sample the server now.
    Refresh,
    /// Send this signal, which was confirmed.
    Send(Signal, Target),
}

impl State {
    /// Handles a key.
    pub(super) fn pressed(&mut self, key: KeyEvent) -> Option<Effect> {
        if key.kind == KeyEventKind::Release {
            return None;
        }
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return (key.code == KeyCode::Char('c')).then_some(Effect::Quit);
        }
        self.message = None;
        if self.confirmation.is_some() {
            self.confirm(key.code)
        } else if self.is_helping {
            self.is_helping = false;
            None
        } else if self.is_typing_filter {
            self.type_filter(key.code);
            None
        } else {
            self.command(key.code)
        }
    }

    /// Only `y` confirms; neither Enter nor a key that moves does.
    fn confirm(&mut self, key: KeyCode) -> Option<Effect> {
        match key {
            KeyCode::Char('y' | 'Y') => {
                let confirmed = self.confirmation.take()?;
                Some(Effect::Send(confirmed.signal, confirmed.target))
            }
            KeyCode::Char('n' | 'N' | 'q') | KeyCode::Esc => {
                self.confirmation = None;
                self.inform("nothing was sent");
                None
            }
            _ => None,
        }
    }

    fn type_filter(&mut self, key: KeyCode) {
        match key {
            KeyCode::Enter => self.is_typing_filter = false,
            KeyCode::Esc => {
                self.is_typing_filter = false;
                self.filter.clear();
            }
            KeyCode::Backspace => {
                self.filter.pop();
            }
            KeyCode::Char(character) if self.filter.len() < FILTER_LENGTH_MAX => {
                self.filter.push(character);
            }
            _ => {}
        }
        self.keep_chosen();
    }

    fn command(&mut self, key: KeyCode) -> Option<Effect> {
        let index = self.chosen_index();
        match key {
            KeyCode::Char('q') => return Some(Effect::Quit),
            KeyCode::Char('?' | 'h') | KeyCode::F(1) => self.is_helping = true,
            KeyCode::Char('1') => self.show(View::Sessions),
            KeyCode::Char('2') => self.show(View::Blocking),
            KeyCode::Char('3') => self.show(View::Pools),
            KeyCode::Tab => self.show(self.view.next()),
            KeyCode::BackTab => self.show(self.view.next().next()),
            KeyCode::Up | KeyCode::Char('k') => self.choose(index.saturating_sub(1)),
            KeyCode::Down | KeyCode::Char('j') => self.choose(index + 1),
            KeyCode::PageUp => self.choose(index.saturating_sub(PAGE)),
            KeyCode::PageDown => self.choose(index + PAGE),
            KeyCode::Home | KeyCode::Char('g') => self.choose(0),
            KeyCode::End | KeyCode::Char('G') => self.choose(usize::MAX),
            KeyCode::Char('/') => self.is_typing_filter = true,
            KeyCode::Esc => {
                self.filter.clear();
                self.keep_chosen();
            }
            KeyCode::Char('s') => self.sort_by(true),
            KeyCode::Char('S') => self.sort_by(false),
            KeyCode::Char('r') => {
                self.is_reversed = !self.is_reversed;
                self.keep_chosen();
            }
            KeyCode::Char('p' | ' ') => {
                self.is_paused = !self.is_paused;
                return (!self.is_paused).then_some(Effect::Refresh);
            }
            KeyCode::Char('+') => self.interval = (self.interval * 2).min(INTERVAL_MAX),
            KeyCode::Char('-') => self.interval = (self.interval / 2).max(INTERVAL_MIN),
            KeyCode::Char('c') => self.prepare(Signal::Cancel),
            KeyCode::Char('t') => self.prepare(Signal::Terminate),
            _ => {}
        }
        None
    }

    fn show(&mut self, view: View) {
        self.view = view;
        self.keep_chosen();
    }

    fn sort_by(&mut self, is_forward: bool) {
        self.sort = self.sort.step(is_forward);
        self.keep_chosen();
    }

    /// Asks for confirmation of a signal, or shows why none can be sent.
    fn prepare(&mut self, signal: Signal) {
        let Some(session) = self.chosen_session().cloned() else {
            return self.warn("choose a session first: a prepared transaction has none");
        };
        let Some(backend_start) = session.backend_start else {
            return self.warn(
                "this role may not see that session: it takes pg_monitor, and pg_signal_backend",
            );
        };
        if session.is_own {
            return self.warn("this session is the view's own");
        }
        if signal == Signal::Cancel && session.state.as_deref() != Some("active") {
            return self.warn("it runs no statement that could be cancelled; t ends the session");
        }
        self.confirmation = Some(Confirmation {
            signal,
            target: Target::new(session.process_id, backend_start)
                .with_statement_started_at(session.statement_started_at),
            session,
        });
    }

    /// Takes the result of a signal.
    pub(super) fn signalled(&mut self, target: &Target, outcome: Result<SignalOutcome, String>) {
        let process_id = target.process_id;
        match outcome {
            Ok(SignalOutcome::Sent) => self.inform(&format!("sent to {process_id}")),
            Ok(SignalOutcome::Gone) => {
                self.warn(&format!("{process_id} has ended: nothing was sent"));
            }
            Ok(SignalOutcome::StatementOver) => {
                self.warn(&format!(
                    "that statement of {process_id} is over: nothing was sent"
                ));
            }
            Ok(SignalOutcome::OwnSession) => self.warn("this session is the view's own"),
            Ok(_) => self.warn(&format!("nothing was sent to {process_id}")),
            Err(reason) => self.warn(&format!("nothing was sent to {process_id}: {reason}")),
        }
    }

    fn inform(&mut self, text: &str) {
        self.message = Some(Message {
            text: text.to_owned(),
            is_bad: false,
        });
    }

    fn warn(&mut self, text: &str) {
        self.message = Some(Message {
            text: text.to_owned(),
            is_bad: true,
        });
    }
}

impl View {
    const fn next(self) -> Self {
        match self {
            Self::Sessions => Self::Blocking,
            Self::Blocking => Self::Pools,
            Self::Pools => Self::Sessions,
        }
    }
}
