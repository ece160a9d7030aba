//! What is printed and how it looks: the two channels, whether they are a terminal, colours, lines of the right length. Knows
//! nothing of what is printed.

use std::io::{ErrorKind, IsTerminal, Write};

use domain::text::visible;
use rehearsal::report::text::Style;

/// Where a text goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Channel {
    /// Standard output.
    Output,
    /// Standard error.
    Error,
}

impl Channel {
    pub(crate) fn is_terminal(self) -> bool {
        match self {
            Channel::Output => std::io::stdout().is_terminal(),
            Channel::Error => std::io::stderr().is_terminal(),
        }
    }

    /// Writes a text as it is. A reader that has gone away (`| head`) has seen enough: what is being done goes on in silence, and
    /// the exit status tells how it ended.
    pub(crate) fn write(self, text: &str) -> anyhow::Result<()> {
        let written = match self {
            Channel::Output => whole(&mut std::io::stdout().lock(), text),
            Channel::Error => whole(&mut std::io::stderr().lock(), text),
        };
        match written {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Writes a line.
    pub(crate) fn line(self, text: &str) -> anyhow::Result<()> {
        self.write(&format!("{text}\n"))
    }
}

fn whole(out: &mut impl Write, text: &str) -> std::io::Result<()> {
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Prints a line to standard output.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    Channel::Output.line(text)
}

/// Says to standard error what went wrong; there is nobody left to tell when that fails too.
pub(crate) fn complain(text: &str) {
    let _ = Channel::Error.line(text);
}

/// How wide a channel is and whether it has colours.
#[expect(clippy::disallowed_methods, reason = "this is the command line's edge")]
pub(crate) fn style(channel: Channel) -> Style {
    let columns = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let width =
        columns.or_else(|| terminal_size::terminal_size().map(|(width, _)| usize::from(width.0))).unwrap_or(100);
    // https://no-color.org: any value but an empty one.
    let colour = channel.is_terminal() && std::env::var("NO_COLOR").unwrap_or_default().is_empty();
    Style { width: width.clamp(60, 160), colour }
}

/// Whether lines on this channel can be rewritten.
#[expect(clippy::disallowed_methods, reason = "this is the command line's edge")]
pub(crate) fn can_rewrite(channel: Channel) -> bool {
    channel.is_terminal() && std::env::var("TERM").is_ok_and(|term| term != "dumb")
}

/// Lines of at most `width` characters, broken between words; a word that is longer is broken where it must be.
pub(crate) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let (mut lines, mut line, mut length) = (Vec::new(), String::new(), 0);
    // Whatever is told, it is for reading: nothing in it moves the cursor.
    for word in visible(text).split_whitespace() {
        let needed = word.chars().count();
        if length > 0 && length + 1 + needed > width {
            lines.push(std::mem::take(&mut line));
            length = 0;
        }
        if length > 0 {
            line.push(' ');
            length += 1;
        }
        for c in word.chars() {
            if length == width {
                lines.push(std::mem::take(&mut line));
                length = 0;
            }
            line.push(c);
            length += 1;
        }
    }
    if length > 0 || lines.is_empty() {
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_is_longer_than_it_may_be_and_nothing_is_lost() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("a https://example.com/äöü b", 10), ["a", "https://ex", "ample.com/", "äöü b"]);
        assert_eq!(wrapped("", 5), [""]);
        assert_eq!(wrapped("a\u{1b}[2J\nb\u{9b}c", 20), ["a[2J bc"]);
    }
}
