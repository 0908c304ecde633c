//! Finds the directory of a TIFF file that holds its picture, among pages, smaller copies of them, masks, and previews
//! of raw files, which point to their picture.

use super::super::container::Container;
use super::super::error::DecodeError;
use super::broken;
use super::directory::{Directory, Tiff};
use super::picture;

/// The most directories that are counted, so that a file of nothing but directories costs little.
const MOST_DIRECTORIES: usize = 100;

const NEW_SUBFILE_TYPE: u16 = 254;
const SUBFILE_TYPE: u16 = 255;
const IMAGE_DESCRIPTION: u16 = 270;
const SUB_IFDS: u16 = 330;

/// Bits of `NewSubfileType` (TIFF 6.0): a smaller copy of another image of the file, and a mask of one.
const REDUCED: u64 = 1;
const MASK: u64 = 4;

/// The value of `SubfileType` for a smaller copy.
const OLD_REDUCED: u64 = 2;

/// Photometric interpretations of raw files (DNG 1.7): a colour filter array, and an image made from one.
const RAW: [u64; 2] = [32_803, 34_892];

/// Bytes of a description that are looked at; that of `ImageJ` has the number of images in its first lines.
const LONGEST_DESCRIPTION: u64 = 1024;

/// The directory of the picture, and the first one of the file, which may have more tags for it.
pub(super) struct Found {
    pub(super) picture: Directory,
    first: Option<Directory>,
}

impl Found {
    /// The directory that holds a tag: the first one of the file if that of the picture lacks it.
    pub(super) fn holder(&self, tag: u16) -> &Directory {
        match &self.first {
            Some(first) if !self.picture.has(tag) => first,
            _ => &self.picture,
        }
    }
}

/// The role of a directory's image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Picture,
    Reduced,
    Mask,
}

/// A directory that may be a page.
struct Page {
    at: u64,
    pixels: u64,
    is_raw: bool,
}

/// The only picture of a file; fails with the number of pages if there are more.
pub(super) fn find(tiff: &mut Tiff<'_>) -> Result<Found, DecodeError> {
    if tiff.is_cr2 {
        return Err(raw());
    }
    let first = tiff.first;
    let mut walk = Walk { tiff, seen: Vec::new(), masks: 0 };
    let pages = walk.chain(first).map_err(broken)?;
    let (masks, is_cut) = (walk.masks, walk.seen.len() == MOST_DIRECTORIES);
    if pages.iter().any(|page| page.is_raw) {
        return Err(raw());
    }
    if pages.len() > 1 {
        return Err(several(pages.len() as u64, is_cut));
    }
    if masks > 0 && !pages.is_empty() {
        let remedy = "save it with the mask as its alpha, or without a mask, as `gdal_translate -mask none` does";
        return Err(DecodeError::unsupported(Container::Tiff, "a mask", remedy));
    }
    // In a file of nothing but smaller copies, the first one is the picture.
    let place = pages.first().map_or(first, |page| page.at);
    let picture = tiff.directory(place).map_err(broken)?;
    let planes = planes_of_imagej(tiff, &picture).map_err(broken)?;
    if planes > 1 {
        return Err(several(planes, false));
    }
    let first = if place == first { None } else { Some(tiff.directory(first).map_err(broken)?) };
    Ok(Found { picture, first })
}

/// The refusal of a raw file.
pub(super) fn raw() -> DecodeError {
    let remedy = "develop it and save it as TIFF or JPEG";
    DecodeError::unsupported(Container::Tiff, "a raw picture of a camera", remedy)
}

fn several(pages: u64, is_cut: bool) -> DecodeError {
    let more = if is_cut { " or more" } else { "" };
    let remedy = "save the page you want as a separate file";
    DecodeError::unsupported(Container::Tiff, &format!("{pages}{more} pages"), remedy)
}

/// The number of images that `ImageJ` declares to have written one after another; only the first has a directory.
fn planes_of_imagej(tiff: &mut Tiff<'_>, picture: &Directory) -> std::io::Result<u64> {
    let text = tiff.text(picture, IMAGE_DESCRIPTION, LONGEST_DESCRIPTION)?.unwrap_or_default();
    if !text.starts_with("ImageJ=") {
        return Ok(1);
    }
    let told = text.lines().find_map(|line| line.strip_prefix("images="));
    Ok(told.and_then(|told| told.trim().parse().ok()).unwrap_or(1))
}

/// A walk from directory to directory that visits none twice.
struct Walk<'a, 'r> {
    tiff: &'a mut Tiff<'r>,
    seen: Vec<u64>,
    masks: usize,
}

impl Walk<'_, '_> {
    /// The pages of a chain that begins at `at`. The whole chain is visited before the directories that it points to,
    /// so that no page counts as a part of another.
    fn chain(&mut self, mut at: u64) -> std::io::Result<Vec<Page>> {
        let mut directories = Vec::new();
        while at != 0 && self.seen.len() < MOST_DIRECTORIES && !self.seen.contains(&at) {
            self.seen.push(at);
            let directory = self.tiff.directory(at)?;
            let next = directory.next;
            directories.push((at, directory));
            at = next;
        }
        let mut pages = Vec::new();
        for (at, directory) in &directories {
            self.pages(*at, directory, &mut pages)?;
        }
        Ok(pages)
    }

    /// Adds the pages of the directory at `at`. If it is a picture, the directories that it points to are parts or
    /// copies of it, unless one of them is larger: then it is itself a copy of that one.
    fn pages(
        &mut self,
        at: u64,
        directory: &Directory,
        pages: &mut Vec<Page>,
    ) -> std::io::Result<()> {
        let role = self.role(directory)?;
        let page = self.page(at, directory)?;
        let masks = self.masks;
        let children = self.children(directory);
        if role != Role::Picture {
            self.masks += usize::from(role == Role::Mask);
            pages.extend(children?);
            return Ok(());
        }
        self.masks = masks;
        let mut larger = children.unwrap_or_default();
        larger.retain(|child| child.pixels > page.pixels);
        pages.extend(if larger.is_empty() { vec![page] } else { larger });
        Ok(())
    }

    fn children(&mut self, directory: &Directory) -> std::io::Result<Vec<Page>> {
        let most = MOST_DIRECTORIES as u64;
        let places = self.tiff.numbers(directory, SUB_IFDS, most)?.unwrap_or_default();
        let mut pages = Vec::new();
        for place in places {
            pages.extend(self.chain(place)?);
        }
        Ok(pages)
    }

    fn role(&mut self, directory: &Directory) -> std::io::Result<Role> {
        let kind = self.tiff.number(directory, NEW_SUBFILE_TYPE)?.unwrap_or(0);
        let old = self.tiff.number(directory, SUBFILE_TYPE)?;
        Ok(if kind & REDUCED != 0 || old == Some(OLD_REDUCED) {
            Role::Reduced
        } else if kind & MASK != 0 {
            Role::Mask
        } else {
            Role::Picture
        })
    }

    fn page(&mut self, at: u64, directory: &Directory) -> std::io::Result<Page> {
        let mut number =
            |tag| Ok::<_, std::io::Error>(self.tiff.number(directory, tag)?.unwrap_or(0));
        let pixels = number(picture::WIDTH)?.saturating_mul(number(picture::HEIGHT)?);
        let is_raw = RAW.contains(&number(picture::PHOTOMETRIC)?);
        Ok(Page { at, pixels, is_raw })
    }
}
