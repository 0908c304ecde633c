//! One animation in every format that has them, beside its frames as a simple painter shows them: it keeps every step.

use std::io::Cursor;

use super::apng::chunk;
use super::frames::{Blend, Disposal, Frame};
use super::{Colours, DecodeError, Limits, open_page, probe_page};
use crate::grid::{Region, Size};
use crate::pixels::{Pixels, SampleType};
use crate::source::{MemoryRaster, Raster};

use Blend::{Over, Replace};
use Disposal::{Clear, Keep, Restore};

const IMAGE: Size = Size { width: 12, height: 9 };

/// The colours of a pixel; the first one is transparent.
const COLOURS: [[u8; 4]; 4] = [[0; 4], [250, 10, 20, 255], [30, 240, 40, 255], [5, 60, 230, 255]];

const FRAMES: [(Region, Disposal, Blend); 9] = [
    (Region { x: 0, y: 0, width: 12, height: 9 }, Keep, Over),
    (Region { x: 2, y: 2, width: 5, height: 4 }, Restore, Over),
    (Region { x: 4, y: 0, width: 8, height: 9 }, Clear, Over),
    (Region { x: 0, y: 4, width: 7, height: 5 }, Keep, Replace),
    (Region { x: 6, y: 2, width: 1, height: 1 }, Keep, Over),
    (Region { x: 0, y: 0, width: 12, height: 9 }, Keep, Replace),
    (Region { x: 2, y: 0, width: 9, height: 8 }, Clear, Replace),
    (Region { x: 0, y: 0, width: 12, height: 2 }, Restore, Over),
    (Region { x: 10, y: 4, width: 2, height: 5 }, Keep, Over),
];

/// The number of the colour of a pixel of a frame.
fn index(frame: usize, x: u32, y: u32, blend: Blend) -> u8 {
    let mixed = (x * 7 + y * 5 + u32::try_from(frame).unwrap() * 3) / 4 % 4;
    let index = u8::try_from(mixed).unwrap();
    // GIF cannot put transparent pixels in place of others.
    if blend == Replace { index.max(1) } else { index }
}

fn indexes(number: usize, frame: &Frame) -> Vec<u8> {
    let Region { width, height, .. } = frame.region;
    let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    pixels.map(|(x, y)| index(number, x, y, frame.blend)).collect()
}

fn rgba(number: usize, frame: &Frame) -> Vec<u8> {
    indexes(number, frame).iter().flat_map(|index| COLOURS[usize::from(*index)]).collect()
}

fn frames() -> Vec<Frame> {
    FRAMES.map(|(region, disposal, blend)| Frame { region, disposal, blend }).to_vec()
}

/// What a viewer shows at a frame, in bytes of RGBA.
fn painted(frames: &[Frame], page: usize) -> Vec<u8> {
    let mut image = vec![[0; 4]; IMAGE.pixels().try_into().unwrap()];
    for (number, frame) in frames[..=page].iter().enumerate() {
        let before = image.clone();
        let Region { x, y, width, .. } = frame.region;
        let places: Vec<usize> = (frame.region.rows())
            .flat_map(|y| frame.region.columns().map(move |x| (y * IMAGE.width + x) as usize))
            .collect();
        let colours = rgba(number, frame);
        for (place, colour) in places.iter().zip(colours.as_chunks::<4>().0) {
            if frame.blend == Replace || colour[3] > 0 {
                image[*place] = *colour;
            }
        }
        assert!(x + width <= IMAGE.width && y < IMAGE.height);
        match frame.disposal {
            _ if number == page => {}
            Keep => {}
            Clear => places.iter().for_each(|place| image[*place] = [0; 4]),
            Restore => image = before,
        }
    }
    image.concat()
}

fn gif(frames: &[Frame]) -> Vec<u8> {
    let mut file = Vec::new();
    let palette: Vec<u8> = COLOURS.iter().flat_map(|colour| &colour[..3]).copied().collect();
    let side = |side: u32| u16::try_from(side).unwrap();
    let (width, height) = (side(IMAGE.width), side(IMAGE.height));
    let mut encoder = gif::Encoder::new(&mut file, width, height, &palette).unwrap();
    for (number, frame) in frames.iter().enumerate() {
        let Region { x, y, width, height } = frame.region;
        let dispose = match frame.disposal {
            Keep => gif::DisposalMethod::Keep,
            Clear => gif::DisposalMethod::Background,
            Restore => gif::DisposalMethod::Previous,
        };
        let transparent = (frame.blend == Over).then_some(0);
        let [left, top, width, height] = [x, y, width, height].map(side);
        let buffer = indexes(number, frame).into();
        let more = gif::Frame::default();
        let frame = gif::Frame { left, top, width, height, dispose, transparent, buffer, ..more };
        encoder.write_frame(&frame).unwrap();
    }
    drop(encoder);
    file
}

