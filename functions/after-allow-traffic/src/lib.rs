//! CodeDeploy hook: smoke-tests production traffic after the shift.
