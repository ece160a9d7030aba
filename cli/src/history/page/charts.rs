//! Which plots the page has, each with the numbers behind it as a table. Pure.

use domain::time::Timestamp;
use dora::bands::{Band, CHANGE_FAILURE_RATE, LEAD_TIME, RECOVERY};
use dora::{Assessment, Figures, Spread};

use super::super::counted::{History, no_recovery};
use super::super::words::{NONE, brief, day, percent, whole};
use super::plot::Plot;
use super::{by_week, cause, ending, escape, table};

/// What the lines are, from the lowest: of the change failure rate, the lead time, the recovery. The limits are `dora`'s; a test compares them.
const LEVELS: [&str; 3] = [
    "DORA’s levels: up to 5, 10 and 20 %",
    "DORA’s levels: under 1 d, 7 d and 30 d",
    "DORA’s levels: under 1 h, 1 d and 7 d",
];

/// One plot on the page.
struct Chart {
    id: &'static str,
    title: &'static str,
    /// Classes and what they stand for.
    legend: &'static [(&'static str, &'static str)],
    /// `None` with the reason in `text` where there is nothing to draw.
    plot: Option<Plot>,
    /// What it shows, in a sentence.
    text: String,
    headings: &'static [&'static str],
    rows: Vec<Vec<String>>,
}

/// All of them.
pub(super) fn all(history: &History) -> String {
    let weeks = &history.figures.weeks;
    let Some(from) = weeks.first().map(|week| week.from) else { return String::new() };
    let on = Ground { from, weeks: weeks.len(), history };
    let charts = [on.outcomes(), on.change_failures(), on.lead_time(), on.duration(), on.recovery(), on.rollbacks()];
    let drawn: String = charts.into_iter().map(Chart::figure).collect();
    format!("<section class=\"plots\" aria-label=\"Plots\">{drawn}</section>")
}

impl Chart {
    fn figure(self) -> String {
        let Self { id, title, legend, plot, text, headings, rows } = self;
        let Some(plot) = plot else {
            return format!("<figure><h2>{}</h2><p class=\"none\">{}</p></figure>", escape(title), escape(&text));
        };
        let legend: Vec<String> =
            legend.iter().map(|(class, name)| format!("<li><i class=\"{class}\"></i>{}</li>", escape(name))).collect();
        let svg = plot.svg(id, title, &text);
        let behind = table(title, headings, &rows);
        format!(
            "<figure><h2>{}</h2><figcaption>{}</figcaption>{svg}<ul class=\"legend\">{}</ul><details><summary>The numbers</summary>{behind}</details></figure>",
            escape(title),
            escape(&text),
            legend.concat()
        )
    }
}

struct Ground<'a> {
    from: Timestamp,
    weeks: usize,
    history: &'a History,
}

fn range(spread: Option<Spread>) -> [String; 3] {
    match spread {
        Some(spread) => [spread.count.to_string(), brief(spread.p50), brief(spread.p95)],
        None => ["0".to_owned(), NONE.to_owned(), NONE.to_owned()],
    }
}

