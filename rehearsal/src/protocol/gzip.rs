//! Compressed request bodies. Knows nothing of what is inside them.
//!
//! The CloudWatch SDK packs `PutMetricData` with gzip from 10,240 bytes on, whatever its cargo features.

use super::{ProtocolError, text};
use flate2::read::GzDecoder;
use http::HeaderMap;
use std::borrow::Cow;
use std::io::Read;

/// The body as it was before packing.
pub(super) fn unpack<'a>(headers: &HeaderMap, body: &'a [u8]) -> Result<Cow<'a, [u8]>, ProtocolError> {
    let refused = |encoding: &str, problem: String| ProtocolError::Encoding { encoding: encoding.to_owned(), problem };
    match text(headers, "content-encoding") {
        None | Some("" | "identity") => Ok(Cow::Borrowed(body)),
        Some("gzip") => {
            let mut plain = Vec::new();
            GzDecoder::new(body).read_to_end(&mut plain).map_err(|error| refused("gzip", error.to_string()))?;
            Ok(Cow::Owned(plain))
        }
        Some(other) => Err(refused(other, "the rehearsal unpacks `gzip` alone".to_owned())),
    }
}
