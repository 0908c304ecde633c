//! Other images that a JPEG file holds behind its first one, and the metadata that announces them: a result has one
//! image, and must not announce more.

use super::ifd::Reader;

/// The tag of the list of images (CIPA DC-007, 5.2.3.3), and the length of an entry in it.
const IMAGES: u16 = 0xB002;
const IMAGE_BYTES: usize = 16;

/// The bits of an image's attributes that hold its type, and the types of smaller copies for screens.
const TYPE: u32 = 0x00FF_FFFF;
const SMALLER_COPIES: [u32; 2] = [0x0001_0001, 0x0001_0002];

/// XMP namespaces whose properties announce what follows the image: gain maps of Adobe and Apple, the
/// directory of Google's containers, videos of Google's cameras.
const ANNOUNCING: [&str; 5] = [
    "http://ns.adobe.com/hdr-gain-map/1.0/",
    "http://ns.apple.com/HDRGainMap/1.0/",
    "http://ns.google.com/photos/1.0/container/",
    "http://ns.google.com/photos/1.0/container/item/",
    "http://ns.google.com/photos/1.0/camera/",
];
const GAIN_MAPS: [&str; 2] = [ANNOUNCING[0], ANNOUNCING[1]];

/// How many images an MPF list has beside the first one, not counting smaller copies of it.
pub(crate) fn other_images(list: &[u8]) -> usize {
    let Some((reader, first)) = Reader::new(list) else { return 0 };
    let entries = reader.entries(first);
    let Some(images) = entries.iter().find(|entry| entry.tag == IMAGES) else { return 0 };
    let kind = |image: &[u8]| {
        let bytes = *image.first_chunk()?;
        let attributes = if list.starts_with(b"MM") {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        };
        Some(attributes & TYPE)
    };
    let others = images.bytes.chunks_exact(IMAGE_BYTES).skip(1);
    others.filter_map(kind).filter(|kind| !SMALLER_COPIES.contains(kind)).count()
}

/// Whether an XMP packet announces a gain map.
pub(crate) fn announces_gain_map(packet: &[u8]) -> bool {
    let holds = |text: &str| packet.windows(text.len()).any(|bytes| bytes == text.as_bytes());
    GAIN_MAPS.into_iter().any(holds)
}

/// The packet without what announces other images; `None` if that cannot be removed reliably.
pub(crate) fn alone(packet: &[u8]) -> Option<Vec<u8>> {
    let Ok(text) = std::str::from_utf8(packet) else {
        // In another encoding, no name would be recognised.
        return None;
    };
    let prefixes: Vec<String> = ANNOUNCING.iter().flat_map(|space| prefixes(text, space)).collect();
    let mut text = text.to_owned();
    for prefix in &prefixes {
        text = without_elements(text, prefix)?;
        text = without_attributes(text, &format!("{prefix}:"))?;
        text = without_attributes(text, &format!("xmlns:{prefix}="))?;
    }
    // The rest of a packet that did not fit into one segment.
    text = without_attributes(text, "xmpNote:HasExtendedXMP")?;
    let gone = prefixes.iter().all(|prefix| !text.contains(&format!("{prefix}:")));
    let unnamed = ANNOUNCING.iter().all(|space| !text.contains(space));
    (gone && unnamed).then(|| text.into_bytes())
}

/// The prefixes that stand for a namespace.
fn prefixes(text: &str, space: &str) -> Vec<String> {
    let declared = |quote: char| {
        let value = format!("={quote}{space}{quote}");
        let places: Vec<usize> = text.match_indices(&value).map(|(at, _)| at).collect();
        places.into_iter().filter_map(|at| {
            let before = &text[..at];
            let name = &before[before.rfind("xmlns:")? + "xmlns:".len()..];
            name.chars().all(is_of_name).then(|| name.to_owned())
        })
    };
    let mut prefixes: Vec<String> = declared('"').chain(declared('\'')).collect();
    prefixes.sort();
    prefixes.dedup();
    prefixes
}

fn is_of_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '-' | '_' | '.')
}

/// The text without the elements whose names have this prefix, and without their content.
fn without_elements(mut text: String, prefix: &str) -> Option<String> {
    let open = format!("<{prefix}:");
    while let Some(start) = text.find(&open) {
        let name: String =
            text[start + 1..].chars().take_while(|c| is_of_name(*c) || *c == ':').collect();
        let end = end_of_element(&text, start, &name)?;
        text.replace_range(start..end, "");
    }
    Some(text)
}

