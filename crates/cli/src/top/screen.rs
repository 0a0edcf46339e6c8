//! The loop between the terminal, the server and the state.

use std::time::{Duration, Instant};

use crossterm::event::{Event, EventStream};
use futures_util::StreamExt as _;
use neobank_ops::live::{SignalOutcome, Target};
use neobank_ops::{Monitor, OpsError, Section};
use ratatui::DefaultTerminal;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

use super::TopError;
use super::render::render;
use super::sample::{Sample, sample};
use super::state::State;
use super::update::Effect;

/// A guard that restores the terminal: on return and on error by this value, on a panic by the hook
/// of [`ratatui::try_init`].
struct Restored(DefaultTerminal);

impl Drop for Restored {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

/// A result of a task outside the state.
enum TaskResult {
    Sampled(Result<Box<Sample>, OpsError>),
    Signalled(Target, Result<Section<SignalOutcome>, OpsError>),
}

/// Draws and handles keys until the user quits, or the process receives a signal to end.
pub(super) async fn run(monitor: Monitor, mut state: State) -> Result<(), TopError> {
    let mut terminated = signal(SignalKind::terminate())?;
    let mut hung_up = signal(SignalKind::hangup())?;
    let mut terminal = Restored(ratatui::try_init().inspect_err(|_| ratatui::restore())?);
    let mut events = EventStream::new();
    let mut work = Work::new(monitor);
    work.sample();
    let mut due = tokio::time::Instant::now() + state.interval;
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    loop {
        state.waiting = work.pending_since.map(|since| since.elapsed());
        terminal.0.draw(|frame| render(frame, &state))?;
        tokio::select! {
            event = events.next() => match event {
                Some(Ok(Event::Key(key))) => match state.pressed(key) {
                    Some(Effect::Quit) => return Ok(()),
                    Some(Effect::Refresh) => work.sample(),
                    Some(Effect::Send(signal, target)) => work.send(signal, target),
                    None => {}
                },
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error.into()),
                None => return Ok(()),
            },
            Some(result) = work.tasks.join_next() => match result? {
                TaskResult::Sampled(sample) => {
                    work.is_sampling = false;
                    if sample.is_ok() {
                        work.pending_since = None;
                    }
                    match sample {
                        // A paused view ignores new samples.
                        Ok(_) if state.is_paused => {}
                        Ok(sample) => state.sampled(*sample),
                        Err(error) => state.problem = Some(error.to_string()),
                    }
                }
                TaskResult::Signalled(target, outcome) => {
                    state.signalled(&target, words(outcome));
                    work.sample();
                }
            },
            () = tokio::time::sleep_until(due) => {
                due = tokio::time::Instant::now() + state.interval;
                if !state.is_paused {
                    work.sample();
                }
            }
            // Redraws while a sample is pending, because its age is shown.
            _ = seconds.tick(), if work.pending_since.is_some() => {}
            _ = terminated.recv() => return Ok(()),
            _ = hung_up.recv() => return Ok(()),
        }
    }
}

/// The tasks that query the server: one sample at a time.
struct Work {
    monitor: Monitor,
    tasks: JoinSet<TaskResult>,
    is_sampling: bool,
    /// The start of the oldest pending sample.
    pending_since: Option<Instant>,
}

impl Work {
    fn new(monitor: Monitor) -> Self {
        Self {
            monitor,
            tasks: JoinSet::new(),
            is_sampling: false,
            pending_since: None,
        }
    }

    fn sample(&mut self) {
        if !self.is_sampling {
            self.is_sampling = true;
            self.pending_since.get_or_insert_with(Instant::now);
            let monitor = self.monitor.clone();
            self.tasks
                .spawn(async move { TaskResult::Sampled(sample(&monitor).await.map(Box::new)) });
        }
    }

    fn send(&mut self, signal: neobank_ops::live::Signal, target: Target) {
        let monitor = self.monitor.clone();
        self.tasks.spawn(async move {
            let outcome = monitor.signal(signal, &target).await;
            TaskResult::Signalled(target, outcome)
        });
    }
}

fn words(outcome: Result<Section<SignalOutcome>, OpsError>) -> Result<SignalOutcome, String> {
    match outcome {
        Ok(Section::Available { value, .. }) => Ok(value),
        Ok(Section::NotAvailable { reason }) => Err(reason.detail),
        Err(error) => Err(error.to_string()),
    }
}
