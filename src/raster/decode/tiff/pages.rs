//! Finds the directory of a TIFF file that holds its picture or a page, among pages, smaller copies of them, masks, and previews
//! of raw files, which point to their picture.

use std::collections::HashSet;

use super::super::container::Container;
use super::super::error::DecodeError;
use super::broken;
use super::directory::{Directory, Tiff};
use super::picture;

/// The most pages that can be chosen among.
const MOST_PAGES: usize = 65_536;

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
    /// The directory of a mask of the picture.
    pub(super) mask: Option<Directory>,
    /// The picture's number among those that lie one behind the other at the places of one directory.
    pub(super) plane: u32,
    /// Notes for the owner of the file.
    pub(super) notes: Vec<String>,
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

/// A page of a file, or its picture: the first page that is no smaller copy and no mask.
pub(super) fn find(tiff: &mut Tiff<'_>, page: Option<u32>) -> Result<Found, DecodeError> {
    if tiff.is_cr2 {
        return Err(raw());
    }
    match page {
        Some(page) => chosen(tiff, page),
        None => first_picture(tiff),
    }
}

fn first_picture(tiff: &mut Tiff<'_>) -> Result<Found, DecodeError> {
    let first = tiff.first;
    let mut walk = Walk { tiff, seen: Vec::new(), masks: Vec::new() };
    let pages = walk.chain(first).map_err(broken)?;
    let (masks, is_cut) = (std::mem::take(&mut walk.masks), walk.seen.len() == MOST_DIRECTORIES);
    if pages.iter().any(|page| page.is_raw) {
        return Err(raw());
    }
    // In a file of nothing but smaller copies, the first one is the picture.
    let place = pages.first().map_or(first, |page| page.at);
    let picture = tiff.directory(place).map_err(broken)?;
    let planes = planes_of_imagej(tiff, &picture).map_err(broken)?;
    let there = if pages.len() > 1 { pages.len() as u64 } else { planes.into() };
    let notes = (there > 1).then(|| first_of(there, is_cut)).into_iter().collect();
    let own: Vec<u64> =
        masks.iter().filter(|(before, _)| *before == 1).map(|(_, at)| *at).collect();
    let mask = mask_of(tiff, &picture, &own).map_err(broken)?;
    let first = if place == first { None } else { Some(tiff.directory(first).map_err(broken)?) };
    Ok(Found { picture, first, mask, plane: 0, notes })
}

/// The page of this number, counted from 0.
fn chosen(tiff: &mut Tiff<'_>, page: u32) -> Result<Found, DecodeError> {
    let mut directories = Directories { at: tiff.first, seen: HashSet::new() };
    let (mut first, mut picture, mut count) = (None, Directory::default(), 0);
    while count <= page
        && let Some((_, directory)) = directories.next(tiff).map_err(broken)?
    {
        let before = std::mem::replace(&mut picture, directory);
        first = if count == 1 { Some(before) } else { first };
        count += 1;
    }
    let planes = match count {
        1 => planes_of_imagej(tiff, &picture).map_err(broken)?,
        _ => 1,
    };
    let there = count.max(planes);
    if page >= there {
        return Err(DecodeError::NoPage { page, last: there.saturating_sub(1) });
    }
    let plane = if planes > 1 { page } else { 0 };
    let mut masks = Vec::new();
    while let Some((at, directory)) = directories.next(tiff).map_err(broken)? {
        match role(tiff, &directory).map_err(broken)? {
            Role::Picture => break,
            Role::Mask => masks.push(at),
            Role::Reduced => {}
        }
    }
    let mask = mask_of(tiff, &picture, &masks).map_err(broken)?;
    Ok(Found { picture, first, mask, plane, notes: Vec::new() })
}

/// The directories of a file, each of which tells the next one.
struct Directories {
    at: u64,
    seen: HashSet<u64>,
}

impl Directories {
    /// The next directory and its offset; none behind [`MOST_PAGES`], or where the chain comes back to itself.
    fn next(&mut self, tiff: &mut Tiff<'_>) -> std::io::Result<Option<(u64, Directory)>> {
        let at = self.at;
        if at == 0 || self.seen.len() == MOST_PAGES || !self.seen.insert(at) {
            return Ok(None);
        }
        let directory = tiff.directory(at)?;
        self.at = directory.next;
        Ok(Some((at, directory)))
    }
}

/// The first of some masks that is one of the picture: it has as many pixels.
fn mask_of(
    tiff: &mut Tiff<'_>,
    picture: &Directory,
    masks: &[u64],
) -> std::io::Result<Option<Directory>> {
    let own = sides(tiff, picture)?;
    for place in masks {
        let directory = tiff.directory(*place)?;
        let kind = tiff.number(&directory, NEW_SUBFILE_TYPE)?.unwrap_or(0);
        if kind & MASK != 0 && kind & REDUCED == 0 && sides(tiff, &directory)? == own {
            return Ok(Some(directory));
        }
    }
    Ok(None)
}

fn sides(tiff: &mut Tiff<'_>, directory: &Directory) -> std::io::Result<[Option<u64>; 2]> {
    Ok([tiff.number(directory, picture::WIDTH)?, tiff.number(directory, picture::HEIGHT)?])
}

/// The note of a file from which the first of several pages is taken.
fn first_of(pages: u64, is_cut: bool) -> String {
    let more = if is_cut { " or more" } else { "" };
    format!(
        "the first of {pages}{more} pages was taken; `page` chooses another one, counted from 0"
    )
}

/// The refusal of a raw file.
pub(super) fn raw() -> DecodeError {
    let remedy = "develop it and save it as TIFF or JPEG";
    DecodeError::unsupported(Container::Tiff, "a raw picture of a camera", remedy)
}

/// The number of images that `ImageJ` declares to have written one after another; only the first has a directory.
fn planes_of_imagej(tiff: &mut Tiff<'_>, picture: &Directory) -> std::io::Result<u32> {
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
    /// Of each mask that belongs to no copy, the number of pages before it, and its offset.
    masks: Vec<(usize, u64)>,
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
        let role = role(self.tiff, directory)?;
        let page = self.page(at, directory)?;
        let masks = self.masks.len();
        let children = self.children(directory);
        if role != Role::Picture {
            self.masks.extend((role == Role::Mask).then_some((pages.len(), at)));
            pages.extend(children?);
            return Ok(());
        }
        self.masks.truncate(masks);
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

    fn page(&mut self, at: u64, directory: &Directory) -> std::io::Result<Page> {
        let mut number =
            |tag| Ok::<_, std::io::Error>(self.tiff.number(directory, tag)?.unwrap_or(0));
        let pixels = number(picture::WIDTH)?.saturating_mul(number(picture::HEIGHT)?);
        let is_raw = RAW.contains(&number(picture::PHOTOMETRIC)?);
        Ok(Page { at, pixels, is_raw })
    }
}

fn role(tiff: &mut Tiff<'_>, directory: &Directory) -> std::io::Result<Role> {
    let kind = tiff.number(directory, NEW_SUBFILE_TYPE)?.unwrap_or(0);
    let old = tiff.number(directory, SUBFILE_TYPE)?;
    Ok(if kind & REDUCED != 0 || old == Some(OLD_REDUCED) {
        Role::Reduced
    } else if kind & MASK != 0 {
        Role::Mask
    } else {
        Role::Picture
    })
}
