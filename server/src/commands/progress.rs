//! The progress of a long command: a line on a terminal, otherwise nothing.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// The progress line. It disappears when dropped.
pub(super) struct Line(ProgressBar);

impl Line {
    pub(super) fn new() -> Self {
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(120));
        Self(bar)
    }

    pub(super) fn show(&self, what: &str, count: u64) {
        self.0.set_message(if count == 0 { what.to_owned() } else { format!("{count} {what}") });
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
