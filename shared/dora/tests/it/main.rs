//! The rules on whole histories: one worked out by hand, small ones that each show one rule, and many made up at random.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "these are tests, helpers included")]

mod claims;
mod golden;
mod measures;
mod property;
mod reading;
mod rules;
mod times;
