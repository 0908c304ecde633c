//! The sample types, so that a filter is written once for all of them.

use std::fmt::Debug;
use std::ops::{AddAssign, SubAssign};

use super::pixels::{Depth, Samples, SamplesMut};

/// One channel of one pixel: `u8` or `u16`, linear from 0 to [`Sample::MAX`].
pub trait Sample: Copy + Debug + Default + Eq + Mix + bytemuck::Pod + Send + Sync {
    /// Full intensity, and full opacity in an alpha channel.
    const MAX: Self;
    /// The depth that this type stores.
    const DEPTH: Depth;
    /// Holds the product of any two samples.
    type Product: Mix;

    /// `self * other`, exactly.
    fn product(self, other: Self) -> Self::Product;

    /// `MAX - self`.
    #[must_use]
    fn opposite(self) -> Self;

    /// The value as a `u32`.
    fn to_u32(self) -> u32;

    /// A `value` that the caller knows to be at most [`Sample::MAX`].
    fn from_u32(value: u32) -> Self;

    /// The nearest sample to a `value` of any size.
    fn clamped(value: i64) -> Self;

    /// A quarter of the length of a gradient, at most [`Sample::MAX`], rounded half up. Neither
    /// component exceeds four times [`Sample::MAX`].
    fn steepness(across: i32, down: i32) -> Self;

    /// Wraps a buffer of this type.
    fn wrap(samples: Vec<Self>) -> Samples;

    /// Samples that the caller knows to be of this type.
    fn of(samples: SamplesMut<'_>) -> &mut [Self];
}

/// A value that can be blurred: a weighted mean along rows, then one along columns, with integer
/// weights that sum to 65,536.
///
/// No step can overflow: a sum is at most 65,536 times the largest value, plus half a unit.
pub trait Mix: Term + Default {
    /// A mean along a row, with as many fraction bits as the second sum leaves room for.
    type Between: Term<Sum = Self::Sum> + Default;

    /// The value as a `u64`.
    fn to_u64(self) -> u64;

    /// A `value` that the caller knows to fit.
    fn from_u64(value: u64) -> Self;

    /// The mean after the first direction.
    fn between(sum: Self::Sum) -> Self::Between;

    /// The mean after the second direction, rounded half up.
    fn mean(sum: Self::Sum) -> Self;

    /// Like [`Mix::mean`], but in 256ths.
    fn fine(sum: Self::Sum) -> Self::Sum;
}

/// A term of a weighted sum. Factors stay within 16 bits where they can, because every vector unit
/// multiplies 16 bits.
pub trait Term: Copy {
    /// Holds a whole weighted sum.
    type Sum: Copy + Default + AddAssign + SubAssign + Into<u64>;

    /// The term times the full weight, 65,536.
    fn whole(self) -> Self::Sum;

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
    fn whole(self) -> u32 {
        u32::from(self.0) << 16
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
            fn whole(self) -> $sum {
                <$sum>::from(self) << 16
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
        impl Mix for $value {
            type Between = $between;

            #[inline]
            fn to_u64(self) -> u64 {
                u64::from(self)
            }

            #[inline]
            fn from_u64(value: u64) -> $value {
                value as $value
            }

            #[inline]
            fn between(sum: Self::Sum) -> $between {
                $wrap::from(((sum + ((1 << $first) >> 1)) >> $first) as $inner)
            }

            #[inline]
            fn mean(sum: Self::Sum) -> $value {
                ((sum + ((1 << $second) >> 1)) >> $second) as $value
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

macro_rules! sample {
    ($value:ty, $variant:ident, $depth:ident, product $product:ty) => {
        impl Sample for $value {
            const MAX: $value = <$value>::MAX;
            const DEPTH: Depth = Depth::$depth;
            type Product = $product;

            #[inline]
            fn product(self, other: $value) -> $product {
                <$product>::from(self) * <$product>::from(other)
            }

            #[inline]
            fn opposite(self) -> $value {
                Self::MAX - self
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
                value.clamp(0, i64::from(Self::MAX)) as $value
            }

            // Squares and their sum are exact, and every processor rounds a square root alike.
            #[inline]
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "limited")]
            fn steepness(across: i32, down: i32) -> $value {
                let (across, down) = (f64::from(across), f64::from(down));
                let quarter = (across * across + down * down).sqrt() * 0.25 + 0.5;
                quarter.min(f64::from(Self::MAX)) as $value
            }

            fn wrap(samples: Vec<$value>) -> Samples {
                Samples::$variant(samples)
            }

            fn of(samples: SamplesMut<'_>) -> &mut [$value] {
                match samples {
                    SamplesMut::$variant(samples) => samples,
                    other => unreachable!("{other:?} are not of {}", Self::DEPTH.bits()),
                }
            }
        }
    };
}

sample!(u8, U8, Eight, product u16);
sample!(u16, U16, Sixteen, product u32);
/// The sample nearest to a share of full intensity, rounded half up.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is from 0 to MAX")]
pub(crate) fn nearest<S: Sample>(share: f64) -> S {
    S::from_u32((share.clamp(0.0, 1.0) * f64::from(S::MAX.to_u32()) + 0.5) as u32)
}
