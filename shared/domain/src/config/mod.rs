//! The configuration, `config/greenlight.yaml`: its types, how it is read and what is checked beyond its shape. Knows nothing
//! of files: the text comes from outside, so a broken one can be answered instead of thrown.

mod check;
mod explain;
mod load;
mod mend;
mod path;
mod review;
mod schema;
mod service;
mod strict;
mod tell;
mod ticket;
mod usable;
pub mod yaml;

pub use check::{
    BodyExpectation, Capture, CertificateExpectation, Check, Expect, GrpcHealthRequest, InvokeRequest, MATCHER_WORDS,
    Method, REQUEST_WORDS, Request, Retries, Severity, StatusExpectation,
};
pub use load::{ConfigError, Problem, Remark, Reviewer, load, load_reviewed};
pub use path::{Path, Step};
pub use review::not_a_base_url;
pub use schema::schema;
pub use service::{
    AfterAllowTraffic, AlarmAction, AlarmPolicy, BeforeAllowTraffic, Config, Endpoints, LateRollback, Require,
    RollbackLimit, Service,
};
pub use tell::{
    Changes, Channel, Links, PageSeverity, PagerDuty, PagerDutyRegion, ResolveOn, SecretRef, ServiceSlack, Slack,
    Ticket, TicketSearch,
};
pub use ticket::{ANSWER, Piece, TICKET_NAMES, pieces};
pub use usable::{Usable, load_usable};
