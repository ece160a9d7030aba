//! One Slack thread per deployment, and PagerDuty.
