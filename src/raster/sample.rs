//! The sample types, so that a filter is written once for all of them.

use std::fmt::Debug;
use std::ops::AddAssign;

use super::format::SampleType;
use super::pixels::{Samples, SamplesMut};

/// One sample of one pixel: `u8`, `u16` or `f32`.
pub trait Sample: Copy + Debug + Default + PartialOrd + bytemuck::Pod + Send + Sync {
    /// Full opacity in an alpha band.
    const FULL: Self;
    /// The type.
    const TYPE: SampleType;

    /// The value as an `f64`, exactly.
    fn to_f64(self) -> f64;

    /// The nearest sample to a `value`. Whole numbers are rounded half up and clamped to their range, and a NaN becomes
    /// 0; a float that is a NaN becomes the one NaN that all processors write alike.
    fn from_f64(value: f64) -> Self;

    /// Wraps a buffer of this type.
    fn wrap(samples: Vec<Self>) -> Samples;

    /// Samples that the caller knows to be of this type.
    fn of(samples: SamplesMut<'_>) -> &mut [Self];
}

/// A sample that is a whole number, linear from 0 to [`Sample::FULL`], which is full intensity: `u8` or `u16`.
pub trait Whole: Sample + Eq + Mix {
    /// Holds the product of any two samples.
    type Product: Mix;

    /// `self * other`, exactly.
    fn product(self, other: Self) -> Self::Product;

    /// `FULL - self`.
    #[must_use]
    fn opposite(self) -> Self;

    /// The value as a `u32`.
    fn to_u32(self) -> u32;

    /// A `value` that the caller knows to be at most [`Sample::FULL`].
    fn from_u32(value: u32) -> Self;

    /// The nearest sample to a `value` of any size.
    fn clamped(value: i64) -> Self;

    /// A quarter of the length of a gradient, at most [`Sample::FULL`], rounded half up. Neither
    /// component exceeds four times [`Sample::FULL`].
    fn steepness(across: i32, down: i32) -> Self;
}

/// Runs an expression with the samples of an image as a slice of their type, in `$samples`.
macro_rules! with_samples {
    ($pixels:expr, $samples:ident => $run:expr) => {
        match $pixels {
            $crate::pixels::Samples::U8($samples) => $run,
            $crate::pixels::Samples::U16($samples) => $run,
            $crate::pixels::Samples::F32($samples) => $run,
        }
    };
}

/// Like [`with_samples`], with samples to be changed in place.
macro_rules! with_samples_mut {
    ($pixels:expr, $samples:ident => $run:expr) => {
        match $pixels {
            $crate::pixels::SamplesMut::U8($samples) => $run,
            $crate::pixels::SamplesMut::U16($samples) => $run,
            $crate::pixels::SamplesMut::F32($samples) => $run,
        }
    };
}

pub(crate) use {with_samples, with_samples_mut};

/// A whole number that can be blurred: a weighted mean along rows, then one along columns, with integer
/// weights that sum to 65,536.
///
/// No step can overflow: a sum is at most 65,536 times the largest value, plus half a unit.
pub trait Mix: Blend<Sum: Into<u64>> {
    /// The value as a `u64`.
    fn to_u64(self) -> u64;

    /// A `value` that the caller knows to fit.
    fn from_u64(value: u64) -> Self;

    /// Like [`Blend::mean`], but in 256ths.
    fn fine(sum: Self::Sum) -> Self::Sum;
}

/// A value that can be blurred, a whole number or an `f64`.
pub trait Blend: Term + Default {
    /// A mean along a row, with as many fraction bits as the second sum leaves room for.
    type Between: Term<Sum = Self::Sum> + Default;

    /// The mean after the first direction.
    fn between(sum: Self::Sum) -> Self::Between;

    /// The mean after the second direction, rounded half up.
    fn mean(sum: Self::Sum) -> Self;
}

/// A term of a weighted sum. Factors stay within 16 bits where they can, because every vector unit
/// multiplies 16 bits.
pub trait Term: Copy {
    /// Holds a whole weighted sum.
    type Sum: Copy + Default + AddAssign;

    /// The term times what the full weight, 65,536, leaves for it beside two terms of the weight `outer`.
    fn centre(self, outer: u16) -> Self::Sum;

    /// The sum of two terms times their common weight.
    fn pair(self, other: Self, weight: u16) -> Self::Sum;
}

/// A mean of `u8`s with 7 fraction bits: the sum of two still fits in 16 bits.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mean8(u16);

impl From<u16> for Mean8 {
    fn from(value: u16) -> Mean8 {
        Mean8(value)
    }
}

impl Term for Mean8 {
    type Sum = u32;

    #[inline]
    fn centre(self, outer: u16) -> u32 {
        (u32::from(self.0) << 16) - self.pair(self, outer)
    }

