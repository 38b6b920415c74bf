//! `Console`: the two streams of the process, and whose turn it is to write; or a listener, where
//! the process is somebody else's.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use anstyle::{AnsiColor, Style};
use ibid_core::environ::EnvSnapshot;
use ibid_core::exec::Stream;
use ibid_core::fs::Meter;
use rustix::event::{PollFd, PollFlags, poll};

use super::people::Paint;
use super::progress::{Board, Lane, Progress};
use super::{Listener, Weight};
use crate::args::{ColorChoice, GlobalArgs};
use crate::error::Failure;
use crate::exit;

const NOTE: Style = Style::new().dimmed();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();

/// Where and how to print.
#[derive(Debug)]
pub(crate) struct Console {
    json: bool,
    quiet: AtomicBool,
    color: bool,
    /// Whether data is coloured: `None` where that depends on where it goes.
    colored_data: Option<bool>,
    progress: Option<Progress>,
    /// Who hears everything instead of the streams of the process.
    listener: Option<Arc<dyn Listener>>,
    /// Whether events are what was asked for, and so go to stdout.
    events_are_data: AtomicBool,
    said: Mutex<BTreeSet<String>>,
    /// Why output of the command did not reach standard output, if it did not.
    lost: Mutex<Option<io::Error>>,
    /// What a test reads instead of the streams.
    #[cfg(test)]
    kept: Option<Mutex<Vec<u8>>>,
}

impl Console {
    /// Looks at the flags, the environment and the terminal.
    pub(crate) fn new(global: &GlobalArgs, env: &EnvSnapshot) -> Self {
        let terminal = io::stderr().is_terminal();
        let able = env.non_empty("TERM").is_none_or(|term| term != "dumb");
        let wanted = able && env.non_empty("NO_COLOR").is_none();
        let (color, colored_data) = match global.color {
            ColorChoice::Always => (true, Some(true)),
            ColorChoice::Auto if wanted => (terminal, None),
            ColorChoice::Auto | ColorChoice::Never => (false, Some(false)),
        };
        let progress = terminal && able && !global.quiet && !global.json;
        Self {
            json: global.json,
            quiet: AtomicBool::new(global.quiet),
            color,
            colored_data,
            progress: progress.then(|| Progress::new(color)),
            listener: None,
            events_are_data: AtomicBool::new(false),
            said: Mutex::default(),
            lost: Mutex::default(),
            #[cfg(test)]
            kept: None,
        }
    }

    /// Makes one that touches no stream: everything goes to `listener`, events and the lines that
    /// people read.
    pub(crate) fn heard_by(listener: Arc<dyn Listener>) -> Self {
        Self {
            json: false,
            quiet: AtomicBool::new(false),
            color: false,
            colored_data: Some(false),
            progress: None,
            listener: Some(listener),
            events_are_data: AtomicBool::new(false),
            said: Mutex::default(),
            lost: Mutex::default(),
            #[cfg(test)]
            kept: None,
        }
    }

    /// Says whether data for people is coloured.
    pub(crate) fn data_paint(&self) -> Paint {
        // Few commands ask, and looking at a stream costs a call of the system.
        let colored = self.colored_data;
        if colored.unwrap_or_else(|| io::stdout().is_terminal()) {
            Paint::Colored
        } else {
            Paint::Plain
        }
    }

    /// Says whether data is for programs.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Says whether somebody takes events.
    pub(crate) fn wants_events(&self) -> bool {
        let wants = |listener: &Arc<dyn Listener>| listener.wants_events();
        self.json || self.listener.as_ref().is_some_and(wants)
    }

    /// Says whether somebody reads lines.
    pub(crate) fn wants_lines(&self) -> bool {
        !self.json
    }

