//! Record batches: packed to be sent to a broker, and read from its answers. Records that are read are slices of the
//! answer, and no memory is allocated by a length that was read, except for compressed batches (see `codec`).
//!
//! ```text
//! bytes  0..8   offset of the first record
//!        8..12  length of what follows
//!       16      2, the version of the format
//!       17..21  CRC-32C of what follows
//!       21..23  attributes: the compression in the lowest three bits, then flags
//!       23..27  offset of the last record, counted from the first
//!       57..61  number of records
//!       61..    records
//! ```
//!
//! The source is "Record Batch" and "Record" in <https://kafka.apache.org/documentation/#messageformat>.

use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::{Buf, Bytes, BytesMut};
use kafka_protocol::indexmap::IndexMap;
use kafka_protocol::records::{
    Compression, NO_PARTITION_LEADER_EPOCH, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE, Record,
    RecordBatchEncoder, RecordEncodeOptions, TimestampType,
};

use super::codec::Codec;

/// The bytes before the length field's end, which the length does not count.
const UNCOUNTED: usize = 12;
const HEADER: usize = 61;
/// The most bytes that a record has beside its value.
const ENVELOPE: usize = 28;
const FORMAT: u8 = 2;
const COMPRESSION: u16 = 0b111;
/// The flag of a batch that holds control records of the broker.
const CONTROL: u16 = 1 << 5;

/// A record that was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fetched {
    pub(super) offset: u64,
    /// Empty if the record has none. `None` stands for a batch that cannot be read and ends at this offset.
    pub(super) value: Option<Bytes>,
}

/// The records of a batch, or the offset of its last record and why they cannot be read.
pub(super) type Opened = Result<Vec<Fetched>, (u64, BatchError)>;

/// A batch of records, as it was fetched.
pub(super) struct Batch {
    bytes: Bytes,
}

/// Why the records of a batch cannot be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BatchError {
    #[error("its format has version {0}, and only {FORMAT} can be read")]
    Format(u8),
    #[error(
        "its codec has the unknown number {0}: set `compression.type` of the topic to \
         `producer`, as `tilemill topics create` does"
    )]
    UnknownCodec(u16),
    #[error("it cannot be inflated ({codec:?}): {cause}")]
    Inflating { codec: Codec, cause: String },
    #[error("its checksum is {expected:#x}, but that of its bytes is {found:#x}")]
    Checksum { expected: u32, found: u32 },
    #[error("a record does not fit into the batch")]
    Torn,
}

/// Packs new records with these values into a batch. The broker assigns their offsets.
pub(super) fn pack(values: impl Iterator<Item = Bytes>) -> Bytes {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // Only informative: the time that counts in the topic is when the broker appended a record.
    let timestamp = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
    let record = |(offset, value): (i32, Bytes)| Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: NO_PARTITION_LEADER_EPOCH,
        producer_id: NO_PRODUCER_ID,
        producer_epoch: NO_PRODUCER_EPOCH,
        timestamp_type: TimestampType::Creation,
        offset: offset.into(),
        // The batch holds the first one, and the encoder begins a new batch where sequences do not follow offsets.
        sequence: offset + NO_SEQUENCE,
        timestamp,
        key: None,
        value: Some(value),
        headers: IndexMap::new(),
    };
    let records: Vec<_> = (0..).zip(values).map(record).collect();
    let options = RecordEncodeOptions { version: 2, compression: Compression::None };
    let values: usize =
        records.iter().filter_map(|record| record.value.as_ref()).map(Bytes::len).sum();
    let mut batch = BytesMut::with_capacity(HEADER + records.len() * ENVELOPE + values);
    RecordBatchEncoder::encode(&mut batch, &records, &options)
        .expect("no record comes near the two gigabytes that fit into a batch");
    batch.freeze()
}

/// The whole batches of an answer. A broker may truncate the last one.
pub(super) fn batches(mut answer: Bytes) -> impl Iterator<Item = Batch> {
    std::iter::from_fn(move || {
        let length = (&mut answer.get(8..UNCOUNTED)?).get_u32();
        let length = usize::try_from(length).ok()?.checked_add(UNCOUNTED)?;
        let whole = (HEADER..=answer.len()).contains(&length);
        whole.then(|| Batch { bytes: answer.split_to(length) })
    })
}

impl Batch {
    fn field(&self, at: usize) -> &[u8] {
        &self.bytes[at..]
    }

    fn attributes(&self) -> u16 {
        self.field(21).get_u16()
    }

    fn first(&self) -> u64 {
        self.field(0).get_u64()
    }