    #[inline]
    fn pair(self, other: Mean8, weight: u16) -> u32 {
        u32::from(self.0 + other.0) * u32::from(weight)
    }
}

macro_rules! term {
    ($value:ty, pair in $pair:ty, sum $sum:ty) => {
        impl Term for $value {
            type Sum = $sum;

            #[inline]
            fn centre(self, outer: u16) -> $sum {
                (<$sum>::from(self) << 16) - self.pair(self, outer)
            }

            #[inline]
            fn pair(self, other: $value, weight: u16) -> $sum {
                let pair = <$pair>::from(self) + <$pair>::from(other);
                <$sum>::from(pair) * <$sum>::from(weight)
            }
        }
    };
}

term!(u8, pair in u16, sum u32);
term!(u16, pair in u32, sum u64);
term!(u32, pair in u64, sum u64);

macro_rules! mix {
    ($value:ty, between $between:ty = $wrap:ident($inner:ty), drop $first:literal then $second:literal) => {
        #[expect(clippy::cast_possible_truncation, reason = "a mean is no larger than its values")]
        impl Blend for $value {
            type Between = $between;

            #[inline]
            fn between(sum: Self::Sum) -> $between {
                $wrap::from(((sum + ((1 << $first) >> 1)) >> $first) as $inner)
            }

            #[inline]
            fn mean(sum: Self::Sum) -> $value {
                ((sum + ((1 << $second) >> 1)) >> $second) as $value
            }
        }

        #[expect(clippy::cast_possible_truncation, reason = "the caller keeps to the range")]
        impl Mix for $value {
            #[inline]
            fn to_u64(self) -> u64 {
                u64::from(self)
            }

            #[inline]
            fn from_u64(value: u64) -> $value {
                value as $value
            }

            #[inline]
            fn fine(sum: Self::Sum) -> Self::Sum {
                (sum + ((1 << ($second - 8)) >> 1)) >> ($second - 8)
            }
        }
    };
}

mix!(u8, between Mean8 = Mean8(u16), drop 9 then 23);
mix!(u16, between u32 = u32(u32), drop 0 then 32);
mix!(u32, between u32 = u32(u32), drop 16 then 16);

/// Every sum is taken in one order, so its rounding is the same on every processor.
impl Term for f64 {
    type Sum = f64;

    #[inline]
    fn centre(self, outer: u16) -> f64 {
        self * (65_536.0 - 2.0 * f64::from(outer))
    }

    #[inline]
    fn pair(self, other: f64, weight: u16) -> f64 {
        (self + other) * f64::from(weight)
    }
}

impl Blend for f64 {
    type Between = f64;

    #[inline]
    fn between(sum: f64) -> f64 {
        sum / 65_536.0
    }

    #[inline]
    fn mean(sum: f64) -> f64 {
        sum / 65_536.0
    }
}

macro_rules! whole {
    ($value:ty, $type:ident, product $product:ty) => {
        impl Sample for $value {
            const FULL: $value = <$value>::MAX;
            const TYPE: SampleType = SampleType::$type;

            #[inline]
            fn to_f64(self) -> f64 {
                f64::from(self)
            }

            #[inline]
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
            fn from_f64(value: f64) -> $value {
                (value + 0.5).clamp(0.0, f64::from(Self::FULL)) as $value
            }

            fn wrap(samples: Vec<$value>) -> Samples {
                Samples::$type(samples)
            }

            fn of(samples: SamplesMut<'_>) -> &mut [$value] {
                match samples {
                    SamplesMut::$type(samples) => samples,
                    other => unreachable!("{other:?} are not of {}", Self::TYPE),
                }
            }
        }

        impl Whole for $value {
            type Product = $product;

            #[inline]
            fn product(self, other: $value) -> $product {
                <$product>::from(self) * <$product>::from(other)
            }

            #[inline]
            fn opposite(self) -> $value {
                Self::FULL - self
            }

            #[inline]
            fn to_u32(self) -> u32 {
                u32::from(self)
            }

            #[inline]
            #[expect(clippy::cast_possible_truncation, reason = "the caller keeps to the range")]
            fn from_u32(value: u32) -> $value {
                value as $value
            }

            #[inline]
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
            fn clamped(value: i64) -> $value {
                value.clamp(0, i64::from(Self::FULL)) as $value
            }

            // Squares and their sum are exact, and every processor rounds a square root alike.
            #[inline]
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "limited")]
            fn steepness(across: i32, down: i32) -> $value {
                let (across, down) = (f64::from(across), f64::from(down));
                let quarter = (across * across + down * down).sqrt() * 0.25 + 0.5;
                quarter.min(f64::from(Self::FULL)) as $value
            }
        }
    };
}

whole!(u8, U8, product u16);
whole!(u16, U16, product u32);

impl Sample for f32 {
    const FULL: f32 = 1.0;
    const TYPE: SampleType = SampleType::F32;

    #[inline]
    fn to_f64(self) -> f64 {
        f64::from(self)
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "that is the rounding to the nearest")]
    fn from_f64(value: f64) -> f32 {
        if value.is_nan() { f32::NAN } else { value as f32 }
    }

    fn wrap(samples: Vec<f32>) -> Samples {
        Samples::F32(samples)
    }

    fn of(samples: SamplesMut<'_>) -> &mut [f32] {
        match samples {
            SamplesMut::F32(samples) => samples,
            other => unreachable!("{other:?} are no floats"),
        }
    }
}

/// The sample nearest to a share of full intensity, rounded half up.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is from 0 to MAX")]
pub(crate) fn nearest<S: Whole>(share: f64) -> S {
    S::from_u32((share.clamp(0.0, 1.0) * f64::from(S::FULL.to_u32()) + 0.5) as u32)
}
