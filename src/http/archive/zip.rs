//! The part of the ZIP format (PKWARE APPNOTE 6.3) that an archive needs which is written front to back, uncompressed.
//!
//! A checksum is known only when its file has been read, so it follows the file in a data descriptor. A program that reads
//! front to back finds the descriptor only if the compressed data mark their own end: many refuse one after the method
//! *stored* (Java's `ZipInputStream`, `commons-compress`, `SharpZipLib`). So the method is *deflate*, with nothing but
//! stored blocks: 5 bytes more for each 64 KiB, and every length is known before a file is read.
//!
//! The crates `zip` and `async_zip` write into a writer of the caller, and cannot tell the length of an archive beforehand.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// The most bytes that a stored block of deflate holds.
pub(super) const BLOCK: usize = 0xFFFF;
/// The bytes before each block: whether it is the last, its length, and the length with all bits inverted.
const BLOCK_HEAD: usize = 5;

const LOCAL_HEADER: u32 = 0x0403_4B50;
const DESCRIPTOR: u32 = 0x0807_4B50;
const DIRECTORY_HEADER: u32 = 0x0201_4B50;
const END: u32 = 0x0605_4B50;
const LARGE_END: u32 = 0x0606_4B50;
const LARGE_END_LOCATOR: u32 = 0x0706_4B50;

/// The version of the format that deflate needs.
const VERSION: u16 = 20;
/// The version of the format that Zip64 needs.
const LARGE_VERSION: u16 = 45;
/// Made under Unix, so that `MODE` counts.
const MADE_BY: u16 = 3 << 8 | LARGE_VERSION;
/// A regular file that its owner may write and all users may read.
const MODE: u32 = 0o100_644 << 16;
/// The checksum and the lengths follow the file; its name is UTF-8.
const FLAGS: u16 = 1 << 3 | 1 << 11;
const DEFLATE: u16 = 8;

/// The extra field for numbers that are too large for their place.
const LARGE_FIELD: u16 = 0x0001;
/// The extra field for the exact time in UTC.
const TIME_FIELD: u16 = 0x5455;
/// The time field holds the time of the last modification only.
const MODIFIED: u8 = 1;

/// Stands in place of a number of 32 bits that is too large.
const ELSEWHERE: u32 = u32::MAX;
/// Stands in place of a number of 16 bits that is too large.
const MANY: u16 = u16::MAX;

/// What is known of a file before it is read.
#[derive(Debug, Clone)]
pub(super) struct Member {
    /// Its name, which must be unique.
    pub(super) name: String,
    pub(super) bytes: u64,
    pub(super) modified: Timestamp,
}

impl Member {
    /// Its length in bytes once it is packed.
    fn packed(&self) -> u64 {
        self.bytes + self.bytes.div_ceil(BLOCK as u64).max(1) * BLOCK_HEAD as u64
    }

    /// Whether its lengths need more than 32 bits; its packed length is the larger one.
    fn is_large(&self) -> bool {
        self.packed() >= ELSEWHERE.into()
    }
}

/// An archive that is being written.
#[derive(Debug, Default)]
pub(super) struct Archive {
    length: u64,
    /// Where the last member begins.
    begun_at: u64,
    count: u64,
    directory: Bytes,
}

