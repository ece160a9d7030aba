//! What was measured, as Markdown tables for `docs/performance.md`.

use std::time::Duration;

use crate::process::Sample;
use crate::programs::BARE;
use crate::statistics::{Spread, milliseconds, number};

/// A program and its samples, one for each round in which it was started.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    pub(crate) name: String,
    /// What it does in an invocation.
    pub(crate) what: String,
    /// The size of its binary in bytes, when it is one.
    pub(crate) size: Option<u64>,
    /// Round and sample.
    pub(crate) samples: Vec<(usize, Sample)>,
}

const MIB: f64 = 1024.0 * 1024.0;

/// The table of starts. A ratio is the median of the ratios to the bare function in the same round.
pub(crate) fn starts(all: &[Measured]) -> String {
    let bare = all.iter().find(|measured| measured.name == BARE);
    let mut text = String::from(
        "| function | init, ms | cold, ms | × init | × cold | warm, ms | peak, MB | binary, MB |\n|---|---|---|---|---|---|---|---|\n",
    );
    for measured in all {
        let ratio = |of: fn(&Sample) -> f64| {
            let ratios = measured.samples.iter().filter_map(|(round, sample)| {
                let (_, floor) = bare?.samples.iter().find(|(other, _)| other == round)?;
                Some(of(sample) / of(floor))
            });
            Spread::of(ratios).map_or_else(|| "–".to_owned(), |spread| number(spread.median))
        };
        let spread = |of: fn(&Sample) -> f64| {
            let values = measured.samples.iter().map(|(_, sample)| of(sample));
            Spread::of(values).map_or_else(|| "–".to_owned(), Spread::text)
        };
        let warm = measured.samples.iter().flat_map(|(_, sample)| sample.warm.iter().copied());
        let warm = Spread::of_spans(warm).map_or_else(|| "–".to_owned(), Spread::text);
        let peak = Spread::of(measured.samples.iter().filter_map(|(_, sample)| Some(sample.peak? as f64 / MIB)));
        let init: fn(&Sample) -> f64 = |sample| milliseconds(sample.init);
        let cold: fn(&Sample) -> f64 = |sample| milliseconds(sample.cold);
        text.push_str(&format!(
            "| `{}`: {} | {} | {} | {} | {} | {warm} | {} | {} |\n",
            measured.name,
            measured.what,
            spread(init),
            spread(cold),
            ratio(init),
            ratio(cold),
            peak.map_or_else(|| "–".to_owned(), |peak| number(peak.median)),
            measured.size.map_or_else(|| "–".to_owned(), |size| number(size as f64 / MIB)),
        ));
    }
    text
}

/// How much faster one program starts than another, as the median of the ratios in the same round.
pub(crate) fn times_faster(fast: &Measured, slow: &Measured) -> Option<(f64, f64)> {
    let pairs = |of: fn(&Sample) -> f64| {
        let ratios = slow.samples.iter().filter_map(move |(round, sample)| {
            let (_, other) = fast.samples.iter().find(|(at, _)| at == round)?;
            Some(of(sample) / of(other))
        });
        Spread::of(ratios).map(|spread| spread.median)
    };
    Some((pairs(|sample| milliseconds(sample.init))?, pairs(|sample| milliseconds(sample.cold))?))
}

/// From the last check's end to CodeDeploy's having the verdict, in the first and in the further invocations.
pub(crate) fn until_the_verdict(measured: &Measured) -> String {
    let spans = |first: bool| {
        let marks = measured.samples.iter().flat_map(move |(_, sample)| {
            let (cold, warm) = sample.marks.split_at(sample.marks.len().min(1));
            if first { cold } else { warm }.iter()
        });
        Spread::of_spans(marks.filter_map(|(_, marks)| Some(marks.verdict?.duration_since(marks.last_check?))))
            .map_or_else(|| "–".to_owned(), Spread::text)
    };
    format!("| `{}` | {} | {} |\n", measured.name, spans(true), spans(false))
}

/// From an alarm's event to the request to stop the deployment, cold from the start of the process and warm from the event's arrival, beside
/// what a bare function takes to its answer.
pub(crate) fn until_the_stop(stopping: &Measured, bare: &Measured) -> String {
    let mut text = String::from(
        "| from the event's arrival to CodeDeploy's having the request, ms | cold | warm |\n|---|---|---|\n",
    );
    let told = |spans: Vec<Duration>| Spread::of_spans(spans).map_or_else(|| "–".to_owned(), Spread::text);
    let (mut cold, mut warm) = (Vec::new(), Vec::new());
    for (_, sample) in &stopping.samples {
        let spans = sample.marks.iter().map(|(handed, marks)| Some(marks.stop?.duration_since(*handed)));
        for (number, span) in spans.enumerate() {
            match (number, span) {
                (0, Some(span)) => cold.push(sample.init + span),
                (_, Some(span)) => warm.push(span),
                (_, None) => {}
            }
        }
    }
    text.push_str(&format!("| `alarm-rollback`: the request to stop | {} | {} |\n", told(cold), told(warm)));
    let cold = bare.samples.iter().map(|(_, sample)| sample.cold).collect();
    let warm = bare.samples.iter().flat_map(|(_, sample)| sample.warm.clone()).collect();
    text.push_str(&format!("| `bare-function`: its answer | {} | {} |\n", told(cold), told(warm)));
    text
}

/// The many-checks table: from the invocation to the verdict, with one check and with fifty.
pub(crate) fn checks(one: &Measured, fifty: &Measured) -> String {
    let spans = |measured: &Measured, first: bool| {
        let marks = measured.samples.iter().flat_map(|(_, sample)| {
            let (cold, warm) = sample.marks.split_at(sample.marks.len().min(1));
            if first { cold } else { warm }.to_vec()
        });
        // The checks alone: from the first request's arrival to the last answer.
        let checks = marks.clone().filter_map(|(_, marks)| Some(marks.last_check?.duration_since(marks.first_check?)));
        let whole = marks.filter_map(|(handed, marks)| Some(marks.verdict?.duration_since(handed)));
        (Spread::of_spans(checks), Spread::of_spans(whole))
    };
    let mut text = String::from(
        "| invocation | 1 check of 100 ms: to the verdict, ms | 50 checks: the checks, ms | 50 checks: to the verdict, ms | × | more per check, ms |\n|---|---|---|---|---|---|\n",
    );
    for (name, first) in [("first", true), ("further", false)] {
        let ((_, Some(single)), (Some(together), Some(whole))) = (spans(one, first), spans(fifty, first)) else {
            continue;
        };
        text.push_str(&format!(
            "| {name} | {} | {} | {} | {} | {} |\n",
            single.text(),
            together.text(),
            whole.text(),
            number(whole.median / single.median),
            number((whole.median - single.median) / 49.0),
        ));
    }
    text
}
