//! How the components of a JPEG 2000 codestream are coded, as far as the memory for it depends on that.

use std::io::{self, BufRead};

use super::outline::{TileGrid, array, damaged, short};
use crate::grid::Size;

/// Bytes that the library holds for a code-block, for each of its layers and passes, for a precinct and for a tile
/// component, by the size of its types, with room for vectors that grow.
const CODE_BLOCK: u64 = 2 * (72 + 3 * 32);
const LAYER: u64 = 2 * 24;
const SEGMENT: u64 = 2 * 40;
const PRECINCT: u64 = 2 * (96 + 2 * 32);
const TILE_COMPONENT: u64 = 2 * 320;

/// The most coding passes of a code-block: three for each of 38 bit-planes.
const MOST_PASSES: u64 = 3 * 38;

/// Bits of the style of code-blocks for data that are cut into segments in a code-block.
const MANY_SEGMENTS: u8 = 0b101;

/// The coding of all components.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Coding {
    /// How far apart the samples of each component lie, across and down.
    steps: Vec<[u8; 2]>,
    layers: u16,
    styles: Vec<Style>,
}

/// The coding of one component.
#[derive(Clone, Debug, PartialEq)]
struct Style {
    levels: u8,
    /// Exponents of the width and the height of a code-block.
    block: [u8; 2],
    flags: u8,
    /// Exponents of the precincts of each resolution, the lowest first; if there are none, all are of 2¹⁵.
    precincts: Vec<[u8; 2]>,
}

impl Coding {
    pub(super) fn new(steps: Vec<[u8; 2]>) -> Coding {
        Coding { steps, layers: 1, styles: Vec::new() }
    }

    /// Whether the second and the third of three components have fewer samples than the first: the library takes these
    /// for YCbCr in a codestream that says nothing of its colours.
    pub(super) fn has_less_chroma(&self) -> bool {
        let [luma, blue, red] = self.steps[..] else { return false };
        blue == red && blue != luma && blue[0] >= luma[0] && blue[1] >= luma[1]
    }

    /// Reads the segment that holds for all components.
    pub(super) fn read_default(&mut self, segment: &mut impl BufRead) -> io::Result<()> {
        let [flags, _order] = array(segment)?;
        self.layers = short(segment)?.max(1);
        let [_transform] = array(segment)?;
        self.styles.push(Style::read(segment, flags)?);
        Ok(())
    }

    /// Reads the segment of one component, whose number has two bytes if it `is_wide`.
    pub(super) fn read_component(
        &mut self,
        segment: &mut impl BufRead,
        is_wide: bool,
    ) -> io::Result<()> {
        if is_wide {
            short(segment)?;
        } else {
            let [_number] = array(segment)?;
        }
        let [flags] = array(segment)?;
        self.styles.push(Style::read(segment, flags)?);
        Ok(())
    }

    /// The most bytes that the library takes for the tiles of an image, beside its channels. Each component is assumed
    /// to be coded in the way of all that takes most.
    pub(super) fn memory(&self, grid: TileGrid) -> u64 {
        let components = self.steps.len() as u64;
        let all = grid.tiles.saturating_mul(components).saturating_mul(TILE_COMPONENT);
        let sizes = self.steps.iter().map(|[across, down]| {
            let part = |side: u32, step: u8| side.div_ceil(step.into()) + 1;
            Size::new(part(grid.tile.width, *across), part(grid.tile.height, *down))
        });
        // Coefficients, and two buffers of the wavelet transform.
        let floats = sizes.clone().map(|size| size.pixels() * 4 * 3).max().unwrap_or(0);
        let parts = sizes.map(|size| {
            self.styles.iter().map(|style| style.memory(size, self.layers)).max().unwrap_or(0)
        });
        parts.fold(all.saturating_add(floats), u64::saturating_add)
    }
}

impl Style {
    fn read(segment: &mut impl BufRead, flags: u8) -> io::Result<Style> {
        let [levels, width, height, style, _transform] = array(segment)?;
        if levels > 32 || width > 8 || height > 8 {
            return Err(damaged("its coding is none of the standard"));
        }
        let mut precincts = Vec::new();
        if flags & 1 != 0 {
            for _ in 0..=levels {
                let [sides] = array(segment)?;
                precincts.push([sides & 15, sides >> 4]);
            }
        }
        Ok(Style { levels, block: [width + 2, height + 2], flags: style, precincts })
    }

    /// Bytes for the code-blocks and precincts of a tile component of this size.
    fn memory(&self, size: Size, layers: u16) -> u64 {
        let passes = if self.flags & MANY_SEGMENTS == 0 { 0 } else { MOST_PASSES };
        let segments = u64::from(layers) + passes;
        let block = CODE_BLOCK + u64::from(layers) * LAYER + segments * SEGMENT;
        (0..=self.levels).fold(0, |sum: u64, resolution| {
            let shift = u32::from(self.levels - resolution);
            let side = |side: u32| (u64::from(side) >> shift) + 1;
            let [across, down] = self.precincts.get(usize::from(resolution)).unwrap_or(&[15, 15]);
            // One more than fit, since neither begins where the other does. Three sub-bands share a resolution.
            let fit = |side: u64, exponent: u8| (side >> exponent) + 2;
            let precincts = fit(side(size.width), *across) * fit(side(size.height), *down) * 3;
            let [wide, high] = [self.block[0].min(*across), self.block[1].min(*down)];
            let blocks = fit(side(size.width), wide) * fit(side(size.height), high) * 3;
            let taken =
                precincts.saturating_mul(PRECINCT).saturating_add(blocks.saturating_mul(block));
            sum.saturating_add(taken)
        })
    }
}
