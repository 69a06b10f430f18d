//! What a command says, where, and how it ends.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::domain::Progress;

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub enum CliError {
    /// The words of the command line make no sense: exit code 2.
    Usage(String),
    /// It could not be done: exit code 1.
    Failure(String),
    /// Whoever read stdout went away; nothing is wrong.
    Closed,
}

impl CliError {
    pub fn usage(sentence: impl Into<String>) -> Self {
        Self::Usage(sentence.into())
    }
}

/// Any error of a room becomes one sentence: its own words, then those of its sources that add something.
impl<E: Into<anyhow::Error>> From<E> for CliError {
    fn from(error: E) -> Self {
        Self::Failure(sentence(&error.into()))
    }
}

/// An error and its sources in one line, without repeating what an outer one already says.
pub fn sentence(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        // A backtrace may follow the first line of candle's messages.
        let line = cause.to_string();
        let line = line.lines().next().unwrap_or_default().trim();
        if line.is_empty() || text.contains(line) {
            continue;
        }
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(line);
    }
    text
}

/// Ends the program: a sentence on stderr where something went wrong.
pub fn finish(result: Result<(), CliError>) -> ExitCode {
    let say = |text: &str| {
        let _ = writeln!(io::stderr(), "seamline: {text}");
    };
    match result {
        Ok(()) | Err(CliError::Closed) => ExitCode::SUCCESS,
        Err(CliError::Failure(text)) => {
            say(&text);
            ExitCode::from(1)
        }
        Err(CliError::Usage(text)) => {
            say(&text);
            ExitCode::from(2)
        }
    }
}

/// Where results go.
pub struct Output;

impl Output {
    /// A line of the result.
    pub fn line(&mut self, text: impl AsRef<str>) -> Result<(), CliError> {
        wrote(writeln!(io::stdout().lock(), "{}", text.as_ref()))
    }

    /// The result as one JSON document.
    pub fn json(&mut self, value: &impl Serialize) -> Result<(), CliError> {
        let mut out = io::stdout().lock();
        let text = serde_json::to_string_pretty(value)?;
        wrote(writeln!(out, "{text}").and_then(|()| out.flush()))
    }

    /// Something that is not part of the result.
    pub fn note(&mut self, text: impl AsRef<str>) {
        let _ = writeln!(io::stderr().lock(), "{}", text.as_ref());
    }
}

fn wrote(result: io::Result<()>) -> Result<(), CliError> {
    match result {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(CliError::Closed),
        Err(error) => Err(CliError::Failure(format!("cannot write the result: {error}"))),
    }
}

/// Shows progress on stderr: a bar on a terminal, else a line now and then.
pub struct ProgressLine {
    state: Mutex<State>,
}

struct State {
    bar: Option<ProgressBar>,
    what: &'static str,
    said: Instant,
    said_any: bool,
}

impl Default for ProgressLine {
    fn default() -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{msg:<24} {bar:32} {pos}/{len}  {eta} left")
                .unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10)).with_style(style)
        });
        Self { state: Mutex::new(State { bar, what: "", said: Instant::now(), said_any: false }) }
    }
}

impl ProgressLine {
    /// How often plain lines are printed where there is no terminal.
    const PLAIN_EVERY: Duration = Duration::from_secs(5);

    pub fn show(&self, progress: &Progress) {
        let Ok(mut state) = self.state.lock() else { return };
        let new = state.what != progress.what;
        state.what = progress.what;
        if let Some(bar) = &state.bar {
            if new {
                bar.reset();
                bar.set_message(progress.what);
            }
            bar.set_length(progress.total as u64);
            bar.set_position(progress.done as u64);
        } else if new
            || state.said.elapsed() >= Self::PLAIN_EVERY
            || (progress.done == progress.total && state.said_any)
        {
            state.said = Instant::now();
            state.said_any = progress.done < progress.total;
            let _ = writeln!(io::stderr().lock(), "{}: {} of {}", progress.what, progress.done, progress.total);
        }
    }

    pub fn finish(&self) {
        if let Ok(state) = self.state.lock()
            && let Some(bar) = &state.bar
        {
            bar.finish_and_clear();
        }
    }
}