    /// The offset of its last record, which may have been removed.
    pub(super) fn last(&self) -> u64 {
        // In earlier formats, the first field holds it.
        let further = if self.bytes[16] == FORMAT { self.field(23).get_u32() } else { 0 };
        self.first().saturating_add(u64::from(further))
    }

    /// Whether its records have to be inflated, which takes time.
    pub(super) fn is_compressed(&self) -> bool {
        self.attributes() & COMPRESSION != 0
    }

    /// The bytes of its records, inflated.
    fn content(&self) -> Result<Bytes, BatchError> {
        let packed = self.bytes.slice(HEADER..);
        let number = self.attributes() & COMPRESSION;
        if number == 0 {
            return Ok(packed);
        }
        let codec = Codec::of(number).ok_or(BatchError::UnknownCodec(number))?;
        let inflated = codec.inflate(&packed);
        let failed = |error: io::Error| BatchError::Inflating { codec, cause: error.to_string() };
        Ok(inflated.map_err(failed)?.into())
    }

    /// Its records, in the order of their offsets; or its last offset and why they cannot be read.
    pub(super) fn records(&self) -> Opened {
        self.read().map_err(|error| (self.last(), error))
    }

    fn read(&self) -> Result<Vec<Fetched>, BatchError> {
        if self.bytes[16] != FORMAT {
            return Err(BatchError::Format(self.bytes[16]));
        }
        let (expected, found) = (self.field(17).get_u32(), crc32c::crc32c(self.field(21)));
        if expected != found {
            return Err(BatchError::Checksum { expected, found });
        }
        if self.attributes() & CONTROL != 0 {
            return Ok(Vec::new());
        }
        let (mut rest, last) = (self.content()?, self.last());
        let mut records = Vec::new();
        for _ in 0..self.field(57).get_u32() {
            let record = read_record(&mut rest, self.first());
            records.push(record.filter(|record| record.offset <= last).ok_or(BatchError::Torn)?);
        }
        Ok(records)
    }
}

/// Reads the next record. Its headers, which follow the value, are ignored.
fn read_record(rest: &mut Bytes, first: u64) -> Option<Fetched> {
    let mut record = read_bytes(rest)?;
    let _attributes = record.try_get_u8().ok()?;
    let _timestamp = read_number(&mut record)?;
    let offset = first.checked_add_signed(read_number(&mut record)?)?;
    let _key = read_bytes(&mut record)?;
    let value = read_bytes(&mut record)?;
    Some(Fetched { offset, value: Some(value) })
}

/// Reads bytes that follow their length, which is -1 for null.
fn read_bytes(from: &mut Bytes) -> Option<Bytes> {
    let length = usize::try_from(read_number(from)?.max(0)).ok()?;
    (length <= from.len()).then(|| from.split_to(length))
}

/// Reads a zigzag varint: seven bits per byte, the lowest first, with the sign in the lowest bit.
fn read_number(from: &mut Bytes) -> Option<i64> {
    let mut number = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let byte = from.try_get_u8().ok()?;
        number |= u64::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return Some((number >> 1).cast_signed() ^ -(number & 1).cast_signed());
        }
    }
    None
}

#[cfg(test)]
pub(super) mod tests {
    use bytes::{Bytes, BytesMut};
    use kafka_protocol::indexmap::IndexMap;
    use kafka_protocol::records::{
        Compression, Record, RecordBatchEncoder, RecordEncodeOptions, TimestampType,
    };
    use proptest::prelude::*;

    use super::{BatchError, Codec, Fetched, batches, pack};
    use crate::queue::kafka::codec;
    use crate::queue::kafka::codec::tests::deflate;

    pub(in crate::queue::kafka) fn record(
        offset: i64,
        key: Option<Bytes>,
        value: Option<Bytes>,
    ) -> Record {
        Record {
            transactional: false,
            control: false,
            delete_horizon: false,
            partition_leader_epoch: 3,
            producer_id: -1,
            producer_epoch: -1,
            timestamp_type: TimestampType::Creation,
            offset,
            // The encoder begins a new batch where sequences do not follow offsets.
            sequence: i32::try_from(offset).unwrap(),
            timestamp: 1_790_000_000_000 + offset,
            key,
            value,
            headers: IndexMap::from([("some".into(), Some(Bytes::from_static(b"header")))]),
        }
    }

    /// Records as the protocol's library writes them.
    pub(in crate::queue::kafka) fn written(records: &[Record]) -> Bytes {
        let options = RecordEncodeOptions { version: 2, compression: Compression::None };
        let mut bytes = BytesMut::new();
        RecordBatchEncoder::encode(&mut bytes, records.iter(), &options).unwrap();
        bytes.freeze()
    }