impl Archive {
    /// The length of an archive of these members in bytes.
    pub(super) fn length_of<'m>(members: impl IntoIterator<Item = &'m Member>) -> u64 {
        let mut archive = Self::default();
        for member in members {
            archive.begin(member);
            archive.end(member, 0);
        }
        archive.length + archive.finish().len() as u64
    }

    /// The header before the packed bytes of a member.
    pub(super) fn begin(&mut self, member: &Member) -> Vec<u8> {
        let [packed, bytes] = if member.is_large() { [ELSEWHERE; 2] } else { [0; 2] };
        let mut extra = Bytes::default();
        if member.is_large() {
            // Says that the lengths after the packed bytes have 64 bits.
            extra.u16(LARGE_FIELD).u16(16).u64(0).u64(0);
        }
        extra.time(member.modified);
        let mut header = Bytes::default();
        header.u32(LOCAL_HEADER).about(member, member.is_large()).u32(0).u32(packed).u32(bytes);
        header.u16(short(member.name.len())).u16(short(extra.0.len()));
        header.all(member.name.as_bytes()).all(&extra.0);
        self.begun_at = self.length;
        self.length += header.0.len() as u64 + member.packed();
        header.0
    }

    /// The descriptor after the packed bytes of a member; `checksum` is its CRC-32.
    pub(super) fn end(&mut self, member: &Member, checksum: u32) -> Vec<u8> {
        let mut descriptor = Bytes::default();
        descriptor.u32(DESCRIPTOR).u32(checksum);
        let lengths = [member.packed(), member.bytes];
        for length in lengths {
            if member.is_large() {
                descriptor.u64(length)
            } else {
                descriptor.u32(narrow(length))
            };
        }
        self.enlist(member, checksum);
        self.length += descriptor.0.len() as u64;
        descriptor.0
    }

    /// Adds the last member to the directory.
    fn enlist(&mut self, member: &Member, checksum: u32) {
        let is_far = self.begun_at >= ELSEWHERE.into();
        let mut wide = Bytes::default();
        let mut place = |number: u64, is_wide: bool| {
            if is_wide {
                wide.u64(number);
            }
            if is_wide { ELSEWHERE } else { narrow(number) }
        };
        let bytes = place(member.bytes, member.is_large());
        let packed = place(member.packed(), member.is_large());
        let begun_at = place(self.begun_at, is_far);
        let mut extra = Bytes::default();
        if !wide.0.is_empty() {
            extra.u16(LARGE_FIELD).u16(short(wide.0.len())).all(&wide.0);
        }
        extra.time(member.modified);
        let header = self.directory.u32(DIRECTORY_HEADER).u16(MADE_BY);
        let header = header.about(member, !wide.0.is_empty());
        header.u32(checksum).u32(packed).u32(bytes);
        header.u16(short(member.name.len())).u16(short(extra.0.len())).u16(0);
        header.u16(0).u16(0).u32(MODE).u32(begun_at);
        header.all(member.name.as_bytes()).all(&extra.0);
        self.count += 1;
    }

    /// The directory after all members, which ends the archive.
    pub(super) fn finish(self) -> Vec<u8> {
        let Self { length: place, count, directory: mut end, .. } = self;
        let bytes = end.0.len() as u64;
        if count >= MANY.into() || place.max(bytes) >= ELSEWHERE.into() {
            end.u32(LARGE_END).u64(44).u16(MADE_BY).u16(LARGE_VERSION).u32(0).u32(0);
            end.u64(count).u64(count).u64(bytes).u64(place);
            end.u32(LARGE_END_LOCATOR).u32(0).u64(place + bytes).u32(1);
        }
        let count = u16::try_from(count).unwrap_or(MANY);
        end.u32(END).u16(0).u16(0).u16(count).u16(count);
        end.u32(narrow(bytes)).u32(narrow(place)).u16(0);
        end.0
    }
}

/// A part of a member as blocks of deflate. All parts but the last one must be a multiple of [`BLOCK`].
pub(super) fn pack(part: &[u8], is_last: bool) -> Vec<u8> {
    let mut blocks: Vec<&[u8]> = part.chunks(BLOCK).collect();
    if blocks.is_empty() {
        blocks.push(&[]);
    }
    let last = blocks.len() - 1;
    let mut packed = Bytes(Vec::with_capacity(part.len() + blocks.len() * BLOCK_HEAD));
    for (index, block) in blocks.into_iter().enumerate() {
        let length = short(block.len());
        packed.0.push(u8::from(is_last && index == last));
        packed.u16(length).u16(!length).all(block);
    }
    packed.0
}

/// A number in 32 bits, or [`ELSEWHERE`] if it is too large.
fn narrow(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(ELSEWHERE)
}

fn short(length: usize) -> u16 {
    u16::try_from(length).expect("names are as short as file systems want them, and blocks fit")
}

/// A buffer to which numbers are appended in little-endian order.
#[derive(Debug, Default)]
struct Bytes(Vec<u8>);

