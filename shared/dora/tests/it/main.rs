//! The rules on whole histories: one worked out by hand, small ones that each show one rule, and many made up at random.

mod golden;
mod measures;
mod property;
mod reading;
mod rules;
