//! The integration tests: events, scenarios, tidy rules, the template
