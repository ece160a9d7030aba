//! Compressed request bodies. Knows nothing of what is inside them.
//!
//! The CloudWatch SDK packs `PutMetricData` with gzip from 10,240 bytes on, whatever its cargo features. Nothing that
//! this crate depends on can unpack it, so such a request is refused by name rather than misread.

use super::{ProtocolError, text};
use http::HeaderMap;
use std::borrow::Cow;

/// The body as it was before packing.
pub(super) fn unpack<'a>(headers: &HeaderMap, body: &'a [u8]) -> Result<Cow<'a, [u8]>, ProtocolError> {
    match text(headers, "content-encoding") {
        None | Some("" | "identity") => Ok(Cow::Borrowed(body)),
        Some(encoding) => Err(ProtocolError::Encoding {
            encoding: encoding.to_owned(),
            problem: "the rehearsal reads plain bodies only; send fewer metrics in one request (under 10 kB), or set \
                      AWS_DISABLE_REQUEST_COMPRESSION=true"
                .to_owned(),
        }),
    }
}
