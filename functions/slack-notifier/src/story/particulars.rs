//! Who deploys what, and where more of it is to be seen: what a pipeline wrote into the deployment's description, and the links of the configuration. Pure;
//! knows nothing of how far the deployment has come.

use domain::config::Service;
use domain::deployment::Deployment;
use domain::secrets::shown;
use serde::{Deserialize, Serialize};

use crate::links::{commit_on_github, dashboard_url, host_of};

/// The longest name of a person or a configuration that is shown.
const NAME: usize = 100;
/// The longest address that is taken from a description.
const ADDRESS: usize = 500;

/// A commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    /// The first letters of its id; empty where only its address is known.
    pub id: String,
    /// Its address and the address's host, which is shown beside it where somebody else chose it.
    #[serde(default)]
    pub link: Option<(String, String)>,
}

/// Who deploys what, and where more of it is to be seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Particulars {
    /// The deployment configuration's name.
    pub configuration: String,
    /// Who wrote the change: `author=…` in the description.
    pub author: Option<String>,
    /// The commit that is deployed.
    pub commit: Option<Commit>,
    /// The dashboard's address.
    pub dashboard: Option<String>,
    /// The logs' address.
    pub logs: Option<String>,
}

impl Particulars {
    /// What the record and the configuration tell.
    pub fn of(deployment: &Deployment, service: Option<&Service>) -> Self {
        let links = service.map(|service| &service.links);
        Self {
            configuration: shown(&deployment.configuration, NAME),
            author: deployment.described("author").map(|author| shown(author, NAME)),
            commit: commit(deployment),
            dashboard: links.and_then(|links| links.dashboard.clone()),
            logs: links.and_then(|links| links.logs.clone()),
        }
    }

    /// The same, leading to Greenlight's own dashboard where the service names none.
    pub fn or_to(self, region: &str, dashboard: Option<&str>) -> Self {
        let own = || dashboard_url(region, dashboard?);
        Self { dashboard: self.dashboard.or_else(own), ..self }
    }
}

/// The commit: by its id in the description or in a revision on GitHub, and by its address in the description or on GitHub.
fn commit(deployment: &Deployment) -> Option<Commit> {
    let on_github = deployment.revision_id.as_deref().and_then(commit_on_github);
    let id = deployment.revision.git_sha.as_deref().or(on_github.as_ref().map(|(id, _)| id.as_str()));
    let id = id.map(|id| shown(id, NAME).chars().take(8).collect()).unwrap_or_default();
    let described = deployment.described("commit_url").filter(|url| url.len() <= ADDRESS);
    let described = described.and_then(|url| Some((url.to_owned(), host_of(url)?)));
    let github = on_github.map(|(_, url)| (url, String::new()));
    let commit: Commit = Commit { id, link: described.or(github) };
    (!commit.id.is_empty() || commit.link.is_some()).then_some(commit)
}
