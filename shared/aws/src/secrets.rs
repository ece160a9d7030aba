//! Secrets by reference: a key of a Secrets Manager secret with a JSON body, fetched once per process and kept where it is not
//! printed, or an environment variable. Knows nothing of what a secret opens.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_sdk_secretsmanager::Client;
use domain::config::SecretRef;
use domain::ports::{PortError, Secrets};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use tokio::sync::Mutex;

use crate::error::Attempt;
use crate::settings::{Lazy, Settings};

/// The values of one secret, by key.
type Body = BTreeMap<String, SecretString>;

/// Secrets Manager and the environment.
#[derive(Clone)]
pub struct SecretStore {
    settings: Arc<Settings>,
    client: Lazy<Client>,
    /// Held while fetching, so that two that ask at once cause one call.
    fetched: Arc<Mutex<BTreeMap<String, Body>>>,
}

impl SecretStore {
    pub(crate) fn new(settings: &Arc<Settings>) -> Self {
        Self {
            settings: Arc::clone(settings),
            client: Lazy::new(settings, "SECRETS_MANAGER", Client::new),
            fetched: Arc::default(),
        }
    }

    async fn fetch(&self, name: &str) -> Result<Body, PortError> {
        let attempt = Attempt { operation: "GetSecretValue", noun: "secret", name };
        let call = self.client.get(attempt)?.get_secret_value().secret_id(name);
        let output = call.send().await.map_err(|error| attempt.failed(&error))?;
        let text = output
            .secret_string()
            .ok_or_else(|| attempt.permanent("the secret is binary; it must be text, a JSON object"))?;
        body(text)
            .ok_or_else(|| attempt.permanent("the secret's value is not a JSON object, such as `{\"key\": \"value\"}`"))
    }
}

impl Secrets for SecretStore {
    async fn reveal(&self, reference: &SecretRef) -> Result<String, PortError> {
        match reference {
            SecretRef::Environment(name) => self.settings.variable(name).ok_or_else(|| PortError::Permanent {
                what: format!("reading the secret `{reference}`"),
                detail: format!("the environment variable `{name}` is not set"),
            }),
            SecretRef::SecretsManager { name, key } => {
                let mut fetched = self.fetched.lock().await;
                if !fetched.contains_key(name) {
                    let body = self.fetch(name).await?;
                    fetched.insert(name.clone(), body);
                }
                let body = fetched.get(name);
                match body.and_then(|body| body.get(key)) {
                    Some(value) => Ok(value.expose_secret().to_owned()),
                    None => Err(PortError::Permanent {
                        what: format!("reading the secret `{reference}`"),
                        detail: missing_key(key, body),
                    }),
                }
            }
        }
    }

    async fn forget(&self, reference: &SecretRef) {
        if let SecretRef::SecretsManager { name, .. } = reference {
            self.fetched.lock().await.remove(name);
        }
    }
}

/// The keys and values of a secret's JSON body. No error of the parser is passed on: it may quote the secret.
fn body(text: &str) -> Option<Body> {
    let Ok(Value::Object(entries)) = serde_json::from_str(text) else { return None };
    let entries = entries.into_iter().map(|(key, value)| {
        let text = match value {
            Value::String(text) => text,
            other => other.to_string(),
        };
        (key, SecretString::from(text))
    });
    Some(entries.collect())
}

/// Names the keys that exist, never a value.
fn missing_key(key: &str, body: Option<&Body>) -> String {
    let known: Vec<String> = body.into_iter().flat_map(BTreeMap::keys).map(|known| format!("`{known}`")).collect();
    match known.as_slice() {
        [] => format!("the secret has no key `{key}`; it has none at all"),
        known => format!("the secret has no key `{key}`; it has {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Canned, serve};

    fn reference(text: &str) -> SecretRef {
        SecretRef::parse(text).unwrap()
    }

    #[tokio::test]
    async fn a_secret_is_fetched_once_and_a_wrong_key_names_the_right_ones() {
        let answer = r#"{"Name":"greenlight","SecretString":"{\"slack_bot_token\":\"xoxb-1\",\"pagerduty_routing_key\":\"R0\"}"}"#;
        let (aws, server) = serve(vec![Canned::ok(answer)]);
        let secrets = aws.secrets();
        assert_eq!(secrets.reveal(&reference("secret:greenlight#slack_bot_token")).await.unwrap(), "xoxb-1");
        let error = secrets.reveal(&reference("secret:greenlight#slack_token")).await.unwrap_err().to_string();
        assert!(error.contains("no key `slack_token`; it has `pagerduty_routing_key`, `slack_bot_token`"), "{error}");
        assert!(!error.contains("xoxb"), "{error}");
        assert_eq!(server.count(), 1);
    }

    #[tokio::test]
    async fn a_secret_that_is_to_be_forgotten_is_fetched_anew() {
        let old = Canned::ok(r#"{"Name":"greenlight","SecretString":"{\"slack_bot_token\":\"xoxb-1\"}"}"#);
        let new = Canned::ok(r#"{"Name":"greenlight","SecretString":"{\"slack_bot_token\":\"xoxb-2\"}"}"#);
        let (aws, server) = serve(vec![old, new]);
        let (secrets, token) = (aws.secrets(), reference("secret:greenlight#slack_bot_token"));
        assert_eq!(secrets.reveal(&token).await.unwrap(), "xoxb-1");
        secrets.forget(&token).await;
        assert_eq!(secrets.reveal(&token).await.unwrap(), "xoxb-2");
        assert_eq!(server.count(), 2);
    }

    #[tokio::test]
    async fn what_a_broken_secret_holds_is_not_repeated() {
        let (aws, _) = serve(vec![Canned::ok(r#"{"SecretString":"xoxb-1"}"#)]);
        let error = aws.secrets().reveal(&reference("secret:greenlight#a")).await.unwrap_err().to_string();
        assert!(error.contains("not a JSON object") && !error.contains("xoxb"), "{error}");
    }

    #[tokio::test]
    async fn a_missing_variable_is_named() {
        let (aws, _) = serve(vec![]);
        assert_eq!(aws.secrets().reveal(&reference("env:AWS_REGION")).await.unwrap(), "us-east-1");
        let error = aws.secrets().reveal(&reference("env:SLACK_TOKEN")).await.unwrap_err().to_string();
        assert!(error.contains("`SLACK_TOKEN` is not set"), "{error}");
    }

    #[tokio::test]
    async fn a_refusal_by_iam_names_the_template() {
        let denied = r#"{"__type":"AccessDeniedException","Message":"User: arn:aws:sts::1:assumed-role/x is not authorized to perform: secretsmanager:GetSecretValue"}"#;
        let (aws, _) = serve(vec![Canned::status(400, denied)]);
        let error = aws.secrets().reveal(&reference("secret:greenlight#a")).await.unwrap_err();
        assert!(matches!(error, PortError::Denied { .. }), "{error}");
        assert!(error.to_string().contains("GetSecretValue of `greenlight` was refused"), "{error}");
    }
}