    /// Says whether only errors and warnings are wanted.
    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet.load(Ordering::Relaxed)
    }

    /// Leaves out everything but errors and warnings from here on, as the settings ask.
    pub(crate) fn hush(&self) {
        // Who listens chooses what is shown.
        self.quiet.store(self.listener.is_none(), Ordering::Relaxed);
    }

    /// Writes events to stdout from here on: nothing else goes there.
    pub(crate) fn events_are_data(&self) {
        self.events_are_data.store(true, Ordering::Relaxed);
    }

    /// Watches work of a single command that moves `meter`, such as `hashing`, if somebody looks
    /// on.
    pub(crate) fn begin(&self, verb: &'static str, meter: &Arc<Meter>) {
        self.watch(verb, meter);
        self.board(|board| board.sole(verb, meter));
    }

    /// Lets a listener watch work that moves `meter`.
    pub(crate) fn watch(&self, verb: &'static str, meter: &Arc<Meter>) {
        if let Some(listener) = &self.listener {
            listener.work(verb, meter);
        }
    }

    /// The work that was watched is over.
    pub(crate) fn end(&self) {
        self.board(|board| board.leave(Lane::Sole));
    }

    /// Changes what moves on the terminal, if somebody looks on.
    pub(crate) fn board(&self, change: impl FnOnce(&mut Board)) {
        if let Some(progress) = self.progress.as_ref().filter(|_| !self.is_quiet()) {
            progress.change(change);
        }
    }

    /// Returns a text in a style, where there are colours.
    pub(crate) fn paint(&self, style: Style, text: &str) -> String {
        if self.color {
            format!("{style}{text}{style:#}")
        } else {
            text.to_owned()
        }
    }

    /// Writes data to stdout. A reader that went away is no failure: there is nothing left to do.
    pub(crate) fn data(&self, bytes: &[u8]) -> Result<(), Failure> {
        match self.write(|| io::stdout().lock(), bytes) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(unwritten(&error)),
            _ => Ok(()),
        }
    }

    /// Writes one JSON object to stdout as a line, with the version of its format.
    pub(crate) fn json_data(&self, value: &serde_json::Value) -> Result<(), Failure> {
        self.data(format!("{}\n", versioned(value)).as_bytes())
    }

    /// Passes on bytes of the command. Says whether there is still somebody to read them. Bytes
    /// that are lost in another way, on a full disk say, are told by [`Self::check_passed`].
    pub(crate) fn pass_out(&self, bytes: &[u8]) -> bool {
        if let Some(listener) = &self.listener {
            listener.output(Stream::Stdout, bytes);
            return true;
        }
        match self.write(|| io::stdout().lock(), bytes) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => false,
            Err(error) => {
                let mut lost = self.lost.lock().expect("no writer panics");
                lost.get_or_insert(error);
                true
            }
        }
    }

    /// Fails if output of the command was lost.
    pub(crate) fn check_passed(&self) -> Result<(), Failure> {
        let lost = self.lost.lock().expect("no writer panics");
        lost.as_ref().map_or(Ok(()), |error| Err(unwritten(error)))
    }

    /// Passes on bytes of the command's standard error.
    pub(crate) fn pass_err(&self, bytes: &[u8]) {
        if let Some(listener) = &self.listener {
            return listener.output(Stream::Stderr, bytes);
        }
        let _ = self.write(|| io::stderr().lock(), bytes);
    }

    /// Says how it went, in a line.
    pub(crate) fn say(&self, text: &str) {
        if !self.is_quiet() && !self.json {
            self.line(Weight::Normal, "ibid:", text);
        }
    }

    /// Prints lines that belong to what was said.
    pub(crate) fn lines(&self, text: &str) {
        if !self.is_quiet() && !self.json {
            self.tell(Weight::Normal, text.as_bytes());
        }
    }

    /// Prints lines, whole, for people who did not ask for quiet.
    pub(crate) fn block(&self, bytes: &[u8]) {
        if !self.is_quiet() && !self.json {
            self.tell(Weight::Normal, bytes);
        }
    }

    /// Prints lines, whole, that nobody should miss.
    pub(crate) fn urgent(&self, bytes: &[u8]) {
        if !self.json {
            self.tell(Weight::Heavy, bytes);
        }
    }

    /// Says something that is worth knowing, once.
    pub(crate) fn note(&self, text: &str) {
        if !self.is_quiet() && !self.json && self.first_time(text) {
            self.line(Weight::Normal, "ibid: note:", text);
        }
    }

    /// Says something that is worth knowing of a step; what holds of many is said of the first.
    pub(crate) fn note_of(&self, step: &str, text: &str) {
        if !self.is_quiet() && !self.json && self.first_time(text) {
            self.line(Weight::Normal, "ibid: note:", &format!("{step}: {text}"));
        }
    }

    /// Says what was lost of a step; what holds of many is said of the first.
    pub(crate) fn warn_of(&self, step: &str, text: &str) {
        if !self.json && self.first_time(text) {
            self.line(Weight::Heavy, "warning:", &format!("{step}: {text}"));
        }
    }

    /// Says what was lost, once, however quiet.
    pub(crate) fn warn(&self, text: &str) {
        if !self.first_time(text) {
            return;
        }
        if self.wants_events() {
            self.event(&serde_json::json!({"event": "warning", "warning": "cache", "text": text}));
        }
        if self.wants_lines() {
            self.line(Weight::Heavy, "warning:", text);
        }
    }

    /// Says whether anything was told that a user should know.
    pub(crate) fn has_warned(&self) -> bool {
        !self.said.lock().expect("no writer panics").is_empty()
    }

    /// Writes one event as a line of JSON, with the version of the format. It goes to stderr where
    /// stdout belongs to a command.
    pub(crate) fn event(&self, event: &serde_json::Value) {
        if let Some(listener) = &self.listener {
            return listener.event(event);
        }
        let line = format!("{}\n", versioned(event));
        if self.events_are_data.load(Ordering::Relaxed) {
            self.pass_out(line.as_bytes());
        } else {
            self.pass_err(line.as_bytes());
        }
    }

    fn line(&self, weight: Weight, tag: &str, text: &str) {
        if self.listener.is_some() {
            // Who listens names the sender and the weight in ways of their own.
            return self.tell(weight, text.as_bytes());
        }
        let style = match weight {
            Weight::Normal => NOTE,
            Weight::Heavy => WARNING,
        };
        let tag = self.paint(style, tag);
        self.pass_err(format!("{tag} {text}\n").as_bytes());
    }

    fn tell(&self, weight: Weight, lines: &[u8]) {
        match &self.listener {
            Some(listener) => listener.told(weight, String::from_utf8_lossy(lines).trim_end()),
            None => self.pass_err(lines),
        }
    }

    fn first_time(&self, text: &str) -> bool {
        let mut said = self.said.lock().expect("no writer panics");
        said.insert(text.to_owned())
    }

    /// Writes bytes above what moves. The stream is locked last, since the board takes it, too.
    fn write<L: Write + AsFd>(&self, lock: impl FnOnce() -> L, bytes: &[u8]) -> io::Result<()> {
        #[cfg(test)]
        if self.keep(bytes) {
            return Ok(());
        }
        match &self.progress {
            Some(progress) if !bytes.is_empty() => {
                let ends = bytes.ends_with(b"\n");
                progress.aside(ends, || write_whole(lock(), bytes))
            }
            _ => write_whole(lock(), bytes),
        }
    }
}

