//! Vendors.
