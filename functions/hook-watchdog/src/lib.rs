//! Reports a hook that crashed or timed out as Failed.
