//! Builds profiles for colours that a file describes without one: ICC.1:2010 (version 4.3), of curves and a matrix,
//! without a date, so that equal input gives equal bytes.

use super::connection::WHITE;

type Matrix = [[f64; 3]; 3];

/// From XYZ to the cone responses in which white is adapted (Bradford; ICC.1:2010, annex E).
const BRADFORD: Matrix =
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]];

/// Length of the header; the tag count and the tags follow.
const HEADER: usize = 128;

/// The curve from a value to its light, both from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Curve {
    /// A power.
    Power(f64),
    /// (a x + b)^g from d on, c x below: g, a, b, c, d.
    Shape([f64; 5]),
}

impl Curve {
    /// The inverse of a camera's curve: `scale` × light^`exponent` - (`scale` - 1) from light `edge` on, and
    /// `slope` × light below.
    pub(super) fn inverse(scale: f64, exponent: f64, slope: f64, edge: f64) -> Curve {
        Curve::Shape([
            1.0 / exponent,
            1.0 / scale,
            (scale - 1.0) / scale,
            1.0 / slope,
            slope * edge,
        ])
    }

    /// The curve of sRGB (IEC 61966-2-1).
    pub(crate) fn srgb() -> Curve {
        Curve::Shape([2.4, 1.0 / 1.055, 0.055 / 1.055, 1.0 / 12.92, 0.04045])
    }

    /// The data of the tag; `None` if a number does not fit.
    fn tag(self) -> Option<Vec<u8>> {
        let (kind, numbers) = match &self {
            Curve::Power(power) => (0, std::slice::from_ref(power)),
            Curve::Shape(numbers) => (3, &numbers[..]),
        };
        let head = [&b"para\0\0\0\0\0"[..], &[kind, 0, 0]].concat();
        Some([head, fixed(numbers)?].concat())
    }
}

/// Red, green, blue and white as x, y and z. Only their proportions matter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Primaries {
    pub(crate) colours: [[f64; 3]; 3],
    pub(crate) white: [f64; 3],
}

impl Primaries {
    /// From x and y of red, green, blue and white.
    pub(crate) fn of(places: [[f64; 2]; 4]) -> Primaries {
        let [red, green, blue, white] = places.map(|[x, y]| [x, y, 1.0 - x - y]);
        Primaries { colours: [red, green, blue], white }
    }

    /// The primaries of sRGB, which BT.709 shares.
    pub(crate) fn srgb() -> Primaries {
        Primaries::of([[0.64, 0.33], [0.30, 0.60], [0.15, 0.06], [0.3127, 0.3290]])
    }

    /// The matrix from linear light to XYZ under D50, and the one from XYZ under this white to XYZ under D50; `None`
    /// if the colours span no space.
    fn matrices(self) -> Option<(Matrix, Matrix)> {
        let white = self.white.map(|part| part / self.white[1]);
        let columns = transposed(self.colours);
        let amounts = times(inverse(columns)?, white);
        let light = columns.map(|row| [0, 1, 2].map(|column| row[column] * amounts[column]));
        let (from, to) = (times(BRADFORD, white), times(BRADFORD, WHITE));
        let scaled = [0, 1, 2].map(|row| BRADFORD[row].map(|part| part * to[row] / from[row]));
        let adapted = product(inverse(BRADFORD)?, scaled);
        Some((product(adapted, light), adapted))
    }
}

/// A profile for red, green and blue of these primaries and curves; `None` if a number does not fit, or the
/// colours span no space.
pub(crate) fn rgb(name: &str, primaries: Primaries, curves: [Curve; 3]) -> Option<Vec<u8>> {
    let (light, adapted) = primaries.matrices()?;
    let mut tags = common(name)?;
    tags.push((*b"chad", [b"sf32\0\0\0\0".to_vec(), fixed(&adapted.concat())?].concat()));
    for (name, colour) in [*b"rXYZ", *b"gXYZ", *b"bXYZ"].into_iter().zip(transposed(light)) {
        tags.push((name, xyz(colour)?));
    }
    for (name, curve) in [*b"rTRC", *b"gTRC", *b"bTRC"].into_iter().zip(curves) {
        tags.push((name, curve.tag()?));
    }
    profile(*b"RGB ", &tags)
}

/// A profile for grey of this curve; `None` if a number does not fit.
pub(crate) fn grey(name: &str, curve: Curve) -> Option<Vec<u8>> {
    let mut tags = common(name)?;
    tags.push((*b"kTRC", curve.tag()?));
    profile(*b"GRAY", &tags)
}

type Tag = ([u8; 4], Vec<u8>);

/// The tags of every profile: its name, its licence, and the white point, D50.
fn common(name: &str) -> Option<Vec<Tag>> {
    let names = [(*b"desc", text(name)?), (*b"cprt", text("CC0")?)];
    Some([&names[..], &[(*b"wtpt", xyz(WHITE)?)]].concat())
}

fn text(text: &str) -> Option<Vec<u8>> {
    let letters: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let length = u32::try_from(letters.len()).ok()?.to_be_bytes();
    // One record of 12 bytes: language and country, length and offset.
    let head = b"mluc\0\0\0\0\0\0\0\x01\0\0\0\x0CenUS";
    Some([&head[..], &length, &[0, 0, 0, 28], &letters].concat())
}

