//! The engine behind `greenlight rehearse`: AWS in a box, in virtual time