impl Bytes {
    fn all(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn u16(&mut self, number: u16) -> &mut Self {
        self.all(&number.to_le_bytes())
    }

    fn u32(&mut self, number: u32) -> &mut Self {
        self.all(&number.to_le_bytes())
    }

    fn u64(&mut self, number: u64) -> &mut Self {
        self.all(&number.to_le_bytes())
    }

    /// The fields that both headers of a member have; `is_wide` tells whether a field of 64 bits follows.
    fn about(&mut self, member: &Member, is_wide: bool) -> &mut Self {
        let version = if is_wide { LARGE_VERSION } else { VERSION };
        let [time, date] = dos_time(member.modified);
        self.u16(version).u16(FLAGS).u16(DEFLATE).u16(time).u16(date)
    }

    /// The time in UTC as an extra field; left out if it does not fit into 32 signed bits.
    fn time(&mut self, time: Timestamp) -> &mut Self {
        match i32::try_from(time.as_second()) {
            Ok(seconds) => self.u16(TIME_FIELD).u16(5).all(&[MODIFIED]).all(&seconds.to_le_bytes()),
            Err(_) => self,
        }
    }
}

/// Time and date in the format of MS-DOS: in steps of 2 s, from 1980 to 2107, without a time zone.
fn dos_time(time: Timestamp) -> [u16; 2] {
    let time = time.to_zoned(TimeZone::UTC).datetime();
    let field = |value: i8| u16::try_from(value).unwrap_or(0);
    let year = u16::try_from(time.year()).unwrap_or(0).clamp(1980, 2107) - 1980;
    [
        field(time.hour()) << 11 | field(time.minute()) << 5 | field(time.second() / 2),
        year << 9 | field(time.month()) << 5 | field(time.day()),
    ]
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Seek, SeekFrom, Write};
    use std::process::Command;

    use flate2::{Crc, Decompress, FlushDecompress, Status};

    use super::*;

    fn member(name: &str, bytes: u64) -> Member {
        Member {
            name: name.into(),
            bytes,
            modified: Timestamp::from_second(1_700_000_001).unwrap(),
        }
    }

    fn checksum(bytes: &[u8]) -> u32 {
        let mut crc = Crc::new();
        crc.update(bytes);
        crc.sum()
    }

    /// An archive of these files, packed in parts of two blocks.
    fn archive(files: &[(&str, Vec<u8>)]) -> Vec<u8> {
        let (mut archive, mut out) = (Archive::default(), Vec::new());
        let members = files.iter().map(|(name, bytes)| member(name, bytes.len() as u64));
        let members: Vec<_> = members.collect();
        for (member, (_, bytes)) in members.iter().zip(files) {
            out.extend(archive.begin(member));
            let parts: Vec<_> = bytes.chunks(2 * BLOCK).collect();
            let (last, before) = parts.split_last().map_or((&[][..], &[][..]), |(l, b)| (*l, b));
            for part in before {
                out.extend(pack(part, false));
            }
            out.extend(pack(last, true));
            out.extend(archive.end(member, checksum(bytes)));
        }
        out.extend(archive.finish());
        assert_eq!(out.len() as u64, Archive::length_of(&members));
        out
    }

    fn number(bytes: &[u8], at: usize, length: usize) -> usize {
        bytes[at..at + length].iter().rev().fold(0, |sum, byte| sum << 8 | usize::from(*byte))
    }

    /// The files of an archive, read front to back without the directory.
    fn streamed(mut rest: &[u8]) -> Vec<(String, Vec<u8>)> {
        let mut files = Vec::new();
        while number(rest, 0, 4) == LOCAL_HEADER as usize {
            let [name, extra] = [26, 28].map(|at| number(rest, at, 2));
            let title = String::from_utf8(rest[30..30 + name].to_vec()).unwrap();
            rest = &rest[30 + name + extra..];
            let mut inflater = Decompress::new(false);
            let mut bytes = Vec::with_capacity(1 << 20);
            let status = inflater.decompress_vec(rest, &mut bytes, FlushDecompress::Finish);
            assert_eq!(status.unwrap(), Status::StreamEnd);
            rest = &rest[usize::try_from(inflater.total_in()).unwrap()..];
            let told = [0, 4, 8, 12].map(|at| number(rest, at, 4));
            let packed = usize::try_from(inflater.total_in()).unwrap();
            let [sign, sum] = [DESCRIPTOR, checksum(&bytes)].map(|number| number as usize);
            assert_eq!(told, [sign, sum, packed, bytes.len()]);
            rest = &rest[16..];
            files.push((title, bytes));
        }
        assert_eq!(number(rest, 0, 4), DIRECTORY_HEADER as usize);
        files
    }

