//! Curves of colour profiles.

use moxcms::ToneReprCurve;

/// The light of a value, both from 0 to 1 (ICC.1:2022, 10.6 and 10.18).
pub(super) fn at(curve: &ToneReprCurve, x: f64) -> f64 {
    let light = match curve {
        ToneReprCurve::Lut(table) => in_table(table, x),
        ToneReprCurve::Parametric(numbers) => parametric(numbers, x),
    };
    if light.is_finite() { light.clamp(0.0, 1.0) } else { 0.0 }
}

fn in_table(table: &[u16], x: f64) -> f64 {
    match *table {
        [] => x,
        [gamma] => libm::pow(x, f64::from(gamma) / 256.0),
        _ => between(table, x) / 65_535.0,
    }
}

/// The value at `x`, from 0 to 1, of a table of evenly spaced values, interpolated linearly; 0 if it is empty.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is clamped")]
pub(super) fn between<T: Copy + Into<f64>>(table: &[T], x: f64) -> f64 {
    let Some(last) = table.len().checked_sub(1) else { return 0.0 };
    let place = x.clamp(0.0, 1.0) * f64::from(u32::try_from(last).unwrap_or(u32::MAX));
    let (step, part) = ((place as usize).min(last), place.fract());
    let [this, next] = [step, (step + 1).min(last)].map(|step| table[step].into());
    this + part * (next - this)
}

#[expect(clippy::many_single_char_names, reason = "as the standard names them")]
fn parametric(numbers: &[f32], x: f64) -> f64 {
    let numbers: Vec<f64> = numbers.iter().map(|number| f64::from(*number)).collect();
    let power = |a: f64, b: f64, g: f64| libm::pow((a * x + b).max(0.0), g);
    match numbers[..] {
        [g] => libm::pow(x, g),
        [g, a, b] => {
            if x >= -b / a {
                power(a, b, g)
            } else {
                0.0
            }
        }
        [g, a, b, c] => {
            if x >= -b / a {
                power(a, b, g) + c
            } else {
                c
            }
        }
        [g, a, b, c, d] => {
            if x >= d {
                power(a, b, g)
            } else {
                c * x
            }
        }
        [g, a, b, c, d, e, f] => {
            if x >= d {
                power(a, b, g) + e
            } else {
                c * x + f
            }
        }
        _ => x,
    }
}