/// The end of the element that begins at `start`, which may contain elements of the same name.
fn end_of_element(text: &str, start: usize, name: &str) -> Option<usize> {
    let (open, close) = (format!("<{name}"), format!("</{name}"));
    let (mut at, mut depth) = (start, 0_u32);
    loop {
        let begins = |tag: &String| {
            let is_whole = |at: &usize| !text[at + tag.len()..].starts_with(is_of_name);
            text[at..].match_indices(tag).map(|(found, _)| at + found).find(is_whole)
        };
        let (opened, closed) = (begins(&open), begins(&close));
        let here = opened.into_iter().chain(closed).min()?;
        at = end_of_tag(text, here)?;
        let is_close = Some(here) == closed;
        let is_empty = text[here..at].ends_with("/>");
        depth = if is_close { depth.checked_sub(1)? } else { depth + u32::from(!is_empty) };
        if depth == 0 {
            return Some(at);
        }
    }
}

/// The end of the tag that begins at `start`; a quoted value may contain `>`.
fn end_of_tag(text: &str, start: usize) -> Option<usize> {
    let mut quote = None;
    for (at, c) in text[start..].char_indices() {
        match (quote, c) {
            (None, '>') => return Some(start + at + 1),
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), _) if c == open => quote = None,
            _ => {}
        }
    }
    None
}

/// The text without the attributes whose names begin with `name`.
fn without_attributes(mut text: String, name: &str) -> Option<String> {
    let mut from = 0;
    while let Some(found) = text[from..].find(name) {
        let start = from + found;
        if !text[..start].ends_with(char::is_whitespace) {
            from = start + name.len();
            continue;
        }
        let open = start + text[start..].find(['"', '\''])?;
        let quote = text[open..].chars().next()?;
        let end = open + 1 + text[open + 1..].find(quote)? + 1;
        text.replace_range(text[..start].trim_end().len()..end, "");
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str =
        r#"<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description rdf:about="""#;

    fn left(packet: &str) -> Option<String> {
        alone(packet.as_bytes()).map(|packet| String::from_utf8(packet).unwrap())
    }

    #[test]
    fn what_announces_a_gain_map_goes_and_the_rest_stays() {
        let packet = format!(
            r#"{HEAD} xmlns:dc="http://purl.org/dc/elements/1.1/"
  xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0"
  xmlns:Container='http://ns.google.com/photos/1.0/container/'
  xmlns:Item="http://ns.google.com/photos/1.0/container/item/" dc:format="a > b">
<Container:Directory><rdf:Seq><rdf:li><Container:Item Item:Semantic="Primary"/></rdf:li>
<rdf:li><Container:Item Item:Semantic="GainMap" Item:Length="7"/></rdf:li></rdf:Seq></Container:Directory>
<dc:creator>me</dc:creator></rdf:Description></rdf:RDF></x:xmpmeta>"#
        );
        assert!(announces_gain_map(packet.as_bytes()));
        let left = left(&packet).unwrap();
        assert!(
            left.contains(r#"dc:format="a > b">"#) && left.contains("<dc:creator>me"),
            "{left}"
        );
        for gone in ["hdrgm", "Container", "Item", "Semantic", "GainMap"] {
            assert!(!left.contains(gone), "{gone}: {left}");
        }
    }

    #[test]
    fn other_packets_stay_as_they_are() {
        let packet = format!(r#"{HEAD} xmlns:dc="d" dc:format="x"/></rdf:RDF></x:xmpmeta>"#);
        assert_eq!(left(&packet).as_ref(), Some(&packet));
        let more = format!(r#"{HEAD} xmpNote:HasExtendedXMP="00FF" dc:a="b"/>"#);
        assert_eq!(left(&more), Some(format!(r#"{HEAD} dc:a="b"/>"#)));
    }

    #[test]
    fn what_cannot_be_taken_out_goes_with_its_packet() {
        let space = ANNOUNCING[0];
        for broken in [
            format!("{HEAD} xmlns:g=\"{space}\"><g:Version>1.0"),
            format!("{HEAD} xmlns:g=\"{space}\" g:Version=1>"),
            format!("{HEAD} xmlns=\"{space}\"><Version/>"),
        ] {
            assert_eq!(left(&broken), None, "{broken}");
        }
        assert_eq!(alone(b"\xFF\xFE<\0"), None);
    }

    #[test]
    fn smaller_copies_are_no_other_images() {
        let image = |kind: u32| [&kind.to_le_bytes()[..], &[0; 12]].concat();
        let list = |kinds: &[u32]| {
            let images: Vec<u8> = kinds.iter().flat_map(|kind| image(*kind)).collect();
            let length = u32::try_from(images.len()).unwrap().to_le_bytes();
            let head =
                [&b"II*\0\x08\0\0\0\x01\0\x02\xB0\x07\0"[..], &length, &[26, 0, 0, 0, 0, 0, 0, 0]];
            [&head.concat()[..], &images].concat()
        };
        assert_eq!(other_images(&list(&[0x2003_0000, 0, 0x0001_0001])), 1);
        assert_eq!(other_images(&list(&[0x2003_0000])), 0);
        assert_eq!(other_images(b""), 0);
    }
}
