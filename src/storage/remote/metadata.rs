//! What an original says beside its pixels, as bytes: mostly a profile, which text would make much longer.

use crate::raster::metadata::Metadata;

/// More than any image has.
pub(super) const MAX_BYTES: usize = 256 << 20;

/// Written.
#[must_use]
pub fn write(metadata: &Metadata) -> Vec<u8> {
    bincode::serde::encode_to_vec(metadata, bincode::config::standard())
        .expect("memory takes whatever is written")
}

/// Read again.
pub(super) fn read(bytes: &[u8]) -> Result<Metadata, bincode::error::DecodeError> {
    let limited = bincode::config::standard().with_limit::<MAX_BYTES>();
    bincode::serde::decode_from_slice(bytes, limited).map(|(metadata, _)| metadata)
}
