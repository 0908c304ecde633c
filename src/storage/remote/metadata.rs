//! The metadata of an original as bytes: mostly a profile, which would be much longer as text.

use crate::raster::metadata::Metadata;

/// The most bytes that are read: more than any image has.
pub(super) const MAX_BYTES: usize = 256 << 20;

/// Encodes metadata.
#[must_use]
pub fn write(metadata: &Metadata) -> Vec<u8> {
    bincode::serde::encode_to_vec(metadata, bincode::config::standard())
        .expect("memory takes whatever is written")
}

/// Decodes metadata.
pub(super) fn read(bytes: &[u8]) -> Result<Metadata, bincode::error::DecodeError> {
    let limited = bincode::config::standard().with_limit::<MAX_BYTES>();
    bincode::serde::decode_from_slice(bytes, limited).map(|(metadata, _)| metadata)
}
