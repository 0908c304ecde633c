//! Damaged files of every format are read as far as they go or refused: no panic, no hang, and no more
//! memory than the limit allows.
//!
//! Seeded: a failure names the file, the seed and the number of the mutant. With `TILEMILL_TEST_LONG`
//! there are twenty times as many.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::io::Cursor;
use std::time::{Duration, Instant};

use tilemill::raster::colour::Space;
use tilemill::raster::decode::{Colours, Container, Limits, Wanted, decode, metadata, probe};
use tilemill::raster::metadata::Policy;

use stills::{STILLS, read};

mod stills;

/// Mutants of each format, and the time after which the rest is left out: 30 s each on two cores that
/// have other work.
const MUTANTS: u32 = 20_000;
const AT_LEAST: u32 = 5_000;

/// Decoding may take so much memory, and what a library needs beside it; a file has some kibibytes.
const LIMITS: Limits = Limits { max_pixels: 1 << 22, max_side: 1 << 14, max_bytes: 32 << 20 };
const MOST_MEMORY: u64 = 3 * LIMITS.max_bytes;

/// What one mutant may take; most take a millisecond.
const MOST_TIME: Duration = Duration::from_secs(20);

/// An xorshift generator: the same numbers everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % (limit.max(1) as u64)).unwrap()
    }
}

/// Values that lengths, sizes and offsets are often wrong by.
const NOTABLE: [u32; 8] = [0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFF_FFFF, 0xFFFF_FFFF];

/// One to eight changes, near the start more often than elsewhere: there headers are.
fn mutate(file: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    for _ in 0..=random.below(8) {
        let near = if random.below(2) == 0 { file.len().min(256) } else { file.len() };
        let place = random.below(near);
        let length = random.below(16).min(file.len() - place);
        match random.below(40) % 9 {
            0 => file[place] ^= 1 << random.below(8),
            1 => file[place] = random.next().to_le_bytes()[0],
            2 => put(file, place, &NOTABLE[random.below(8)].to_le_bytes()),
            3 => put(file, place, &NOTABLE[random.below(8)].to_be_bytes()),
            4 => drop(file.drain(place..place + length)),
            5 => {
                let part = file[place..place + length].to_vec();
                file.splice(place..place, part);
            }
            6 => {
                let from = random.below(other.len());
                let end = (from + length).min(other.len());
                put(file, place, &other[from..end]);
            }
            7 if random.below(8) == 0 => file.truncate(random.below(file.len()).max(16)),
            _ => {}
        }
        if file.len() < 16 {
            file.resize(16, 0);
        }
    }
}

fn put(file: &mut [u8], place: usize, bytes: &[u8]) {
    let length = bytes.len().min(file.len() - place);
    file[place..place + length].copy_from_slice(&bytes[..length]);
}

/// PNG checks its chunks before it reads them: with right checksums damage comes further.
fn mend_checksums(file: &mut [u8]) {
    let mut place = 8;
    while let Some(head) = file.get(place..place + 8) {
        let length = u32::from_be_bytes(head[..4].try_into().unwrap()) as usize;
        let Some(end) = place.checked_add(8 + length).filter(|end| end + 4 <= file.len()) else {
            return;
        };
        let mut crc = flate2::Crc::new();
        crc.update(&file[place + 4..end]);
        file[end..end + 4].copy_from_slice(&crc.sum().to_be_bytes());
        place = end + 4;
    }
}

/// The most memory this process had since [`forget_peak`], in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

fn forget_peak() {
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
}

/// All that is ever done with an image that somebody gives; whether it could be decoded.
fn read_all(file: &[u8]) -> bool {
    if let Ok(said) = metadata(Cursor::new(file), &LIMITS) {
        let _ = (said.kept(Policy::Safe), said.kept(Policy::All));
    }
    let decoded = [Colours::All, Colours::Luma].map(|colours| {
        decode(Cursor::new(file), &LIMITS, Wanted { colours, space: Space::Srgb }).is_ok()
    });
    decoded == [true; 2]
}

fn try_mutants(container: Container) {
    let long = std::env::var_os("TILEMILL_TEST_LONG").is_some();
    let (count, time) = if long { (20 * MUTANTS, 600) } else { (MUTANTS, 30) };
    let files: Vec<(&str, Vec<u8>)> = STILLS.iter().map(|name| (*name, read(name))).collect();
    let own: Vec<_> = files
        .iter()
        .filter(|(_, file)| probe(Cursor::new(file), &LIMITS).unwrap().container == container)
        .collect();
    let mut random = Random(0x9E37_79B9_7F4A_7C15 ^ container as u64);
    let (started, mut tried, mut good) = (Instant::now(), 0, 0);
    while tried < count && (tried < AT_LEAST || started.elapsed().as_secs() < time) {
        let (name, original) = own[random.below(own.len())];
        let other = &own[random.below(own.len())].1;
        let mut file = original.clone();
        mutate(&mut file, other, &mut random);
        if container == Container::Png && random.below(4) > 0 {
            mend_checksums(&mut file);
        }
        forget_peak();
        let (before, since) = (peak(), Instant::now());
        let done = std::panic::catch_unwind(|| read_all(&file));
        let (grown, took) = (peak().saturating_sub(before), since.elapsed());
        let which = format!("{container} mutant {tried} of {name}");
        if done.is_err() || grown > MOST_MEMORY || took > MOST_TIME {
            let kept = std::env::temp_dir().join(format!("mutant-{tried}-{name}"));
            std::fs::write(&kept, &file).unwrap();
            panic!("{which}, kept as {}: {took:?}, {grown} bytes", kept.display());
        }
        tried += 1;
        good += u32::from(matches!(done, Ok(true)));
    }
    let seconds = started.elapsed().as_secs_f64();
    eprintln!("{container}: {tried} mutants in {seconds:.1} s, {good} of them decoded");
    // Were all refused at the door, nothing would have been tried.
    assert!(good * 20 > tried, "{container}: only {good} of {tried} were decoded");
}

/// One after the other: memory is that of the whole process.
#[test]
fn no_mutant_of_any_format_panics_hangs_or_takes_too_much_memory() {
    let only = std::env::var("TILEMILL_TEST_MUTANTS").ok();
    for container in Container::ALL {
        if only.as_ref().is_none_or(|only| *only == container.to_string()) {
            try_mutants(container);
        }
    }
}
