//! CodeDeploy hook: validates the new version before it gets production traffic.
