//! Plots as SVG: bars by week, points over time, on a straight or a logarithmic scale. Knows nothing of deployments.

use std::time::Duration;

use domain::time::Timestamp;

use super::super::words::day;
use super::escape;

const WIDTH: f64 = 480.0;
const HEIGHT: f64 = 240.0;
/// On a narrow screen the text is half as large again as on a wide one (`style.css`); there is room for that on all sides.
const LEFT: f64 = 66.0;
/// For the names of the limits, which stand beside the plot: in it they would lie on lines and points.
const RIGHT: f64 = 72.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 30.0;
/// Two labels on an upright axis are so far apart at least.
const APART: f64 = 18.0;
/// A day label needs so much room.
const LABEL: f64 = 104.0;
const WEEK: i64 = 7 * 24 * 60 * 60 * 1000;

/// The spans at which a logarithmic axis has its lines, in seconds.
const SPANS: [(f64, &str); 15] = [
    (1.0, "1 s"),
    (10.0, "10 s"),
    (60.0, "1 min"),
    (300.0, "5 min"),
    (1200.0, "20 min"),
    (3600.0, "1 h"),
    (14_400.0, "4 h"),
    (43_200.0, "12 h"),
    (86_400.0, "1 d"),
    (259_200.0, "3 d"),
    (604_800.0, "7 d"),
    (2_592_000.0, "30 d"),
    (7_776_000.0, "90 d"),
    (31_536_000.0, "1 y"),
    (315_360_000.0, "10 y"),
];

/// What a plot is drawn on.
pub(super) struct Plot {
    /// The first week's Monday.
    from: Timestamp,
    weeks: usize,
    scale: Scale,
    /// Where the last limit's name stands; the next one stands above it.
    named: f64,
    out: String,
}

enum Scale {
    /// From zero to this.
    Straight(f64),
    /// From and to, in seconds.
    Logarithmic(f64, f64),
}

/// The least round number that is not below: 1, 2 or 5 times a power of ten.
fn round_up(most: f64) -> f64 {
    let power = 10_f64.powf(most.max(1.0).log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|step| step * power).find(|round| *round >= most).unwrap_or(10.0 * power)
}

impl Plot {
    /// On a straight scale of whole numbers or percent from zero; `unit` stands behind each.
    pub(super) fn straight(from: Timestamp, weeks: usize, most: f64, unit: &str) -> Self {
        let most = round_up(most);
        let mut plot =
            Self { from, weeks: weeks.max(1), scale: Scale::Straight(most), named: f64::INFINITY, out: String::new() };
        plot.weeks_axis();
        let steps = if most < 4.0 {
            most
        } else if most.log10().fract() == 0.0 || (most / 5.0).log10().fract() == 0.0 {
            5.0
        } else {
            4.0
        };
        for step in 0..=(steps as u32) {
            let value = most * f64::from(step) / steps;
            let y = plot.y(value);
            plot.grid(y, &format!("{value}{unit}"));
        }
        plot
    }

    /// On a logarithmic scale of spans, which has room for these and for the limit.
    pub(super) fn logarithmic(from: Timestamp, weeks: usize, spans: &[Duration], limit: Option<Duration>) -> Self {
        let seconds = || spans.iter().map(Duration::as_secs_f64);
        let least = seconds().fold(f64::INFINITY, f64::min);
        let most = seconds().fold(limit.map_or(0.0, |limit| limit.as_secs_f64()), f64::max);
        let low = SPANS.iter().rev().map(|(at, _)| *at).find(|at| *at < least).unwrap_or(1.0);
        let high = SPANS.iter().map(|(at, _)| *at).find(|at| *at > most).unwrap_or(most.max(low * 10.0));
        let mut plot = Self {
            from,
            weeks: weeks.max(1),
            scale: Scale::Logarithmic(low, high),
            named: f64::INFINITY,
            out: String::new(),
        };
        plot.weeks_axis();
        let mut last = f64::INFINITY;
        for (at, label) in SPANS.iter().filter(|(at, _)| *at >= low && *at <= high) {
            let y = plot.y(*at);
            // One below the other, not one over the other.
            if last - y >= APART {
                plot.grid(y, label);
                last = y;
            }
        }
        plot
    }

    fn slot(&self) -> f64 {
        (WIDTH - LEFT - RIGHT) / self.weeks as f64
    }

    fn x(&self, at: Timestamp) -> f64 {
        let passed = (at.0 - self.from.0) as f64 / WEEK as f64;
        LEFT + passed.clamp(0.0, self.weeks as f64) * self.slot()
    }

    fn middle(&self, week: usize) -> f64 {
        LEFT + (week as f64 + 0.5) * self.slot()
    }

    fn y(&self, value: f64) -> f64 {
        let share = match self.scale {
            Scale::Straight(most) => value / most,
            Scale::Logarithmic(low, high) => (value.max(low) / low).ln() / (high / low).ln(),
        };
        HEIGHT - BOTTOM - share.clamp(0.0, 1.0) * (HEIGHT - TOP - BOTTOM)
    }

    fn grid(&mut self, y: f64, label: &str) {
        self.out.push_str(&format!(
            "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{}\"/><text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            WIDTH - RIGHT,
            LEFT - 6.0,
            y + 4.0,
            escape(label)
        ));
    }

