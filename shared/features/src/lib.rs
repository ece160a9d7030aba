//! Nothing: what this crate is for stands in its manifest. Knows nothing of anything.
