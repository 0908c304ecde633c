//! The data by which members tell the leader which topics they want, and the leader tells them what they get.
//!
//! This is Kafka's "consumer" protocol. Version 0 is written, which clients of all versions read. Of other clients'
//! data, the fields of version 0 are read: later versions only add fields.

use std::collections::BTreeMap;

use bytes::{Buf, BufMut, Bytes, BytesMut, TryGetError};

use super::assignor::Share;

/// The protocol's name for the type of group.
pub(super) const PROTOCOL_TYPE: &str = "consumer";
const VERSION: i16 = 0;
const NULL: i32 = -1;

/// Why another member's data cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Malformed {
    /// It ends too soon.
    #[error("a member's data ends too soon")]
    Short(#[from] TryGetError),
    /// A length is negative or larger than the rest, or a name is not UTF-8.
    #[error("a member's data has an impossible {0}")]
    Impossible(&'static str),
}

pub(super) fn write_subscription(topics: &[&str]) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_i16(VERSION);
    put_count(&mut bytes, topics.len());
    for topic in topics {
        put_string(&mut bytes, topic);
    }
    bytes.put_i32(NULL);
    bytes.freeze()
}

pub(super) fn read_subscription(mut bytes: Bytes) -> Result<Vec<String>, Malformed> {
    bytes.try_get_i16()?;
    (0..get_count(&mut bytes)?).map(|_| get_string(&mut bytes)).collect()
}

pub(super) fn write_assignment(share: &Share) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_i16(VERSION);
    put_count(&mut bytes, share.len());
    for (topic, partitions) in share {
        put_string(&mut bytes, topic);
        put_count(&mut bytes, partitions.len());
        for partition in partitions {
            bytes.put_u32(*partition);
        }
    }
    bytes.put_i32(NULL);
    bytes.freeze()
}

/// Reads an assignment. Empty data means no partitions: a member that its leader does not know gets that.
pub(super) fn read_assignment(mut bytes: Bytes) -> Result<Share, Malformed> {
    let mut share = BTreeMap::new();
    if bytes.is_empty() {
        return Ok(share);
    }
    bytes.try_get_i16()?;
    for _ in 0..get_count(&mut bytes)? {
        let topic = get_string(&mut bytes)?;
        let count = get_count(&mut bytes)?;
        let partitions = (0..count).map(|_| Ok(bytes.try_get_u32()?));
        share.insert(topic, partitions.collect::<Result<_, Malformed>>()?);
    }
    Ok(share)
}

fn put_count(bytes: &mut BytesMut, count: usize) {
    bytes.put_i32(i32::try_from(count).expect("a group has not that many topics or partitions"));
}

fn put_string(bytes: &mut BytesMut, text: &str) {
    bytes.put_i16(i16::try_from(text.len()).expect("a topic's name is short"));
    bytes.put_slice(text.as_bytes());
}

fn get_count(bytes: &mut Bytes) -> Result<usize, Malformed> {
    let count = usize::try_from(bytes.try_get_i32()?);
    count.ok().filter(|count| *count <= bytes.remaining()).ok_or(Malformed::Impossible("count"))
}

fn get_string(bytes: &mut Bytes) -> Result<String, Malformed> {
    let length = usize::try_from(bytes.try_get_i16()?);
    let length = length.ok().filter(|length| *length <= bytes.remaining());
    let text = bytes.split_to(length.ok_or(Malformed::Impossible("length"))?);
    String::from_utf8(text.into()).map_err(|_| Malformed::Impossible("name"))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::{read_assignment, read_subscription, write_assignment, write_subscription};

    proptest! {
        #[test]
        fn what_is_written_is_read(share in prop::collection::btree_map(
            "[a-z]{1,9}", prop::collection::vec(any::<u32>(), 0..9), 0..5,
        )) {
            prop_assert_eq!(read_assignment(write_assignment(&share)).unwrap(), share.clone());
            let topics: Vec<_> = share.keys().map(String::as_str).collect();
            prop_assert_eq!(read_subscription(write_subscription(&topics)).unwrap(), topics);
        }

        #[test]
        fn anything_is_read_or_refused(bytes: Vec<u8>) {
            let _ = read_subscription(Bytes::from(bytes.clone()));
            let _ = read_assignment(Bytes::from(bytes));
        }
    }

    #[test]
    fn the_bytes_are_those_of_kafkas_own_clients() {
        let expected = b"\0\0\0\0\0\x01\0\x05tasks\xff\xff\xff\xff";
        assert_eq!(write_subscription(&["tasks"]), &expected[..]);
        let share = [("t".to_owned(), vec![1, 2])].into();
        let expected = b"\0\0\0\0\0\x01\0\x01t\0\0\0\x02\0\0\0\x01\0\0\0\x02\xff\xff\xff\xff";
        assert_eq!(write_assignment(&share), &expected[..]);
    }

    #[test]
    fn later_versions_only_add_to_it() {
        let with_owned = b"\0\x03\0\0\0\x01\0\x01t\xff\xff\xff\xff\0\0\0\0\0\0\0\x07\xff\xff";
        assert_eq!(read_subscription(Bytes::from_static(with_owned)).unwrap(), ["t"]);
    }
}
