//! The request body of an upload: a multipart form (RFC 7578) that is streamed from its source.

use std::io::{self, Cursor, Read};

use uuid::Uuid;

/// The media type of an image that was not opened.
const ANY: &str = "application/octet-stream";

/// An image that is read once.
pub(crate) struct Source {
    pub(crate) name: String,
    /// Its size in bytes, if it is known before it is read.
    pub(crate) length: Option<u64>,
    pub(crate) reader: Box<dyn Read + Send>,
}

/// The body of a request that creates a job.
pub(crate) struct Form {
    boundary: String,
    head: Cursor<Vec<u8>>,
    length: Option<u64>,
    /// Bytes of the image that are not read yet, if its length is known.
    left: Option<u64>,
    image: Box<dyn Read + Send>,
    tail: Cursor<Vec<u8>>,
    /// Why the image could not be read to its end.
    error: Option<io::Error>,
}

impl Form {
    /// A form of these fields followed by the image, so that the server can check the fields before the image arrives.
    pub(crate) fn new(fields: &[(&str, String)], source: Source) -> Self {
        let boundary = format!("tilemill-{}", Uuid::new_v4().simple());
        let text = |(name, value): &(&str, String)| opening(&boundary, name, "") + value + "\r\n";
        let image = format!("; filename=\"{}\"\r\nContent-Type: {ANY}", quoted(&source.name));
        let head =
            fields.iter().map(text).collect::<String>() + &opening(&boundary, "image", &image);
        let tail = format!("\r\n--{boundary}--\r\n");
        let around = (head.len() + tail.len()) as u64;
        Self {
            boundary,
            head: Cursor::new(head.into_bytes()),
            length: source.length.map(|length| length + around),
            left: source.length,
            image: source.reader,
            tail: Cursor::new(tail.into_bytes()),
            error: None,
        }
    }

    pub(super) fn content_type(&self) -> String {
        format!("multipart/form-data; boundary={}", self.boundary)
    }

    /// The length of the whole form in bytes, if that of the image is known.
    pub(super) fn length(&self) -> Option<u64> {
        self.length
    }

    /// Why the image could not be read, if that is what ended the upload.
    pub(super) fn source_error(&mut self) -> Option<io::Error> {
        self.error.take()
    }

    fn read_image(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(left) = self.left else {
            return self.image.read(buffer);
        };
        // At most what was announced, even if the file grows meanwhile.
        let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.image.read(&mut buffer[..wanted])?;
        if read == 0 && wanted > 0 {
            let what = "it has become shorter while it was read";
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, what));
        }
        self.left = Some(left - read as u64);
        Ok(read)
    }
}

impl Read for Form {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let head = self.head.read(buffer)?;
        if head > 0 {
            return Ok(head);
        }
        match self.read_image(buffer) {
            Ok(0) => self.tail.read(buffer),
            Ok(read) => Ok(read),
            Err(error) => {
                let copy = io::Error::new(error.kind(), "the image cannot be read");
                self.error = Some(error);
                Err(copy)
            }
        }
    }
}

/// The boundary and headers before a field's value; `more` is the rest of its headers.
fn opening(boundary: &str, name: &str, more: &str) -> String {
    format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"{more}\r\n\r\n")
}

/// A file name escaped for quotation marks, as browsers do it.
fn quoted(name: &str) -> String {
    name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::{Form, Source};

    fn form(length: Option<u64>) -> Form {
        let reader = Box::new(&b"pixels"[..]);
        Form::new(&[("filters", "blur".into())], Source { name: "a\".png".into(), length, reader })
    }

    #[test]
    fn a_form_is_as_long_as_it_says() {
        let mut form = form(Some(6));
        let length = form.length().unwrap();
        let mut text = String::new();
        form.read_to_string(&mut text).unwrap();
        assert_eq!(text.len() as u64, length);
        assert!(text.contains("name=\"filters\"\r\n\r\nblur\r\n"), "{text}");
        assert!(text.contains("filename=\"a%22.png\""), "{text}");
        assert!(text.contains("\r\n\r\npixels\r\n--tilemill-"), "{text}");
    }

    #[test]
    fn an_image_that_shrinks_is_an_error_and_one_that_grows_is_cut() {
        let mut shrunk = form(Some(7));
        assert!(shrunk.read_to_string(&mut String::new()).is_err());
        assert!(shrunk.source_error().is_some_and(|error| error.to_string().contains("shorter")));
        let mut text = String::new();
        form(Some(3)).read_to_string(&mut text).unwrap();
        assert!(text.contains("\r\n\r\npix\r\n--"), "{text}");
    }

    #[test]
    fn an_image_of_unknown_length_is_read_to_its_end() {
        let mut form = form(None);
        let mut text = String::new();
        form.read_to_string(&mut text).unwrap();
        assert_eq!(form.length(), None);
        assert!(text.contains("pixels"), "{text}");
    }
}
