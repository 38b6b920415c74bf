//! `PipelineReporter`: hears of everything that happens in a run of many steps, and has it told.
//!
//! What steps print is kept until each is over, its end only, and told in one piece: lines of two
//! steps never mix. What is done scrolls by; steps that are up to date are counted at the end
//! where there are many. Everything of a step carries its name.

mod json;
mod tail;
#[cfg(test)]
mod tests;
mod words;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::time::Duration;

use anstyle::Style;
use ibid_core::engine::schedule::{Finished, PipelineEvent, PipelineSink, RunReport};
use ibid_core::engine::snapshot::Told;
use ibid_core::engine::{Decision, Event, NotStored, Note, Warning};
use ibid_core::exec::Interrupt;
use ibid_core::pipeline::{Pipeline, StepId};
use ibid_core::tree::Escaped;

use self::tail::Tail;
pub(super) use self::words::name;
use self::words::{Telling, aftermath, is_interrupt, summary, telling};
use super::Console;
use super::human::{explanation, outcome_line, surprise};
use super::json::{outcome_json, work_word};
use super::progress::Lane;

/// In a run of more steps than these, a step that is up to date has no line of its own.
const FEW: usize = 20;

/// As many lines of a failed step's output are shown.
const LAST_LINES: usize = 20;

/// As many bytes of a step's output are kept where only its last lines are shown.
const FOR_LINES: usize = 64 << 10;

/// As many bytes of a step's output are kept where all of it is shown.
const FOR_ALL: usize = 4 << 20;

const BOLD: Style = Style::new().bold();
const DIMMED: Style = Style::new().dimmed();

/// Whose output is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ShowOutput {
    /// Nobody's.
    Never,
    /// The last lines of a step that failed.
    #[default]
    Failed,
    /// Every step's.
    All,
}

/// What of a run is to be told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Telltale {
    pub(crate) show: ShowOutput,
    /// Whether all that changed is printed before a command runs.
    pub(crate) explain: bool,
    /// Knows whether the user wants an end.
    pub(crate) interrupt: Interrupt,
}

/// Tells events of a run as the console wants them.
#[derive(Debug)]
pub(crate) struct PipelineReporter<'a> {
    console: &'a Console,
    pipeline: &'a Pipeline,
    what: Telltale,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    live: BTreeMap<StepId, Live>,
    done: usize,
    of: usize,
    cache_failed: bool,
}

/// What is known of a step that a worker has.
#[derive(Debug, Default)]
struct Live {
    tail: Tail,
    /// Where partial outputs lie, to be told with the failure.
    partial: Option<String>,
    /// How the last attempt ended, in words and as JSON.
    attempt: Option<(String, serde_json::Value)>,
}

impl<'a> PipelineReporter<'a> {
    /// Makes a reporter of a run of steps of `pipeline`.
    pub(crate) fn new(console: &'a Console, pipeline: &'a Pipeline, what: Telltale) -> Self {
        Self {
            console,
            pipeline,
            what,
            state: Mutex::default(),
        }
    }

    /// Says whether the cache was at fault in anything that was told.
    pub(crate) fn cache_failed(&self) -> bool {
        self.state().cache_failed
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("no reporter panics")
    }

    fn name(&self, step: StepId) -> String {
        name(self.pipeline, step)
    }

    fn started(&self, step: StepId) {
        let most = match self.what.show {
            ShowOutput::Never => 0,
            ShowOutput::Failed => FOR_LINES,
            ShowOutput::All => FOR_ALL,
        };
        let live = Live {
            tail: Tail::keeping(most),
            ..Live::default()
        };
        self.state().live.insert(step, live);
        let name = self.name(step);
        self.console
            .board(|board| board.enter(Lane::Step(step.index()), name));
        if self.console.wants_events() {
            let name = &self.pipeline.step(step).name;
            self.console
                .event(&serde_json::json!({"event": "started", "step": name}));
        }
    }

    /// Changes what is known of a step that a worker has.
    fn live(&self, step: StepId, change: impl FnOnce(&mut Live)) {
        change(self.state().live.entry(step).or_default());
    }

    fn of_step(&self, step: StepId, event: &Event<'_>) {
        let lane = Lane::Step(step.index());
        match event {
            Event::Output { bytes, .. } => {
                return self.live(step, |live| live.tail.append(bytes));
            }
            Event::WorkBegan { work, meter } => {
                self.console.watch(work_word(*work), meter);
                self.console
                    .board(|board| board.bytes(lane, work_word(*work), meter));
            }
            Event::WorkEnded => self.console.board(|board| board.thinks(lane)),
            Event::Running { .. } => self.console.board(|board| board.runs(lane)),
            Event::Waiting { holder, .. } => {
                let holder = holder.clone();
                self.console.board(|board| board.waits(lane, holder));
            }
            Event::Warning(Warning::Store(_)) => self.state().cache_failed = true,
            Event::Finished { outcome, .. } if self.pipeline.step(step).retries > 0 => {
                let ended = (outcome_line(outcome), outcome_json(outcome));
                self.live(step, |live| live.attempt = Some(ended));
            }
            _ => {}
        }
        if self.console.wants_events()
            && let Some(event) = json::of_step(&self.pipeline.step(step).name, event)
        {
            self.console.event(&event);
        }
        if self.console.wants_lines() {
            self.tell(step, event);
        }
    }

