//! The beginning of a canvas, which tells for which plan and in which boot it was made.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;

use serde::{Deserialize, Serialize};

use crate::model::board::Board;
use crate::model::job::Plan;

const MAGIC: &[u8; 4] = b"TMC1";

/// What the canvas of a plan has at its beginning in this boot.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Header {
    plan: [u8; 32],
    boot: String,
    tiles: u32,
}

impl Header {
    pub(super) fn of(plan: &Plan) -> Self {
        Self { plan: plan.hash(), boot: boot_id(), tiles: plan.tiles() }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let body = bincode::serde::encode_to_vec(self, bincode::config::standard())
            .expect("a header is plain data");
        let length = u32::try_from(body.len()).expect("a header is short");
        [MAGIC.as_slice(), &length.to_le_bytes(), &body].concat()
    }

    /// The length of the header and the board, if the file was made for the same plan in the same boot.
    pub(super) fn read_board(&self, file: &File) -> io::Result<Option<(usize, Board)>> {
        let encoded = self.encode();
        if self.boot.is_empty() {
            return Ok(None);
        }
        let mut found = vec![0; encoded.len()];
        let mut bits = vec![0; self.tiles.div_ceil(8) as usize];
        let read = file
            .read_exact_at(&mut found, 0)
            .and_then(|()| read_padded(file, &mut bits, encoded.len() as u64));
        match read {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error),
            Ok(()) if found != encoded => Ok(None),
            Ok(()) => Ok(Board::from_bits(self.tiles, bits).map(|board| (encoded.len(), board))),
        }
    }
}

/// Fills `bytes` from the file; bytes beyond the end of the file stay zero.
fn read_padded(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read_at(&mut bytes[filled..], offset + filled as u64)? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(())
}

/// The id of this boot of the machine; empty if the platform has none.
fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map_or_else(|_| String::new(), |id| id.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::model::job::StorageId;
    use crate::service::example;

    #[test]
    fn a_canvas_has_a_board_only_for_the_plan_and_the_boot_that_it_was_made_for() {
        let plan = example::plan(StorageId("here".into()));
        let header = Header { boot: "this".into(), ..Header::of(&plan) };
        let mut file = tempfile::tempfile().unwrap();
        let encoded = header.encode();
        file.write_all(&encoded).unwrap();
        let board = |header: &Header| header.read_board(&file).unwrap();
        assert_eq!(board(&header).map(|(length, _)| length), Some(encoded.len()));
        let other = example::plan(StorageId("here".into()));
        assert!(board(&Header { boot: "this".into(), ..Header::of(&other) }).is_none());
        assert!(board(&Header { boot: "next".into(), ..Header::of(&plan) }).is_none());
        assert!(board(&Header { boot: String::new(), ..Header::of(&plan) }).is_none());
    }
}
