//! Converts the headers of a form's fields to UTF-8: headers that are not UTF-8 are read as Latin-1.
//!
//! Programs such as curl send the bytes of a file's name as they are, and the library treats headers that are not
//! UTF-8 as missing.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_web::HttpMessage;
use actix_web::error::PayloadError;
use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use memchr::memchr;

/// The most bytes of a head, which is the headers of one field. The rest of a longer one is passed on unchanged: the
/// library refuses it.
const LONGEST_HEAD: usize = 64 << 10;

/// A body of a form, with heads in UTF-8.
pub(super) struct Heads<S> {
    body: S,
    /// A line break and the boundary, which stand before each head. Empty if the request names no boundary.
    boundary: Vec<u8>,
    place: Place,
}

/// Where in the body the next byte stands.
enum Place {
    /// Outside of a head; this many bytes of a boundary stand before it.
    Outside(usize),
    /// In a head that has begun with these bytes.
    Head(BytesMut),
}

impl<S> Heads<S> {
    pub(super) fn new(request: &impl HttpMessage, body: S) -> Heads<S> {
        let mime = request.mime_type().ok().flatten();
        let boundary = mime.as_ref().and_then(|mime| mime.get_param("boundary"));
        let boundary = boundary.map(|boundary| format!("\r\n--{boundary}").into_bytes());
        // The first boundary has no line break before it.
        Heads { body, boundary: boundary.unwrap_or_default(), place: Place::Outside(2) }
    }

    /// Converts the heads in a chunk; an unfinished head is held back until the next chunk.
    fn mend(&mut self, chunk: &Bytes) -> Bytes {
        let mut out = BytesMut::new();
        // Stays 0 for most chunks, which lie within an image.
        let mut kept = 0;
        let mut at = 0;
        while at < chunk.len() {
            match &mut self.place {
                Place::Outside(matched) => {
                    at = outside(&self.boundary, matched, chunk, at);
                    if *matched == self.boundary.len() {
                        out.extend_from_slice(&chunk[kept..at]);
                        self.place = Place::Head(BytesMut::new());
                    }
                }
                Place::Head(head) => {
                    head.extend_from_slice(&chunk[at..=at]);
                    at += 1;
                    if head.ends_with(b"\r\n\r\n") || head.len() == LONGEST_HEAD {
                        out.extend_from_slice(&utf8(head));
                        self.place = Place::Outside(0);
                    }
                    kept = at;
                }
            }
        }
        if kept == 0 && out.is_empty() {
            return chunk.clone();
        }
        if let Place::Outside(_) = self.place {
            out.extend_from_slice(&chunk[kept..]);
        }
        out.freeze()
    }

    /// The bytes that were held back, if the body ends within a head.
    fn rest(&mut self) -> Option<Bytes> {
        match std::mem::replace(&mut self.place, Place::Outside(0)) {
            Place::Head(head) if !head.is_empty() => Some(head.freeze()),
            _ => None,
        }
    }
}

/// The place after the next boundary in a chunk, or the chunk's end. `matched` bytes of a boundary stand before `at`.
fn outside(boundary: &[u8], matched: &mut usize, chunk: &[u8], mut at: usize) -> usize {
    while at < chunk.len() && *matched < boundary.len() {
        if chunk[at] == boundary[*matched] {
            *matched += 1;
            at += 1;
        } else if *matched > 0 {
            // No boundary begins within another: it has a line break at its start only.
            *matched = 0;
        } else {
            at += memchr(b'\r', &chunk[at..]).unwrap_or(chunk.len() - at);
        }
    }
    if boundary.is_empty() { chunk.len() } else { at }
}

/// A head in UTF-8. One that is not UTF-8 is read as Latin-1, where each byte is the number of a character.
fn utf8(head: &[u8]) -> Vec<u8> {
    match std::str::from_utf8(head) {
        Ok(_) => head.to_vec(),
        Err(_) => head.iter().map(|byte| char::from(*byte)).collect::<String>().into_bytes(),
    }
}

impl<S: Stream<Item = Result<Bytes, PayloadError>> + Unpin> Stream for Heads<S> {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let next = match ready!(Pin::new(&mut self.body).poll_next(context)) {
                Some(Ok(chunk)) => self.mend(&chunk),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(self.rest().map(Ok)),
            };
            if !next.is_empty() {
                return Poll::Ready(Some(Ok(next)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    /// The output for a body that arrives in chunks of `length` bytes.
    fn mended(body: &[u8], length: usize) -> Vec<u8> {
        let kind = ("content-type", "multipart/form-data; boundary=XX");
        let request = TestRequest::default().insert_header(kind).to_http_request();
        let mut heads = Heads::new(&request, ());
        let mut out = Vec::new();
        for chunk in body.chunks(length) {
            out.extend(heads.mend(&Bytes::copy_from_slice(chunk)));
        }
        out.extend(heads.rest().unwrap_or_default());
        out
    }

    #[test]
    fn names_become_utf8_and_images_stay_whatever_the_chunks() {
        let form = |name: &[u8]| {
            let head = [
                b"--XX\r\nContent-Disposition: form-data; name=\"image\"; filename=\"",
                name,
                b"\"\r\n\r\n",
            ]
            .concat();
            // Looks like a head and like a boundary, and ends within a boundary.
            let image = b"filename=\"Zo\xEB\"\r\n\r\n\r\n--X\xEB\r\n--";
            [&head[..], image, b"\r\n", &head, image, b"\r\n--XX--\r\n"].concat()
        };
        let (latin, named) = (form(b"Zo\xEB.png"), form("Zo\u{EB}.png".as_bytes()));
        for length in 1..latin.len() {
            assert!(mended(&latin, length) == named, "chunks of {length} bytes");
            assert!(mended(&named, length) == named, "chunks of {length} bytes");
        }
    }

    #[test]
    fn a_body_that_breaks_off_or_has_no_boundary_is_passed_on() {
        for body in [&b"--XX\r\nContent-Disp\xEB"[..], b"--YY\r\n\xEB\r\n\r\n", b"\r\n--X", b""] {
            for length in [1, 3, 100] {
                assert_eq!(mended(body, length), body);
            }
        }
        let request = TestRequest::default().to_http_request();
        let body = Bytes::from_static(b"--XX\r\n\xEB\r\n\r\n");
        assert_eq!(Heads::new(&request, ()).mend(&body), body);
    }
}