    fn tell(&self, step: StepId, event: &Event<'_>) {
        let (console, name) = (self.console, self.name(step));
        match event {
            Event::Running { rerun } if self.what.explain => {
                console.block(explanation(&name, rerun).as_bytes());
            }
            Event::Waiting { holder, what } => {
                console.say(&format!("{name}: waiting for {holder}, which has {what}"));
            }
            Event::Note(note @ Note::Partial(_)) => {
                self.live(step, |live| live.partial = Some(note.to_string()));
            }
            Event::Note(note) => console.note_of(&name, &note.to_string()),
            Event::Warning(warning) => console.warn_of(&name, &warning.to_string()),
            _ => {}
        }
    }

    fn retrying(&self, step: StepId, attempt: u32, of: u32) {
        let mut last = None;
        self.live(step, |live| {
            last = live.attempt.take();
            live.tail.clear();
            live.partial = None;
        });
        let (words, last) = last.unzip();
        if self.console.wants_events() {
            self.console.event(&serde_json::json!({
                "event": "retrying",
                "step": self.pipeline.step(step).name,
                "attempt": attempt,
                "of": of,
                "last": last,
            }));
        }
        let words = words.unwrap_or_else(|| "failed".to_owned());
        let name = self.name(step);
        self.console
            .say(&format!("{name}: {words}; attempt {attempt} of {of}"));
    }

    fn finished(&self, step: StepId, finished: &Finished) {
        let failed = matches!(finished, Finished::Failed(_) | Finished::Error(_));
        let (mut live, counter, done) = {
            let mut state = self.state();
            state.done += 1;
            if let Finished::Done(outcome) = finished {
                let lost = surprise(outcome);
                state.cache_failed |= matches!(lost, Some(NotStored::Store(_)));
            }
            let width = state.of.to_string().len();
            let counter = format!("[{:>width$}/{}]", state.done, state.of);
            let live = state.live.remove(&step).unwrap_or_default();
            (live, counter, state.done)
        };
        self.console.board(|board| {
            board.leave(Lane::Step(step.index()));
            board.count(done, failed);
        });
        if self.console.wants_events() {
            self.finished_json(step, finished, &mut live);
        }
        if self.console.wants_lines() {
            self.tell_finished((step, &counter), finished, &mut live);
        }
    }

    fn tell_finished(&self, (step, counter): (StepId, &str), finished: &Finished, live: &mut Live) {
        let name = self.name(step);
        if let Finished::Done(outcome) = finished
            && let Some(reason) = surprise(outcome)
        {
            let text = format!("{reason}; the result counts, but was not stored");
            self.console.warn_of(&name, &text);
        }
        let Some(telling) = telling(finished, self.what.interrupt.signal()) else {
            return;
        };
        let all = self.what.show == ShowOutput::All && !live.tail.bytes().is_empty();
        if is_up_to_date(finished) && !all && self.state().of > FEW {
            return;
        }
        let mut block = line(self.console, counter, &name, &telling).into_bytes();
        block.extend(self.details(&name, finished, live));
        if matches!(finished, Finished::Failed(_) | Finished::Error(_)) {
            self.console.urgent(&block);
        } else {
            self.console.block(&block);
        }
    }

    /// Returns what stands below the line of a step: what it printed, and where its partial
    /// outputs lie.
    fn details(&self, name: &str, finished: &Finished, live: &mut Live) -> Vec<u8> {
        let mut below = match (self.what.show, finished) {
            (ShowOutput::All, _) => whole(name, finished, &mut live.tail),
            (ShowOutput::Failed, Finished::Failed(_)) if self.what.interrupt.signal().is_none() => {
                last_lines(name, &mut live.tail).into_bytes()
            }
            _ => Vec::new(),
        };
        let mut text = String::new();
        if let Some(partial) = &live.partial {
            let _ = writeln!(text, "  {}", Escaped(partial.as_bytes()));
        }
        if let Finished::Error(error) = finished
            && let Some(hint) = error.hint().filter(|_| !is_interrupt(error))
        {
            let _ = writeln!(text, "  hint: {}", Escaped(hint.as_bytes()));
        }
        below.extend(text.into_bytes());
        below
    }

