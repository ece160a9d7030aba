//! Decides whether an alarm concerns a running deployment and rolls it back.
