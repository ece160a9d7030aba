//! Everything that is tested through the real door: the binaries, the wire, the scenarios. One binary, so that it links once.

#![allow(clippy::expect_used, clippy::panic, reason = "these are tests, helpers included")]

/// The canary alarms of `template.yaml`, minute by minute.
mod alarms;
/// Wrong events, wrong settings, wrong configuration: what the binaries say then.
mod bad_input;
/// The delivery alarms and the dashboard of `template.yaml`, on weeks worked out by hand.
mod delivery;
/// The examples in the documentation.
mod docs;
/// Every sample in `events/`, invoked as `cargo lambda invoke` does.
mod events;
/// Configurations that nobody would write: whatever the file holds, it is read or refused with a place.
mod fuzz_configuration;
/// Events that nobody would send: whatever arrives, it is decoded or refused.
mod fuzz_events;
/// Published metrics, asked for over the wire.
mod metrics;
/// Values that a person or a service would not come up with.
mod mutation;
/// The project, read and built once for all tests.
mod project;
/// The engine against nginx, httpbin, websockets and grpcio.
mod real_servers;
/// Our Runtime API beside AWS's own emulator.
mod runtime_api_conformance;
/// Every scenario, and that a broken template does not go unnoticed.
mod scenarios;
/// The JSON Schema of the configuration.
mod schema;
/// Functions that do not play along with virtual time.
mod stubborn;
/// `template.yaml` held against what the code relies on.
mod template;
/// The rules of the house, as far as a test can hold them.
mod tidy;
/// The template's alarms, each alone in an account.
mod watch;
