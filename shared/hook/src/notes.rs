//! What a hook has learned so far about what it is asked. It is kept outside of the work, so that it is still there when the
//! work panics or overruns. Knows nothing of how it was learned.

use std::cell::RefCell;

use domain::config::Service;
use domain::deployment::{GroupName, Revision};
use domain::hook::Verdict;
use domain::ports::PortError;
use domain::text::bounded;

/// What is known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Known {
    /// The application and the deployment group.
    pub group: Option<GroupName>,
    /// The service's name in the configuration.
    pub service: Option<String>,
    /// The service's environment in the configuration.
    pub environment: Option<String>,
    /// The lifecycle event that is in progress.
    pub lifecycle_event: Option<String>,
    /// What is deployed.
    pub revision: Revision,
    /// What the hook is doing right now, as it reads after "while".
    pub doing: String,
    /// Why it did not work at the last try; empty when it was not tried yet, or worked.
    pub trouble: String,
    /// What is to be said with the verdict, whatever it is.
    pub remarks: Vec<String>,
    /// What is to be said with it only when it is Failed.
    pub remarks_on_failure: Vec<String>,
}

impl Known {
    /// A verdict's reason with the remarks behind it, in at most `limit` characters; the remarks are kept whole.
    pub fn remarked(&self, reason: &str, verdict: Verdict, limit: usize) -> String {
        let on_failure = self.remarks_on_failure.iter().filter(|_| verdict == Verdict::Failed);
        let remarks = self.remarks.iter().chain(on_failure).fold(String::new(), |text, one| text + ". " + one);
        bounded(reason, limit.saturating_sub(remarks.chars().count())) + &remarks
    }
}

/// A notebook that the work writes into and the guard reads from.
#[derive(Debug, Default)]
pub struct Notes(RefCell<Known>);

impl Notes {
    /// Writes something down.
    pub fn write(&self, write: impl FnOnce(&mut Known)) {
        write(&mut self.0.borrow_mut());
    }

    /// Writes down what is begun now, as it reads after "while": `reading the deployment`.
    pub fn doing(&self, what: impl Into<String>) {
        self.write(|known| {
            known.doing = what.into();
            known.trouble.clear();
        });
    }

    /// Writes down how the last try of it went, so that an overrun can say why nothing came of it. Passes the outcome on.
    pub fn tried<T>(&self, outcome: Result<T, PortError>) -> Result<T, PortError> {
        self.write(|known| known.trouble = outcome.as_ref().err().map(ToString::to_string).unwrap_or_default());
        outcome
    }

    /// Writes down which service it is.
    pub fn service(&self, service: &Service) {
        self.write(|known| {
            known.service = Some(service.name.clone());
            known.environment = Some(service.environment.clone());
        });
    }

    /// Everything that is known.
    pub fn read(&self) -> Known {
        self.0.borrow().clone()
    }
}
