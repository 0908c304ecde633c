//! Formats that are recognised by their first bytes but not read, so that such a file is refused by name with
//! advice that fits it, not as "not an image".

use super::container::Container;
use super::error::DecodeError;

/// The name of a format, and the remedy.
type Other = (&'static str, &'static str);

const RAW: &str = "develop it and save it as JPEG, PNG or TIFF";
const FLATTEN: &str = "save a copy as PNG or TIFF";
const TONES: &str = "map its tones and save it as PNG or TIFF";
const EXPORT: &str = "export it as PNG at the size you want";
const PAGE: &str = "export the page you want as PNG or TIFF";
const STILL: &str = "save a still image of it";

/// The most brands, of four letters each, that are looked at in a file that begins with a length and `ftyp`
/// (ISO/IEC 14496-12).
const MOST_KINDS: usize = 13;

/// The refusal of a file that begins with `start` and has none of the readable formats.
pub(super) fn refusal(start: &[u8]) -> DecodeError {
    match image(start)
        .map(|name| (name, None))
        .or_else(|| other(start).map(|(name, remedy)| (name, Some(remedy))))
    {
        None => DecodeError::NotAnImage,
        Some((name, remedy)) => {
            let readable = || format!("readable formats are {}", Container::names());
            let remedy = remedy.map_or_else(readable, str::to_owned);
            DecodeError::Unsupported { what: name.to_owned(), remedy }
        }
    }
}

/// Formats of photographs.
fn image(start: &[u8]) -> Option<&'static str> {
    match start {
        [_, _, _, _, b'f', b't', b'y', b'p', kinds @ ..] => {
            let kinds = || kinds.as_chunks::<4>().0.iter().take(MOST_KINDS);
            let is = |kind: &[u8; 4]| kinds().any(|known| known == kind);
            let avif = is(b"avif") || is(b"avis");
            let heif = [b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"];
            avif.then_some("AVIF").or(heif.into_iter().any(is).then_some("HEIC"))
        }
        [0xFF, 0x0A, ..] | [0, 0, 0, 12, b'J', b'X', b'L', b' ', ..] => Some("JPEG XL"),
        _ => None,
    }
}

/// Signatures at the start of a file.
const SIGNATURES: [(&[u8], Other); 26] = [
    (b"IIRO", ("a raw file of Olympus (ORF)", RAW)),
    (b"IIRS", ("a raw file of Olympus (ORF)", RAW)),
    (b"MMOR", ("a raw file of Olympus (ORF)", RAW)),
    (b"IIU\0", ("a raw file of Panasonic (RW2)", RAW)),
    (b"FUJIFILMCCD-RAW", ("a raw file of Fujifilm (RAF)", RAW)),
    (b"II\x1A\0\0\0HEAPCCDR", ("a raw file of Canon (CRW)", RAW)),
    (b"FOVb", ("a raw file of Sigma (X3F)", RAW)),
    (b"\0MRM", ("a raw file of Minolta (MRW)", RAW)),
    (b"8BPS", ("a Photoshop document (PSD)", FLATTEN)),
    (b"gimp xcf ", ("a GIMP document (XCF)", FLATTEN)),
    (b"\x76\x2F\x31\x01", ("OpenEXR", TONES)),
    (b"#?RADIANCE", ("Radiance HDR", TONES)),
    (b"#?RGBE", ("Radiance HDR", TONES)),
    (b"PF\n", ("Portable Float Map (PFM)", TONES)),
    (b"Pf\n", ("Portable Float Map (PFM)", TONES)),
    (b"%PDF-", ("PDF", PAGE)),
    (b"%!PS", ("PostScript", PAGE)),
    (b"\xC5\xD0\xD3\xC6", ("Encapsulated PostScript", PAGE)),
    (b"AT&TFORM", ("DjVu", PAGE)),
    (b"qoif", ("QOI", FLATTEN)),
    (b"DDS ", ("DDS", FLATTEN)),
    (b"icns", ("an Apple icon (ICNS)", FLATTEN)),
    (b"\x8AMNG\r\n\x1A\n", ("MNG", STILL)),
    (b"\x8BJNG\r\n\x1A\n", ("JNG", FLATTEN)),
    (b"\x1A\x45\xDF\xA3", ("a Matroska or WebM video", STILL)),
    (b"FLIF", ("FLIF", FLATTEN)),
];

fn other(start: &[u8]) -> Option<Other> {
    let found = SIGNATURES.iter().find(|(signature, _)| start.starts_with(signature));
    found.map(|(_, other)| *other).or_else(|| by_structure(start))
}

/// Formats that a fixed signature alone does not identify.
fn by_structure(start: &[u8]) -> Option<Other> {
    match start {
        [_, _, _, _, b'f', b't', b'y', b'p', b'c', b'r', b'x', b' ', ..] => {
            Some(("a raw file of Canon (CR3)", RAW))
        }
        [_, _, _, _, b'f', b't', b'y', b'p', b'q' | b'i' | b'm' | b'M', ..] => {
            Some(("a video", STILL))
        }
        // The type, the number of images, and of the first one: its sides, its colours, and a zero.
        [0, 0, 1, 0, count, 0, _, _, _, 0, ..] if (1..64).contains(count) => {
            Some(("an icon (ICO)", "save the image you want from it as PNG"))
        }
        [b'P', b'1'..=b'7', b' ' | b'\t' | b'\n' | b'\r' | b'#', ..] => {
            Some(("Netpbm (PBM, PGM, PPM, PAM)", FLATTEN))
        }
        _ if start.get(128..132) == Some(b"DICM") => Some(("DICOM", FLATTEN)),
        _ => is_svg(start).then_some(("SVG", EXPORT)),
    }
}

/// Whether it is XML with an `svg` element near its start.
fn is_svg(start: &[u8]) -> bool {
    let text = start.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(start).trim_ascii_start();
    let xml = [&b"<svg"[..], b"<?xml", b"<!--", b"<!DOCTYPE svg"];
    xml.iter().any(|opening| text.starts_with(opening))
        && [&b"<svg"[..], b"<!DOCTYPE svg"]
            .iter()
            .any(|name| memchr::memmem::find(text, name).is_some())
}