fn three(number: u32) -> [u8; 3] {
    let [low, middle, high, _] = number.to_le_bytes();
    [low, middle, high]
}

fn riff_chunk(name: &[u8], data: &[u8]) -> Vec<u8> {
    let length = u32::try_from(data.len()).unwrap().to_le_bytes();
    [name, &length, data, &[0][..data.len() % 2]].concat()
}

fn webp(frames: &[Frame]) -> Vec<u8> {
    let sides = |Size { width, height }: Size| [three(width - 1), three(height - 1)].concat();
    let header = riff_chunk(b"VP8X", &[&[0x12, 0, 0, 0][..], &sides(IMAGE)].concat());
    let mut body = [&b"WEBP"[..], &header, &riff_chunk(b"ANIM", &[9; 6])].concat();
    for (number, frame) in frames.iter().enumerate() {
        let Region { x, y, width, height } = frame.region;
        let mut still = Vec::new();
        let encoder = image_webp::WebPEncoder::new(&mut still);
        let colours = image_webp::ColorType::Rgba8;
        encoder.encode(&rgba(number, frame), width, height, colours).unwrap();
        let flags = u8::from(frame.disposal == Clear) | u8::from(frame.blend == Replace) << 1;
        let place = [three(x / 2), three(y / 2)].concat();
        let data =
            [&place[..], &sides(frame.region.size()), &[100, 0, 0, flags], &still[12..]].concat();
        body.extend(riff_chunk(b"ANMF", &data));
    }
    riff_chunk(b"RIFF", &body)
}

fn packed(number: usize, frame: &Frame, wide: bool) -> Vec<u8> {
    let row = frame.region.width as usize * 4;
    let samples = rgba(number, frame);
    let rows = samples.chunks(row).map(|row| {
        let row = row.iter().flat_map(|byte| vec![*byte; if wide { 2 } else { 1 }]);
        [vec![0], row.collect()].concat()
    });
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut zlib, &rows.collect::<Vec<_>>().concat()).unwrap();
    zlib.finish().unwrap()
}

fn control(frame: &Frame) -> Vec<u8> {
    let Region { x, y, width, height } = frame.region;
    let numbers = [0, width, height, x, y].map(u32::to_be_bytes).concat();
    let dispose = match frame.disposal {
        Keep => 0,
        Clear => 1,
        Restore => 2,
    };
    let data = [&numbers[..], &[0, 1, 0, 10, dispose, u8::from(frame.blend == Over)]].concat();
    chunk(*b"fcTL", &data)
}

/// An animated PNG; its image is the first frame, or is no frame.
fn png(frames: &[Frame], wide: bool, is_frame: bool) -> Vec<u8> {
    let sides = [IMAGE.width, IMAGE.height].map(u32::to_be_bytes).concat();
    let depth = if wide { 16 } else { 8 };
    let count = u32::try_from(frames.len()).unwrap().to_be_bytes();
    let mut file = [
        &b"\x89PNG\r\n\x1a\n"[..],
        &chunk(*b"IHDR", &[&sides[..], &[depth, 6, 0, 0, 0]].concat()),
        &chunk(*b"acTL", &[&count[..], &[0; 4]].concat()),
    ]
    .concat();
    if !is_frame {
        file.extend(chunk(*b"IDAT", &packed(1, &frames[0], wide)));
    }
    for (number, frame) in frames.iter().enumerate() {
        file.extend(control(frame));
        let data = packed(number, frame, wide);
        let (first, second) = data.split_at(data.len() / 2);
        for part in [first, second] {
            if number == 0 && is_frame {
                file.extend(chunk(*b"IDAT", part));
            } else {
                file.extend(chunk(*b"fdAT", &[&[0; 4][..], part].concat()));
                file.extend(chunk(*b"tEXt", b"between"));
            }
        }
    }
    file.extend(chunk(*b"IEND", &[]));
    file
}

