//! `Reporter`: hears of everything that happens in a run, and has it told.
//!
//! What the command prints goes where the command sent it; all else goes to stderr.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use ibid_core::engine::{Event, NotStored, Sink, Warning};
use ibid_core::exec::Stream;

use super::Console;
use super::human::{explanation, outcome_line, surprise};
use super::json::{event_json, work_word};

/// Tells events as the console wants them.
pub(crate) struct Reporter<'a> {
    console: &'a Console,
    explain: bool,
    on_running: &'a (dyn Fn() + Sync),
    on_unread: &'a (dyn Fn() + Sync),
    unread: AtomicBool,
    cache_failed: AtomicBool,
}

impl<'a> Reporter<'a> {
    /// Makes a reporter; with `explain` all that changed is printed before the command runs.
    /// `on_running` is called just before it does, `on_unread` once when nobody reads its standard
    /// output any more.
    pub(crate) fn new(
        console: &'a Console,
        explain: bool,
        on_running: &'a (dyn Fn() + Sync),
        on_unread: &'a (dyn Fn() + Sync),
    ) -> Self {
        Self {
            console,
            explain,
            on_running,
            on_unread,
            unread: AtomicBool::new(false),
            cache_failed: AtomicBool::new(false),
        }
    }

    /// Says whether the cache was at fault in anything that was told.
    pub(crate) fn cache_failed(&self) -> bool {
        self.cache_failed.load(Relaxed)
    }

    fn fault(&self) {
        self.cache_failed.store(true, Relaxed);
    }

    fn json(&self, event: &Event<'_>) {
        if let Some(event) = event_json(event) {
            self.console.event(&event);
        }
    }

    fn people(&self, event: &Event<'_>) {
        let console = self.console;
        match event {
            Event::Running { rerun } if self.explain => console.lines(&explanation("ibid", rerun)),
            Event::Waiting { holder, what } => {
                console.say(&format!("waiting for {holder}, which has {what}"));
            }
            Event::Note(note) => console.note(&note.to_string()),
            Event::Warning(warning) => console.warn(&warning.to_string()),
            Event::Finished { outcome, .. } => {
                if let Some(reason) = surprise(outcome) {
                    console.warn(&format!("{reason}; the result counts, but was not stored"));
                }
                console.say(&outcome_line(outcome));
            }
            _ => {}
        }
    }
}

impl Sink for Reporter<'_> {
    fn event(&self, event: &Event<'_>) {
        match event {
            Event::Output { stream, bytes } => {
                return match stream {
                    Stream::Stdout => {
                        if !self.console.pass_out(bytes) && !self.unread.swap(true, Relaxed) {
                            (self.on_unread)();
                        }
                    }
                    Stream::Stderr => self.console.pass_err(bytes),
                };
            }
            Event::WorkBegan { work, meter } => self.console.begin(work_word(*work), meter),
            Event::WorkEnded => self.console.end(),
            Event::Running { .. } => (self.on_running)(),
            Event::Warning(Warning::Store(_)) => self.fault(),
            Event::Finished { outcome, .. }
                if matches!(surprise(outcome), Some(NotStored::Store(_))) =>
            {
                self.fault();
            }
            _ => {}
        }
        if self.console.wants_events() {
            self.json(event);
        }
        if self.console.wants_lines() {
            self.people(event);
        }
    }
}
