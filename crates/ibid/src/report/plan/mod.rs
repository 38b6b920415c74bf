//! Plans: what a run would do about each step, for people and for programs.

mod json;
#[cfg(test)]
mod tests;
mod totals;

use std::fmt::Write as _;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use ibid_core::action::HumanDuration;
use ibid_core::engine::schedule::{Expected, PlannedStep};
use ibid_core::engine::{self, Forecast};
use ibid_core::pipeline::Pipeline;
use ibid_core::store::{OutputContent, StoredResult};
use ibid_core::tree::Escaped;
use unicode_width::UnicodeWidthStr as _;

pub(crate) use self::json::{document, short_document};
use self::totals::Totals;
use super::human::reason;
use super::people::Paint;
use super::pipeline::name;
use super::{people, value};

/// As many changed components of a step are listed.
const CHANGES: usize = 10;

/// As many steps are listed where the short form is asked for.
const SHORT: usize = 40;

/// As many columns are kept for names.
const NAME: usize = 40;

const RUNS: Style = AnsiColor::Yellow.on_default();
const CITED: Style = AnsiColor::Cyan.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const DIMMED: Style = Style::new().dimmed();
const BOLD: Style = Style::new().bold();

/// Prints a line for each step, below it what changed, and at the end what it comes to.
pub(crate) fn text(planned: &[PlannedStep], pipeline: &Pipeline, paint: Paint) -> String {
    let width = name_width(planned, pipeline);
    let mut text = String::new();
    for step in planned {
        let (style, words) = words(step, pipeline);
        line(&mut text, (step, width, style), &words, (pipeline, paint));
        for detail in details(step) {
            let _ = writeln!(text, "    {detail}");
        }
    }
    let totals = Totals::of(planned);
    let _ = writeln!(text, "\n{}", totals.counts());
    if let Some(time) = totals.time() {
        let _ = writeln!(text, "{time}");
    }
    text
}

/// Prints a line for each step that is not up to date, and how many are.
pub(crate) fn short_text(planned: &[PlannedStep], pipeline: &Pipeline, paint: Paint) -> String {
    let open: Vec<&PlannedStep> = planned.iter().filter(|step| !is_up_to_date(step)).collect();
    let listed = &open[..open.len().min(SHORT)];
    let width = name_width(listed.iter().copied(), pipeline);
    let mut text = String::new();
    for step in listed {
        let (style, words) = words(step, pipeline);
        line(&mut text, (step, width, style), &words, (pipeline, paint));
    }
    if open.len() > listed.len() {
        let more = open.len() - listed.len();
        let _ = writeln!(text, "… and {more} more; `ibid plan` lists all");
    }
    let _ = writeln!(text, "{}", Totals::of(planned).counts());
    text
}

fn line(
    text: &mut String,
    (step, width, style): (&PlannedStep, usize, Style),
    (word, rest): &(&str, String),
    (pipeline, paint): (&Pipeline, Paint),
) {
    let name = name(pipeline, step.step);
    let gap = " ".repeat(width.saturating_sub(name.width()));
    let _ = writeln!(
        text,
        "{}{gap}  {}{rest}",
        painted(paint, BOLD, &name),
        painted(paint, style, word)
    );
}

fn painted(paint: Paint, style: Style, text: &str) -> String {
    match paint {
        Paint::Plain => text.to_owned(),
        Paint::Colored => format!("{style}{text}{style:#}"),
    }
}

fn name_width<'a>(
    planned: impl IntoIterator<Item = &'a PlannedStep>,
    pipeline: &Pipeline,
) -> usize {
    let widths = planned.into_iter();
    let widths = widths.map(|step| name(pipeline, step.step).width());
    widths.max().unwrap_or(0).min(NAME)
}

fn is_up_to_date(step: &PlannedStep) -> bool {
    matches!(&step.expected, Expected::Foreseen(foreseen)
        if matches!(foreseen.forecast, Forecast::UpToDate { .. }))
}

/// Says in a line what would be done: the words that say it, in a style, and the rest.
fn words(step: &PlannedStep, pipeline: &Pipeline) -> (Style, (&'static str, String)) {
    match &step.expected {
        Expected::Foreseen(foreseen) => match &foreseen.forecast {
            Forecast::UpToDate { .. } => (DIMMED, ("up to date", String::new())),
            Forecast::Restore { result } => (CITED, ("hit", restored(result))),
            Forecast::Run { rerun } => {
                let reason = reason(rerun);
                let reason = Escaped(reason.as_bytes());
                let about = step
                    .predicted
                    .map(|time| format!(" (about {})", HumanDuration(time)));
                let about = about.unwrap_or_default();
                (RUNS, ("will run", format!(" — {reason}{about}")))
            }
        },
        Expected::Unknown { until } => {
            let names: Vec<_> = until.iter().map(|step| name(pipeline, *step)).collect();
            let about = step
                .predicted
                .map(|time| format!(" (about {} if it runs)", HumanDuration(time)));
            let rest = format!(
                " until {} ran{}",
                people::some_of(&names, 3),
                about.unwrap_or_default()
            );
            (RUNS, ("unknown", rest))
        }
        Expected::Error(error) => {
            let text = engine::chain(error);
            let text = Escaped(text.as_bytes());
            (BAD, ("cannot run", format!(": {text}")))
        }
    }
}

/// Says what would come out of the store.
fn restored(result: &StoredResult) -> String {
    let (outputs, bytes) = contents(result);
    let saved = HumanDuration(Duration::from_nanos(result.run.duration));
    let size = bytes.map_or_else(String::new, |bytes| format!(", {}", people::size(bytes)));
    let outputs = people::count(outputs, "output");
    format!(": {outputs}{size} from the store (saves {saved})")
}

/// Counts the outputs of a result and their bytes, which are not known of folders.
fn contents(result: &StoredResult) -> (usize, Option<u64>) {
    let outputs = &result.outcome.outputs;
    let sizes = outputs.iter().map(|output| match output.content {
        OutputContent::File { size, .. } => Some(size),
        OutputContent::Tree(_) => None,
        OutputContent::Link(_) => Some(0),
    });
    (outputs.len(), sizes.sum())
}

/// Lists what changed, or what to do about a mistake.
fn details(step: &PlannedStep) -> Vec<String> {
    match &step.expected {
        Expected::Foreseen(foreseen) => {
            let Forecast::Run { rerun } = &foreseen.forecast else {
                return Vec::new();
            };
            let changes = rerun.changes.iter().take(CHANGES);
            let mut lines: Vec<_> = changes.map(value::change).collect();
            if rerun.changes.len() > CHANGES {
                lines.push(format!("and {} more", rerun.changes.len() - CHANGES));
            }
            lines
        }
        Expected::Unknown { .. } => Vec::new(),
        Expected::Error(error) => error
            .hint()
            .map(|hint| format!("hint: {}", Escaped(hint.as_bytes())))
            .into_iter()
            .collect(),
    }
}
