//! The hook core: gather the facts, run the checks, decide, answer, explain