#[cfg(test)]
impl Console {
    /// Makes one without colours and terminal that keeps what is printed on both streams.
    pub(crate) fn keeping(global: &GlobalArgs) -> Self {
        Self {
            color: false,
            colored_data: Some(false),
            progress: None,
            kept: Some(Mutex::default()),
            ..Self::new(global, &EnvSnapshot::default())
        }
    }

    /// Returns what was printed.
    pub(crate) fn kept(&self) -> String {
        let kept = self.kept.as_ref().expect("it keeps");
        let bytes = std::mem::take(&mut *kept.lock().expect("no writer panics"));
        String::from_utf8(bytes).expect("tests print text")
    }

    fn keep(&self, bytes: &[u8]) -> bool {
        let kept = self.kept.as_ref();
        kept.inspect(|kept| kept.lock().expect("no writer panics").extend(bytes))
            .is_some()
    }
}

fn unwritten(error: &io::Error) -> Failure {
    Failure::new(exit::IBID_FAILED, "cannot write to standard output").because_of(Some(error))
}

/// Writes and flushes all bytes. A pipe that somebody else set to non-blocking is waited for, or
/// what does not fit in it would be lost.
fn write_whole(mut out: impl Write + AsFd, mut bytes: &[u8]) -> io::Result<()> {
    let mut is_flushed = false;
    while !(bytes.is_empty() && is_flushed) {
        let done = if bytes.is_empty() {
            out.flush().map(|()| 0)
        } else {
            out.write(bytes)
        };
        match done {
            Ok(0) if !bytes.is_empty() => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => {
                is_flushed = bytes.is_empty();
                bytes = &bytes[count..];
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let mut polled = [PollFd::new(&out, PollFlags::OUT)];
                // An error here shows again at the next write.
                let _ = poll(&mut polled, None);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Adds the version of the format, which every JSON object that is printed tells. What JSON may
/// hold as it is and a terminal would act on is escaped: controls, and marks that turn the order of
/// letters around. They occur in strings only.
fn versioned(value: &serde_json::Value) -> String {
    let mut value = value.clone();
    value["v"] = 1.into();
    let text = value.to_string();
    if text.is_ascii() && !text.contains('\u{7f}') {
        return text;
    }
    text.chars().fold(String::new(), |mut safe, character| {
        match character {
            '\u{7f}'..='\u{9f}'
            | '\u{61c}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}' => {
                let _ = write!(safe, "\\u{:04x}", u32::from(character));
            }
            character => safe.push(character),
        }
        safe
    })
}