    /// The Mondays, as many as there is room for.
    fn weeks_axis(&mut self) {
        let every = (LABEL / self.slot()).ceil().max(1.0) as usize;
        for week in (0..self.weeks).step_by(every) {
            let at = self.from.plus(Duration::from_hours(7 * 24 * week as u64));
            let x = self.x(at);
            if x + 90.0 > WIDTH {
                break;
            }
            self.out.push_str(&format!(
                "<path class=\"tick\" d=\"M{x:.1} {}v5\"/><text x=\"{x:.1}\" y=\"{}\">{}</text>",
                HEIGHT - BOTTOM,
                HEIGHT - 6.0,
                day(at)
            ));
        }
    }

    /// A line across at a limit, named beside the plot; where it lies outside of the scale there is none. Limits are drawn from the lowest on.
    pub(super) fn limit(&mut self, value: f64, name: &str) {
        let is_within = match self.scale {
            Scale::Straight(most) => value < most,
            Scale::Logarithmic(low, high) => value > low && value < high,
        };
        if is_within {
            let y = self.y(value);
            self.named = y.min(self.named - APART);
            self.out.push_str(&format!(
                "<path class=\"limit\" d=\"M{LEFT} {y:.1}H{}\"/><text class=\"limit\" x=\"{}\" y=\"{:.1}\">{}</text>",
                WIDTH - RIGHT,
                WIDTH - RIGHT + 5.0,
                self.named + 4.0,
                escape(name)
            ));
        }
    }

    /// Parts on top of each other in a week: a class and a height each.
    pub(super) fn bars(&mut self, week: usize, parts: &[(&str, usize)], hint: &str) {
        let width = (self.slot() * 0.72).min(36.0);
        let x = self.middle(week) - width / 2.0;
        let mut below = 0.0;
        self.out.push_str(&format!("<g><title>{}</title>", escape(hint)));
        for (class, height) in parts.iter().filter(|(_, height)| *height > 0) {
            let (low, high) = (self.y(below), self.y(below + *height as f64));
            self.out.push_str(&format!(
                "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{high:.1}\" width=\"{width:.1}\" height=\"{:.1}\"/>",
                low - high
            ));
            below += *height as f64;
        }
        self.out.push_str("</g>");
    }

    /// A value of a week, as a head on a stem.
    pub(super) fn stem(&mut self, week: usize, value: f64, class: &str, hint: &str) {
        let (x, y) = (self.middle(week), self.y(value));
        self.out.push_str(&format!(
            "<g><title>{}</title><path class=\"stem\" d=\"M{x:.1} {}V{y:.1}\"/><circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"5\"/></g>",
            escape(hint),
            HEIGHT - BOTTOM
        ));
    }

    /// A point in time.
    pub(super) fn point(&mut self, at: Timestamp, took: Duration, class: &str, hint: &str) {
        let (x, y) = (self.x(at), self.y(took.as_secs_f64()));
        self.out.push_str(&format!(
            "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\"><title>{}</title></circle>\n",
            escape(hint)
        ));
    }

    /// A line through the weeks that have a value, broken at those that have none.
    pub(super) fn line(&mut self, class: &str, values: impl Iterator<Item = Option<Duration>>) {
        let (mut path, mut marks, mut is_open) = (String::new(), String::new(), false);
        for (week, value) in values.enumerate() {
            let Some(value) = value else {
                is_open = false;
                continue;
            };
            let (x, y) = (self.middle(week), self.y(value.as_secs_f64()));
            path.push_str(&format!("{}{x:.1} {y:.1}", if is_open { "L" } else { "M" }));
            // A week between two without a value would have no line at all.
            marks.push_str(&format!(
                "<rect class=\"mark {class}\" x=\"{:.1}\" y=\"{:.1}\" width=\"5\" height=\"5\"/>",
                x - 2.5,
                y - 2.5
            ));
            is_open = true;
        }
        self.out.push_str(&format!("<path class=\"line {class}\" d=\"{path}\"/>{marks}"));
    }

    /// The drawing, which says what it shows to those who do not see it.
    pub(super) fn svg(self, id: &str, title: &str, description: &str) -> String {
        format!(
            "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-labelledby=\"{id}-title {id}-text\"><title id=\"{id}-title\">{}</title>\
             <desc id=\"{id}-text\">{}</desc>{}</svg>",
            escape(title),
            escape(description),
            self.out
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_ends_at_a_round_number_that_is_not_below_the_most() {
        for (most, expected) in
            [(0.0, 1.0), (1.0, 1.0), (3.0, 5.0), (7.0, 10.0), (10.0, 10.0), (11.0, 20.0), (430.0, 500.0)]
        {
            assert_eq!(round_up(most).to_bits(), f64::to_bits(expected), "{most}");
        }
    }

    #[test]
    fn what_lies_outside_of_a_plot_is_drawn_at_its_edge_and_nothing_is_no_number() {
        let monday = Timestamp(1_767_571_200_000);
        let day = Duration::from_hours(24);
        for spans in [&[][..], &[Duration::ZERO], &[day * 36_500]] {
            let mut plot = Plot::logarithmic(monday, 0, spans, Some(day));
            plot.limit(day.as_secs_f64(), "elite");
            for at in [Timestamp(0), monday, monday.plus(day * 9000)] {
                plot.point(at, Duration::ZERO, "good", "");
                plot.point(at, day * 365_000, "good", "");
            }
            plot.line("p50", [None, Some(day), None].into_iter());
            let svg = plot.svg("a", "b", "c");
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
            for y in svg.split("cy=\"").skip(1).filter_map(|rest| rest.split('"').next()?.parse::<f64>().ok()) {
                assert!((TOP..=HEIGHT - BOTTOM).contains(&y), "{svg}");
            }
        }
    }
}