    #[test]
    fn an_archive_can_be_read_front_to_back_whatever_the_lengths_of_its_files() {
        let bytes = |length: usize| (0..length).map(|i| (i * 7 % 251).to_le_bytes()[0]).collect();
        let lengths = [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 5 * BLOCK + 3];
        let files = lengths.map(|length| ("Zo\u{EB} \u{5199}\u{771F}.png", bytes(length)));
        let read = streamed(&archive(&files));
        assert_eq!(read.len(), files.len());
        for ((name, bytes), (read_name, read_bytes)) in files.iter().zip(&read) {
            assert!(name == read_name && bytes == read_bytes, "{} bytes", bytes.len());
        }
    }

    /// What Python's reader prints of an archive; `None` where there is no Python.
    fn python(file: &File, script: &str) -> Option<String> {
        let head = "import sys, zipfile; z = zipfile.ZipFile(sys.stdin.buffer); ";
        let mut command = Command::new("python3");
        command.args(["-c", &format!("{head}{script}")]).stdin(file.try_clone().unwrap());
        let Ok(ran) = command.output() else {
            let required = std::env::var("TILEMILL_TEST_REQUIRE").is_ok_and(|what| what == "all");
            assert!(!required, "python3 is missing");
            eprintln!("skipped in part: python3 is missing");
            return None;
        };
        assert!(ran.status.success(), "{ran:?}");
        Some(String::from_utf8(ran.stdout).unwrap().trim().to_owned())
    }

    #[test]
    fn more_files_than_16_bits_can_count_are_all_in_the_directory() {
        let names: Vec<_> = (0..70_000).map(|number| number.to_string()).collect();
        let files: Vec<_> = names.iter().map(|name| (name.as_str(), Vec::new())).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&archive(&files)).unwrap();
        file.rewind().unwrap();
        let told = python(&file, "print(len(z.namelist()), z.namelist()[-1])");
        assert_eq!(told.unwrap_or("70000 69999".into()), "70000 69999");
    }

    #[test]
    fn files_and_places_beyond_4_gib_are_told_in_64_bits() {
        let large = [member("large", 5 << 30), member("edge", ELSEWHERE.into())];
        let small = member("small", 5);
        let (mut archive, mut file) = (Archive::default(), tempfile::tempfile().unwrap());
        for member in &large {
            file.write_all(&archive.begin(member)).unwrap();
            // A hole in the file: it is not read.
            file.seek(SeekFrom::Current(member.packed().try_into().unwrap())).unwrap();
            file.write_all(&archive.end(member, 7)).unwrap();
        }
        file.write_all(&archive.begin(&small)).unwrap();
        file.write_all(&pack(b"bytes", true)).unwrap();
        file.write_all(&archive.end(&small, checksum(b"bytes"))).unwrap();
        file.write_all(&archive.finish()).unwrap();
        let members = [&large[0], &large[1], &small];
        assert_eq!(file.metadata().unwrap().len(), Archive::length_of(members));
        file.rewind().unwrap();
        let told = python(
            &file,
            "print([(i.filename, i.file_size, i.CRC if i.file_size > 5 else z.read(i)) for i in z.infolist()])",
        );
        let expected =
            "[('large', 5368709120, 7), ('edge', 4294967295, 7), ('small', 5, b'bytes')]";
        assert_eq!(told.unwrap_or(expected.into()), expected);
    }

    #[test]
    fn times_are_told_as_dos_had_them() {
        let time = |text: &str| dos_time(text.parse().unwrap());
        assert_eq!(time("2024-02-29T23:59:58Z"), [0b1011_1111_0111_1101, 0b101_1000_0101_1101]);
        assert_eq!(time("1970-01-01T00:00:00Z"), [0, 1 << 5 | 1]);
    }
}