fn xyz(colour: [f64; 3]) -> Option<Vec<u8>> {
    Some([b"XYZ \0\0\0\0".to_vec(), fixed(&colour)?].concat())
}

/// Numbers in 65,536ths; `None` unless all are between -32,767 and 32,767.
#[expect(clippy::cast_possible_truncation, reason = "its size is checked")]
fn fixed(numbers: &[f64]) -> Option<Vec<u8>> {
    let fits = numbers.iter().all(|number| number.abs() < 32_767.0);
    let bytes =
        numbers.iter().flat_map(|number| ((number * 65_536.0).round() as i32).to_be_bytes());
    fits.then(|| bytes.collect())
}

fn profile(space: [u8; 4], tags: &[Tag]) -> Option<Vec<u8>> {
    let mut place = HEADER + 4 + 12 * tags.len();
    let (mut table, mut body) = (Vec::new(), Vec::new());
    for (name, data) in tags {
        table.extend_from_slice(name);
        table.extend(
            [place, data.len()].map(|n| u32::try_from(n).unwrap_or(0).to_be_bytes()).concat(),
        );
        let padded = data.len().next_multiple_of(4);
        body.extend_from_slice(data);
        body.resize(body.len() + padded - data.len(), 0);
        place += padded;
    }
    let mut file = u32::try_from(place).ok()?.to_be_bytes().to_vec();
    file.extend_from_slice(b"\0\0\0\0\x04\x30\0\0mntr");
    file.extend_from_slice(&space);
    file.extend_from_slice(b"XYZ ");
    file.resize(36, 0);
    file.extend_from_slice(b"acsp");
    file.resize(68, 0);
    file.extend(fixed(&WHITE)?);
    file.resize(HEADER, 0);
    file.extend(u32::try_from(tags.len()).ok()?.to_be_bytes());
    Some([file, table, body].concat())
}

fn transposed(matrix: Matrix) -> Matrix {
    [0, 1, 2].map(|row| matrix.map(|line| line[row]))
}

fn times(matrix: Matrix, column: [f64; 3]) -> [f64; 3] {
    matrix.map(|row| row[0] * column[0] + row[1] * column[1] + row[2] * column[2])
}

fn product(left: Matrix, right: Matrix) -> Matrix {
    transposed(transposed(right).map(|column| times(left, column)))
}

fn cross(left: [f64; 3], right: [f64; 3]) -> [f64; 3] {
    [(1, 2), (2, 0), (0, 1)].map(|(one, other)| left[one] * right[other] - left[other] * right[one])
}

/// The inverse, by cross products of the rows; `None` if they lie in a plane, or nearly.
fn inverse([x, y, z]: Matrix) -> Option<Matrix> {
    let columns = [cross(y, z), cross(z, x), cross(x, y)];
    let volume = times([x, x, x], columns[0])[0];
    let spans = volume.is_finite() && volume.abs() > 1e-9;
    spans.then(|| transposed(columns.map(|column| column.map(|part| part / volume))))
}

#[cfg(test)]
mod tests {
    use moxcms::ColorProfile;

    use super::super::{Model, Profile, model_of};
    use super::*;

    #[test]
    fn a_profile_of_srgb_means_srgb_and_one_of_others_does_not() {
        let of = |icc: Option<Vec<u8>>, model| Profile::of(icc.as_deref(), model).is_some();
        let srgb = [Curve::srgb(); 3];
        assert!(!of(rgb("sRGB", Primaries::srgb(), srgb), Model::Rgb));
        assert!(!of(grey("sRGB", Curve::srgb()), Model::Grey));
        assert!(of(rgb("", Primaries::srgb(), [Curve::Power(2.2); 3]), Model::Rgb));
        assert!(of(grey("", Curve::Power(1.0)), Model::Grey));
        let icc = grey("", Curve::Power(1.0)).unwrap();
        assert_eq!((model_of(&icc), icc.len() % 4), (Some(Model::Grey), 0));
    }

    #[test]
    fn colours_are_adapted_to_the_white_of_profiles() {
        let p3 = Primaries::of([[0.68, 0.32], [0.265, 0.69], [0.15, 0.06], [0.3127, 0.329]]);
        let icc = rgb("Display P3", p3, [Curve::srgb(); 3]).unwrap();
        let parsed = ColorProfile::new_from_slice(&icc).unwrap();
        let given = parsed.rgb_to_xyz_matrix().v;
        let expected = ColorProfile::new_display_p3().rgb_to_xyz_matrix().v;
        for (given, expected) in given.iter().flatten().zip(expected.iter().flatten()) {
            assert!((given - expected).abs() < 5e-4, "{given} instead of {expected}");
        }
    }

    #[test]
    fn colours_that_span_no_space_have_no_profile() {
        let flat = Primaries::of([[0.3, 0.3], [0.3, 0.3], [0.3, 0.3], [0.3127, 0.329]]);
        let dark = Primaries { white: [0.3, 0.0, 0.7], ..Primaries::srgb() };
        for primaries in [flat, dark] {
            assert!(rgb("", primaries, [Curve::srgb(); 3]).is_none());
        }
        assert!(
            grey("", Curve::Power(1e9)).is_none() && grey("", Curve::Power(f64::NAN)).is_none()
        );
    }
}