    fn finished_json(&self, step: StepId, finished: &Finished, live: &mut Live) {
        let shown = match self.what.show {
            ShowOutput::Never => false,
            ShowOutput::Failed => matches!(finished, Finished::Failed(_)),
            ShowOutput::All => true,
        };
        if shown && !live.tail.bytes().is_empty() {
            let name = &self.pipeline.step(step).name;
            let left_out = live.tail.left_out();
            self.console
                .event(&json::output(name, live.tail.bytes(), left_out));
        }
        self.console
            .event(&json::finished(step, finished, self.pipeline));
    }

    fn ended(&self, report: &RunReport) {
        self.console.board(super::progress::Board::ended);
        if self.console.wants_events() {
            self.console.event(&json::ended(report));
        }
        self.console.say(&summary(report));
        for line in aftermath(report, self.pipeline) {
            self.console.say(&line);
        }
    }
}

impl PipelineSink for PipelineReporter<'_> {
    fn event(&self, event: &PipelineEvent<'_>) {
        match event {
            PipelineEvent::Began { steps } => {
                self.state().of = *steps;
                let interrupt = self.what.interrupt.clone();
                self.console.board(|board| board.began(*steps, interrupt));
                if self.console.wants_events() {
                    self.console
                        .event(&serde_json::json!({"event": "began", "steps": steps}));
                }
            }
            PipelineEvent::Started { step } => self.started(*step),
            PipelineEvent::Step { step, event } => self.of_step(*step, event),
            PipelineEvent::Retrying { step, attempt, of } => self.retrying(*step, *attempt, *of),
            PipelineEvent::Finished { step, finished } => self.finished(*step, finished),
            PipelineEvent::Ended { report } => self.ended(report),
            _ => {}
        }
    }
}

/// Returns the line of a step: `[ 3/12] clean: ran in 1.2 s — inputs changed: input/a.csv`.
fn line(console: &Console, counter: &str, name: &str, telling: &Telling) -> String {
    format!(
        "{} {}: {}{}\n",
        console.paint(DIMMED, counter),
        console.paint(BOLD, name),
        console.paint(telling.style, &telling.word),
        telling.rest
    )
}

/// Returns the names of steps as they are told one by one, where there are few.
pub(crate) fn up_to_date_names(report: &RunReport, pipeline: &Pipeline) -> Vec<String> {
    if report.finished.len() > FEW {
        return Vec::new();
    }
    let steps = report.finished.keys();
    steps.map(|step| name(pipeline, *step)).collect()
}

/// Tells of a run that has nothing to do, as if each step had been looked at by itself.
pub(crate) fn nothing_to_do(console: &Console, told: &Told, elapsed: Duration) {
    let steps = usize::try_from(told.steps).unwrap_or(usize::MAX);
    let width = steps.to_string().len();
    for (at, name) in told.names.iter().enumerate() {
        let counter = format!("[{:>width$}/{steps}]", at + 1);
        console.block(line(console, &counter, name, &words::up_to_date()).as_bytes());
    }
    let counts = words::Counts {
        steps,
        up_to_date: steps,
        saved: told.saved,
        ..words::Counts::default()
    };
    console.say(&words::summary_of(&counts, elapsed));
}

fn is_up_to_date(finished: &Finished) -> bool {
    matches!(finished, Finished::Done(outcome)
        if matches!(outcome.decision, Decision::UpToDate { .. }))
}

/// Returns the last lines that a failed step printed.
fn last_lines(name: &str, tail: &mut Tail) -> String {
    let last = tail.last_lines(LAST_LINES);
    let mut text = String::new();
    if last.lines.is_empty() {
        text.push_str("  it printed nothing\n");
    } else if last.cut {
        let _ = writeln!(
            text,
            "  | … (`ibid run --show-output all {name}` shows what comes before)"
        );
    }
    for line in last.lines {
        let _ = writeln!(text, "  | {line}");
    }
    text
}

/// Returns all that a step printed and that is kept, byte for byte, below a line that says whose
/// it is.
fn whole(name: &str, finished: &Finished, tail: &mut Tail) -> Vec<u8> {
    let left_out = tail.left_out();
    let bytes = tail.bytes();
    if bytes.is_empty() {
        return Vec::new();
    }
    let mut header = format!("--- output of {name}");
    if left_out > 0 {
        let _ = write!(
            header,
            ", without its first {}",
            super::people::size(left_out)
        );
        if matches!(finished, Finished::Done(_)) {
            let _ = write!(header, " (`ibid output {name}` prints all)");
        }
    }
    let mut block = (header + " ---\n").into_bytes();
    block.extend_from_slice(bytes);
    if !bytes.ends_with(b"\n") {
        block.push(b'\n');
    }
    block
}
