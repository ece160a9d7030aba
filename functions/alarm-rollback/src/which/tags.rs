//! What the tags on an alarm say. Pure: knows nothing of how they were read.

use domain::config::AlarmAction;
use domain::deployment::GroupName;
use domain::text::{bounded, nearest, visible};

/// The deployment group that the alarm is about, `application/group`.
pub(crate) const GROUP: &str = "greenlight:deployment-group";
/// What the alarm leads to: `rollback` unless said otherwise, or `alert`.
const ACTION: &str = "greenlight:action";
/// The environment that the alarm is about.
const ENVIRONMENT: &str = "greenlight:environment";

/// What an alarm's tags say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tags {
    pub(crate) group: Option<GroupName>,
    pub(crate) action: Option<AlarmAction>,
    pub(crate) environment: Option<String>,
    /// What is wrong with them, each with what to write instead.
    pub(crate) slips: Vec<String>,
    /// Why they are not known, where they could not be read.
    pub(crate) unread: Option<&'static str>,
}

impl Tags {
    /// Those of an alarm whose tags could not be read.
    pub(crate) fn unread(why: &'static str) -> Self {
        Self { unread: Some(why), ..Self::default() }
    }

    /// What is said of the tags of an alarm that the configuration names, with whatever it leads to: the configuration is the stronger word.
    pub(crate) fn remark(&self) -> Option<String> {
        if let Some(why) = self.unread {
            return Some(format!("whether its tags name another environment is not known, as they {why}"));
        }
        let slips = self.slips.join("; ");
        (!slips.is_empty()).then(|| format!("its tags cannot be understood, so the configuration counts: {slips}"))
    }

    /// Reads an alarm's tags. Those that do not begin with `greenlight:` are somebody else's.
    pub(crate) fn read(tags: &[(String, String)]) -> Self {
        let mut read = Self::default();
        for (key, value) in tags {
            let shown = bounded(&visible(value), 100);
            match key.as_str() {
                GROUP => match group(value) {
                    Some(group) => read.group = Some(group),
                    None => read
                        .slips
                        .push(format!("`{GROUP}` is `{shown}`; write `application/group`, CodeDeploy's two names")),
                },
                ACTION => match value.trim() {
                    "rollback" => read.action = Some(AlarmAction::Rollback),
                    "alert" => read.action = Some(AlarmAction::Alert),
                    _ => read.slips.push(format!("`{ACTION}` is `{shown}`; write `rollback` or `alert`")),
                },
                ENVIRONMENT => match value.trim() {
                    "" => read
                        .slips
                        .push(format!("`{ENVIRONMENT}` is empty; write the environment, or take the tag away")),
                    environment if visible(environment) != environment => read.slips.push(format!(
                        "`{ENVIRONMENT}` is `{shown}` with characters in it that cannot be seen; write it anew"
                    )),
                    environment => read.environment = Some(environment.to_owned()),
                },
                other if other.starts_with("greenlight:") => {
                    let meant = nearest(other, [GROUP, ACTION, ENVIRONMENT]).unwrap_or(GROUP);
                    read.slips.push(format!(
                        "`{}` means nothing here; did you mean `{meant}`?",
                        bounded(&visible(other), 100)
                    ));
                }
                _ => {}
            }
        }
        read
    }
}

/// What a name at CodeDeploy may consist of ("CodeDeploy quotas", user guide: letters, numbers and `. _ + = , @ -`, up to 100). The names come out in
/// commands that people run, so nothing else gets through.
fn is_name(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._+=,@-".contains(&byte);
    (1..=100).contains(&name.len()) && name.bytes().all(is_allowed)
}

fn group(value: &str) -> Option<GroupName> {
    let (application, deployment_group) = value.trim().split_once('/')?;
    (is_name(application) && is_name(deployment_group))
        .then(|| GroupName { application: application.to_owned(), deployment_group: deployment_group.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(tags: &[(&str, &str)]) -> Tags {
        let tags: Vec<_> = tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Tags::read(&tags)
    }

    #[test]
    fn the_three_tags_are_read_and_those_of_others_passed_over() {
        let tags = read(&[("team", "shop"), (GROUP, "shop/web"), (ACTION, "alert"), (ENVIRONMENT, "staging")]);
        let group = tags.group.as_ref().map(ToString::to_string);
        assert_eq!((group.as_deref(), tags.action), (Some("shop/web"), Some(AlarmAction::Alert)));
        assert_eq!((tags.environment.as_deref(), tags.slips.len()), (Some("staging"), 0));
        assert_eq!(read(&[("aws:cloudformation:stack-name", "x")]), Tags::default());
    }

    #[test]
    fn what_cannot_be_understood_is_told_with_what_to_write() {
        let cases = [
            ((GROUP, "shop"), "`greenlight:deployment-group` is `shop`; write `application/group`"),
            ((GROUP, "shop/"), "write `application/group`"),
            ((GROUP, "a/b/c"), "write `application/group`"),
            ((GROUP, "shop/web jobs"), "write `application/group`"),
            ((GROUP, "shop/$(reboot)"), "write `application/group`"),
            ((GROUP, "shop/web\u{202e}"), "is `shop/web`; write `application/group`"),
            ((ENVIRONMENT, "staging\u{200b}"), "characters in it that cannot be seen"),
            (("greenlight:enviroment", "staging"), "did you mean `greenlight:environment`?"),
            ((ACTION, "rolback"), "`greenlight:action` is `rolback`; write `rollback` or `alert`"),
            ((ENVIRONMENT, " "), "`greenlight:environment` is empty"),
            (("greenlight:deployment_group", "shop/web"), "did you mean `greenlight:deployment-group`?"),
        ];
        for ((key, value), expected) in cases {
            let slips = read(&[(key, value)]).slips;
            assert!(slips.len() == 1 && slips[0].contains(expected), "{slips:?}");
        }
    }
}