impl Ground<'_> {
    fn each_week(&self, cells: impl Fn(&Figures) -> Vec<String>) -> Vec<Vec<String>> {
        by_week(&self.history.figures, |week| [vec![day(week.from)], cells(&week.figures)].concat())
    }

    fn most(&self, of: impl Fn(&Figures) -> usize) -> f64 {
        self.history.figures.weeks.iter().map(|week| of(&week.figures)).max().unwrap_or(0) as f64
    }

    fn outcomes(&self) -> Chart {
        // What was rolled back had failed, but for what was taken back after it had succeeded.
        let parts = |of: &Figures| {
            let failed = of.deployments - of.succeeded;
            let back = of.rolled_back.saturating_sub(of.taken_back).min(failed);
            (of.succeeded, back, failed - back)
        };
        let mut plot = Plot::straight(self.from, self.weeks, self.most(|of| of.deployments), "");
        for (number, week) in self.history.figures.weeks.iter().enumerate() {
            let (succeeded, back, failed) = parts(&week.figures);
            let hint = format!(
                "week of {}: {succeeded} succeeded, {back} rolled back, {failed} failed otherwise",
                day(week.from)
            );
            plot.bars(number, &[("good", succeeded), ("warning", back), ("bad", failed)], &hint);
        }
        let of = &self.history.figures;
        Chart {
            id: "outcomes",
            title: "Deployments and how they ended",
            legend: &[("good", "succeeded"), ("warning", "failed, rolled back"), ("bad", "failed, not rolled back")],
            plot: Some(plot),
            text: format!("By week. {} of {} succeeded, {}.", of.succeeded, of.deployments, percent(of.success_rate())),
            headings: &["week of", "succeeded", "rolled back", "failed, not rolled back"],
            rows: self.each_week(|of| {
                let (succeeded, back, failed) = parts(of);
                vec![succeeded.to_string(), back.to_string(), failed.to_string()]
            }),
        }
    }

    fn change_failures(&self) -> Chart {
        let of = &self.history.figures;
        let rates = || of.weeks.iter().filter_map(|week| week.figures.change_failure_rate());
        let mut plot = Plot::straight(self.from, self.weeks, rates().fold(25.0, f64::max), " %");
        for (limit, band) in CHANGE_FAILURE_RATE {
            plot.limit(limit, band.word());
        }
        for (number, week) in of.weeks.iter().enumerate() {
            let Some(rate) = week.figures.change_failure_rate() else { continue };
            let class = if week.figures.change_failures == 0 { "good" } else { "bad" };
            let told = format!("{} of {} changes", week.figures.change_failures, week.figures.changes);
            // What is taken back in a later week can make it more than all of that week's changes.
            plot.stem(number, rate, class, &format!("week of {}: {told}, {}", day(week.from), percent(Some(rate))));
        }
        Chart {
            id: "change-failures",
            title: "Change failure rate",
            legend: &[("bad", "of the week’s changes"), ("good", "none failed"), ("limit", LEVELS[0])],
            plot: of.change_failure_rate().map(|_| plot),
            text: match of.change_failure_rate() {
                None => "Nothing to show: no deployment brought anything new.".to_owned(),
                rate => format!("By week. {} of {} changes in all, {}.", of.change_failures, of.changes, percent(rate)),
            },
            headings: &["week of", "changes", "of them failed", "rate"],
            rows: self.each_week(|of| {
                vec![of.changes.to_string(), of.change_failures.to_string(), percent(of.change_failure_rate())]
            }),
        }
    }

    /// Points of single deployments with a level's lines.
    fn points(
        &self,
        value: fn(&Assessment) -> Option<std::time::Duration>,
        limits: Option<[(std::time::Duration, Band); 3]>,
    ) -> Plot {
        let shown = || self.history.assessments.iter().filter_map(|one| Some((one, value(one)?)));
        let spans: Vec<_> = shown().map(|(_, took)| took).collect();
        let mut plot = Plot::logarithmic(self.from, self.weeks, &spans, limits.map(|[(first, _), ..]| first));
        for (limit, band) in limits.into_iter().flatten() {
            plot.limit(limit.as_secs_f64(), band.word());
        }
        for (one, took) in shown() {
            let class = if one.failure.is_some() { "bad" } else { "good" };
            let told = if one.is_rollback { "by its rollback" } else { cause(one.failure) };
            let at = ending(one.ended, &one.group.to_string(), &one.id.0);
            plot.point(one.ended, took, class, &format!("{}, {told}: {at}", whole(took)));
        }
        plot
    }

    fn lead_time(&self) -> Chart {
        let of = self.history.figures.lead_time;
        Chart {
            id: "lead-time",
            title: "Lead time for changes",
            legend: &[("good", "a deployment"), ("limit", LEVELS[1])],
            plot: of.map(|_| self.points(|one| one.lead_time, Some(LEAD_TIME))),
            text: of.map_or_else(
                || "Nothing to show: no deployment’s description tells commit_time=….".to_owned(),
                |of| {
                    format!(
                        "Commit to production, logarithmic. Median {}, p95 {}, of {}.",
                        whole(of.p50),
                        whole(of.p95),
                        of.count
                    )
                },
            ),
            headings: &["week of", "deployments", "p50", "p95"],
            rows: self.each_week(|of| range(of.lead_time).to_vec()),
        }
    }

    fn duration(&self) -> Chart {
        let of = self.history.figures.duration;
        let plot = of.map(|_| {
            let mut plot = self.points(|one| one.duration.filter(|_| !one.is_rollback), None);
            let weeks = || self.history.figures.weeks.iter();
            plot.line("p95", weeks().map(|week| week.figures.duration.map(|took| took.p95)));
            plot.line("p50", weeks().map(|week| week.figures.duration.map(|took| took.p50)));
            plot
        });
        Chart {
            id: "duration",
            title: "How long deployments take",
            legend: &[
                ("good", "succeeded"),
                ("bad", "failed"),
                ("p50 rule", "p50 of the week"),
                ("p95 rule", "p95 of the week"),
            ],
            plot,
            text: of.map_or_else(
                || "Nothing to show: no deployment has a start.".to_owned(),
                |of| format!("Start to the shift’s end, logarithmic. Median {}, p95 {}.", whole(of.p50), whole(of.p95)),
            ),
            headings: &["week of", "deployments", "p50", "p95"],
            rows: self.each_week(|of| range(of.duration).to_vec()),
        }
    }

    fn recovery(&self) -> Chart {
        let of = self.history.figures.recovery;
        Chart {
            id: "recovery",
            title: "Failed deployment recovery",
            legend: &[("good", "an outage, where it ended"), ("limit", LEVELS[2])],
            plot: of.map(|_| self.points(|one| one.recovery, Some(RECOVERY))),
            text: of.map_or_else(
                || format!("Nothing to show: {}.", no_recovery(self.history)),
                |of| {
                    let median = whole(of.p50);
                    format!(
                        "First failure until the group was well, logarithmic. Median {median}, p95 {}, of {}.",
                        whole(of.p95),
                        of.count
                    )
                },
            ),
            headings: &["week of", "outages that ended", "p50", "p95"],
            rows: self.each_week(|of| range(of.recovery).to_vec()),
        }
    }

    fn rollbacks(&self) -> Chart {
        let of = &self.history.figures;
        let mut plot = Plot::straight(self.from, self.weeks, self.most(|of| of.rolled_back + of.failed_rollbacks), "");
        for (number, week) in of.weeks.iter().enumerate() {
            let Figures { rolled_back, taken_back, failed_rollbacks, .. } = week.figures;
            let failed = rolled_back.saturating_sub(taken_back);
            let hint = format!(
                "week of {}: {failed} rolled back after a failure, {taken_back} after they had succeeded; {failed_rollbacks} rollbacks failed",
                day(week.from)
            );
            plot.bars(number, &[("warning", failed), ("late", taken_back), ("bad", failed_rollbacks)], &hint);
        }
        let is_any = of.rolled_back + of.failed_rollbacks > 0;
        Chart {
            id: "rollbacks",
            title: "Rollbacks",
            legend: &[
                ("warning", "rolled back after a failure"),
                ("late", "taken back after it succeeded"),
                ("bad", "rollbacks that failed"),
            ],
            plot: is_any.then_some(plot),
            text: if is_any {
                format!(
                    "By week. {} rolled back in all; {} of the rollbacks failed.",
                    of.rolled_back, of.failed_rollbacks
                )
            } else {
                "Nothing to show: nothing was rolled back.".to_owned()
            },
            headings: &["week of", "rolled back", "of them after they succeeded", "rollbacks that failed"],
            rows: self.each_week(|of| {
                [of.rolled_back, of.taken_back, of.failed_rollbacks].map(|number| number.to_string()).to_vec()
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::words::decimal;
    use super::super::brief_limit;
    use super::*;

    #[test]
    fn the_legends_name_the_limits_that_are_drawn() {
        let [first, second, third] = CHANGE_FAILURE_RATE.map(|(limit, _)| decimal(limit));
        assert_eq!(LEVELS[0], format!("DORA’s levels: up to {first}, {second} and {third} %"));
        for (legend, limits) in [(LEVELS[1], LEAD_TIME), (LEVELS[2], RECOVERY)] {
            let [first, second, third] = limits.map(|(limit, _)| brief_limit(limit));
            assert_eq!(legend, format!("DORA’s levels: under {first}, {second} and {third}"));
        }
    }
}