    fn read(answer: Bytes) -> Vec<Result<Vec<Fetched>, BatchError>> {
        batches(answer).map(|batch| batch.read()).collect()
    }

    fn bytes() -> impl Strategy<Value = Option<Bytes>> {
        prop::option::of(prop::collection::vec(any::<u8>(), 0..200).prop_map(Bytes::from))
    }

    proptest! {
        #[test]
        fn what_another_writes_is_read(
            first in 0..1_i64 << 30,
            contents in prop::collection::vec((bytes(), bytes()), 1..20),
        ) {
            let offsets = first..;
            let records: Vec<_> =
                offsets.zip(contents).map(|(at, (key, value))| record(at, key, value)).collect();
            let expected: Vec<_> = records.iter().map(|record| Fetched {
                offset: u64::try_from(record.offset).unwrap(),
                value: Some(record.value.clone().unwrap_or_default()),
            }).collect();
            let all = written(&records);
            // An answer may end anywhere.
            let cut = Bytes::from([&all[..], &all[..all.len() - 1]].concat());
            let read: Vec<_> = batches(cut).collect();
            prop_assert_eq!(read.len(), 1);
            prop_assert_eq!(read[0].last(), expected.last().unwrap().offset);
            prop_assert_eq!(read[0].records(), Ok(expected));
        }

        #[test]
        fn packed_records_are_read_in_order(
            contents in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..20),
        ) {
            let values: Vec<_> = contents.into_iter().map(Bytes::from).collect();
            let read = read(pack(values.iter().cloned()));
            let expected = (0..).zip(values.into_iter().map(Some)).map(|(offset, value)| Fetched { offset, value });
            prop_assert_eq!(read, [Ok(expected.collect())]);
        }

        #[test]
        fn batches_with_bytes_changed_are_read_or_refused(
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
            checked in any::<bool>(),
        ) {
            let value = Some(Bytes::from_static(&[7; 100]));
            let mut batch = written(&[record(5, None, value.clone()), record(6, None, value)]).to_vec();
            for (at, byte) in changes {
                let at = at.index(batch.len());
                batch[at] = byte;
            }
            if checked {
                let sum = crc32c::crc32c(&batch[21..]);
                batch[17..21].copy_from_slice(&sum.to_be_bytes());
            }
            for batch in batches(batch.into()) {
                let _ = (batch.last(), batch.records());
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            read(bytes.into());
        }
    }

    #[test]
    fn a_changed_byte_is_noticed() {
        let mut batch = written(&[record(5, None, Some(Bytes::from_static(b"value")))]).to_vec();
        *batch.last_mut().unwrap() ^= 1;
        assert!(matches!(read(batch.into())[..], [Err(BatchError::Checksum { .. })]));
    }

    /// A false number of records or bytes is noticed before memory is allocated for it.
    #[test]
    fn a_count_beyond_the_batch_is_refused() {
        let mut batch = written(&[record(5, None, None)]).to_vec();
        batch[57..61].copy_from_slice(&u32::MAX.to_be_bytes());
        let sum = crc32c::crc32c(&batch[21..]);
        batch[17..21].copy_from_slice(&sum.to_be_bytes());
        assert_eq!(read(batch.into()), [Err(BatchError::Torn)]);
    }

    /// A batch compressed as by a broker or a producer.
    fn compressed(batch: &[u8], codec: Codec, number: u8) -> Bytes {
        let (head, records) = batch.split_at(super::HEADER);
        let mut batch = [head, &deflate(codec, records)].concat();
        let length = u32::try_from(batch.len() - super::UNCOUNTED).unwrap();
        batch[8..12].copy_from_slice(&length.to_be_bytes());
        batch[22] |= number;
        let sum = crc32c::crc32c(&batch[21..]);
        batch[17..21].copy_from_slice(&sum.to_be_bytes());
        batch.into()
    }

    #[test]
    fn compressed_batches_are_read_and_an_unknown_codec_says_which_setting_is_wrong() {
        let value = Some(Bytes::from_static(&[7; 1000]));
        let batch = written(&[record(5, None, value.clone()), record(6, None, value)]);
        let plain = read(batch.clone());
        for (codec, number) in codec::tests::ALL.into_iter().zip(1..) {
            assert_eq!(read(compressed(&batch, codec, number)), plain, "{codec:?}");
        }
        let unknown = compressed(&batch, Codec::Gzip, 5);
        assert_eq!(read(unknown), [Err(BatchError::UnknownCodec(5))]);
        let wrong = compressed(&batch, Codec::Gzip, 4);
        assert!(matches!(read(wrong)[..], [Err(BatchError::Inflating { .. })]));
    }
}
