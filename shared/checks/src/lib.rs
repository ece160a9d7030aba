//! The check engine: plan, matchers, verdicts and the probes
