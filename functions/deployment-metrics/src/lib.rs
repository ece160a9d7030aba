//! Publishes deployment and DORA metrics, once per deployment.