fn shown(file: &[u8], page: u32) -> Result<Pixels, DecodeError> {
    let image = open_page(Cursor::new(file), &Limits::NONE, Some(page))?;
    let raster = MemoryRaster::new(image.header().stored_size(), image.header().format);
    image.read(Colours::All, &mut &raster)?;
    Ok(raster.crop(Region::of(raster.size())).unwrap())
}

#[test]
fn a_frame_is_shown_over_what_those_before_it_leave() {
    let all = frames();
    // WebP does not restore.
    let kept = |frame: &Frame| Frame {
        disposal: if frame.disposal == Restore { Keep } else { frame.disposal },
        ..*frame
    };
    let kept: Vec<Frame> = all.iter().map(kept).collect();
    for (name, file, frames) in [
        ("GIF", gif(&all), &all),
        ("WebP", webp(&kept), &kept),
        ("PNG", png(&all, false, true), &all),
        ("PNG of 16 bits", png(&all, true, true), &all),
        ("PNG whose image is no frame", png(&all, false, false), &all),
    ] {
        for page in 0..frames.len() {
            let given = shown(&file, u32::try_from(page).unwrap()).unwrap();
            let mut expected = painted(frames, page);
            if given.format().sample == SampleType::U16 {
                expected = expected.iter().flat_map(|byte| [*byte; 2]).collect();
            }
            assert!(given.as_bytes() == expected, "{name}, frame {page}");
        }
        let told = shown(&file, 9).unwrap_err().to_string();
        assert_eq!(told, "there is no page 9; the last page of the file is 8, counted from 0");
        let told = probe_page(Cursor::new(&file), &Limits::NONE, None).unwrap_err().to_string();
        assert!(told.contains("an animation of 9 frames cannot be processed; `page`"), "{told}");
    }
}

#[test]
fn memory_and_work_are_limited_by_the_header() {
    let all = frames();
    for file in [gif(&all), webp(&all), png(&all, false, true), png(&all, true, true)] {
        let header = |page, limits| probe_page(Cursor::new(&file), &limits, Some(page));
        let told = header(8, Limits::NONE).unwrap();
        let image = u64::try_from(told.format.bytes(IMAGE)).unwrap();
        // The largest frame is as large as the image.
        assert!(told.memory >= 2 * image, "{}", told.memory);
        let max_bytes = told.memory - 1;
        assert!(header(8, Limits { max_bytes, ..Limits::NONE }).is_err());
        // Frame 5 hides all that was before it.
        assert!(header(5, Limits { max_pixels: IMAGE.pixels(), ..Limits::NONE }).is_ok());
        assert!(header(6, Limits { max_pixels: IMAGE.pixels(), ..Limits::NONE }).is_err());
    }
}

#[test]
fn a_file_cut_short_shows_the_frames_that_it_has() {
    let all = frames();
    for (name, file) in [("GIF", gif(&all)), ("PNG", png(&all, false, true))] {
        let cut = &file[..file.len() * 3 / 5];
        assert!(shown(cut, 0).unwrap().as_bytes() == painted(&all, 0), "{name}");
        assert!(shown(cut, 8).is_err(), "{name}");
    }
    let webp = webp(&all);
    let told = shown(&webp[..webp.len() - 9], 0).unwrap_err();
    assert!(matches!(told, DecodeError::Damaged { .. }), "{told}");
}

#[test]
fn frames_that_contradict_the_image_are_damage() {
    let outside = Frame { region: Region { x: 2, ..Region::of(IMAGE) }, ..frames()[0] };
    for file in [webp(&[frames()[0], outside]), png(&[frames()[0], outside], false, true)] {
        let told = shown(&file, 1).unwrap_err();
        assert!(matches!(told, DecodeError::Damaged { .. }), "{told}");
    }
    // In a GIF such a frame is cut off.
    let pixels = shown(&gif(&[frames()[0], outside]), 1).unwrap();
    assert_eq!(pixels.size(), IMAGE);
    let mut file = png(&frames(), false, true);
    let place = file.windows(4).rposition(|name| name == b"fdAT").unwrap() + 10;
    file[place] ^= 1;
    let told = shown(&file, 8).unwrap_err();
    assert!(matches!(told, DecodeError::Damaged { .. }), "{told}");
    assert!(shown(&file, 7).is_ok());
}
