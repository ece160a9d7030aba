//! A person's cure, which looks like any other deployment: how it is known. Knows nothing of how the versions were read.

use std::fmt;

use domain::deployment::{Deployment, DeploymentId, Revision};
use domain::emergency::{self, Skip};
use domain::redeploy;

/// Why a deployment is taken for a cure that a person has made. It reads after "which" and "it".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cure {
    /// It brings a lower number of the same task definition family, or a lower Lambda version, than the one that it replaces.
    Older {
        /// What it brings, as a person names it.
        brings: String,
        /// What was there before it, likewise.
        replaces: String,
    },
    /// It brings a version that was there before the one that it replaces, and good.
    Again(DeploymentId),
    /// Its description asks for the emergency lane, for this reason.
    Marked(String),
}

impl Cure {
    /// Whether the version is older than the one that it replaces.
    pub fn older(brings: &Revision, replaces: &Revision) -> Option<Self> {
        let bare = |revision: &Revision| Revision { git_sha: None, ..revision.clone() }.spoken();
        let is_older = redeploy::is_older(brings, replaces);
        is_older.then(|| Cure::Older { brings: bare(brings), replaces: bare(replaces) })
    }

    /// Whether its description asks for the emergency lane, which a cure needs while an alarm is red.
    pub fn marked(deployment: &Deployment) -> Option<Self> {
        match emergency::asked(&deployment.description)? {
            Skip::Asked(reason) => Some(Cure::Marked(reason)),
            Skip::WithoutReason => None,
        }
    }
}

impl fmt::Display for Cure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cure::Older { brings, replaces } => write!(f, "goes back to {brings} from {replaces}"),
            Cure::Again(by) => write!(f, "goes back to the version of `{by}`"),
            Cure::Marked(reason) => write!(f, "came by the emergency lane (`{reason}`)"),
        }
    }
}

/// Why no version is deployed again. It reads after "but".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoGood {
    /// The deployment is itself a cure.
    IsCure(Cure),
    /// The last good deployment before it brought the same version; one before that may be far away.
    IsSame,
    /// None was found, or not one that can be deployed: a clause.
    Unknown(String),
}

impl fmt::Display for NoGood {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoGood::IsCure(cure) => write!(f, "it {cure}"),
            NoGood::IsSame => f.write_str("there is nothing to go back to: the version before it is the same"),
            NoGood::Unknown(why) => f.write_str(why),
        }
    }
}
