//! Recognises the format of a file by its content.

use std::io::{BufRead, Read, Seek, SeekFrom};

use super::container::Container;
use super::error::DecodeError;
use super::others;

/// Bytes from the start of a file that are looked at. In XML the first element comes late.
const LONGEST_SIGNATURE: usize = 512;

/// The format whose signature is at the start of `reader`, which is then reset to the start.
pub(super) fn sniff<R: BufRead + Seek>(reader: &mut R) -> Result<Container, DecodeError> {
    let mut start = Vec::with_capacity(LONGEST_SIGNATURE);
    reader.seek(SeekFrom::Start(0))?;
    reader.by_ref().take(LONGEST_SIGNATURE as u64).read_to_end(&mut start)?;
    reader.seek(SeekFrom::Start(0))?;
    Container::from_signature(&start).ok_or_else(|| others::refusal(&start))
}
