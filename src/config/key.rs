//! How keys are written: one entry for each, from which everything else about it follows.
//!
//! [`section!`] makes of a list of entries the struct of a section, its defaults, its rules, and the [`KeySpec`]s from
//! which the documents are made. An entry has, in this order:
//!
//! - the words, as documentation comments
//! - attributes for serde, if the type needs some: `#[serde(…)]`
//! - rules for the value alone: `#[accepts(…)]`, any number of them
//! - a rule for the value beside others of its section: `#[fits(…)]`
//! - a value as an example: `#[example(…)]`
//! - `name: Type = default,`

use serde::Serialize;
use serde_json::Value;

use super::kind::Kind;
use super::rule::Violation;

/// What is known of a key.
pub(super) struct KeySpec {
    /// With its section: `limits.max_upload`.
    pub(super) path: &'static str,
    /// What it is for; one text for each line of the source.
    pub(super) words: &'static [&'static str],
    /// The type of its value, in words.
    pub(super) kind: String,
    /// Whether its value must not be shown.
    pub(super) secret: bool,
    /// Whether there may be no value.
    pub(super) optional: bool,
    /// Its default, if it has one.
    pub(super) default: Option<Value>,
    /// What is accepted, in words.
    pub(super) rules: Vec<String>,
    /// A possible value.
    pub(super) example: Value,
}

/// What is known of a section.
pub(super) struct SectionSpec {
    /// Its name; empty for the keys outside sections.
    pub(super) name: &'static str,
    /// What it is for; one text for each line of the source.
    pub(super) words: &'static [&'static str],
    /// Whether it may be left out, which is not the same as its defaults.
    pub(super) optional: bool,
    pub(super) keys: Vec<KeySpec>,
}

/// A section made by [`section!`].
pub(super) trait Keyed {
    const NAME: &'static str;
    const WORDS: &'static [&'static str];

    /// Its keys, in the order of the source.
    fn keys() -> Vec<KeySpec>;

    /// The values that are not accepted, whatever others are.
    fn wrong_values(&self) -> Vec<Violation>;

    /// The values that do not fit others of the section.
    fn misfits(&self) -> Vec<Violation>;

    fn spec(optional: bool) -> SectionSpec {
        SectionSpec { name: Self::NAME, words: Self::WORDS, optional, keys: Self::keys() }
    }
}

/// A value as it is written in a file; `None` if it is one that is left out.
pub(super) fn written<T: Kind>(value: &T) -> Option<Value> {
    Some(plain(value)).filter(|value| !value.is_null())
}

pub(super) fn plain(value: &impl Serialize) -> Value {
    serde_json::to_value(value).expect("a value of the configuration is plain data")
}

/// Makes a section of its keys. One that may be left out has its keys without a default first, and then, after `with`,
/// those that have one.
macro_rules! section {
    (
        $(#[doc = $about:literal])+
        pub struct $name:ident in $section:literal $keys:tt
    ) => {
        $crate::config::key::section!(@always [$($about)+] $name $keys);
        $crate::config::key::section!(
            @keyed [$($about)+] $name $section, concat!($section, "."), $keys
        );
    };

    (
        $(#[doc = $about:literal])+
        pub struct $name:ident in $section:literal { $($bare:tt)+ } with { $($keys:tt)* }
    ) => {
        $crate::config::key::section!(@optional [$($about)+] $name { $($bare)+ } { $($keys)* });
        $crate::config::key::section!(
            @keyed [$($about)+] $name $section, concat!($section, "."), { $($bare)+ $($keys)* }
        );
    };

    (@always [$($about:literal)+] $name:ident {$(
        $(#[doc = $words:literal])+
        $(#[serde($($serde:tt)+)])?
        $(#[accepts($accepts:expr)])*
        $(#[fits($fits:expr)])?
        #[example($example:expr)]
        $key:ident: $type:ty = $default:expr,
    )+}) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name {$(
            $(#[doc = $words])+
            $(#[serde($($serde)+)])?
            pub $key: $type,
        )+}

        impl Default for $name {
            fn default() -> Self {
                Self { $($key: $default,)+ }
            }
        }
    };

    (@optional [$($about:literal)+] $name:ident {$(
        $(#[doc = $bare_words:literal])+
        $(#[serde($($bare_serde:tt)+)])?
        $(#[accepts($bare_accepts:expr)])*
        $(#[fits($bare_fits:expr)])?
        #[example($bare_example:expr)]
        $bare:ident: $bare_type:ty,
    )+} {$(
        $(#[doc = $words:literal])+
        $(#[accepts($accepts:expr)])*
        $(#[fits($fits:expr)])?
        #[example($example:expr)]
        $key:ident: $type:ty = $default:expr,
    )*}) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone, PartialEq, serde::Serialize)]
        pub struct $name {
            $(
                $(#[doc = $bare_words])+
                $(#[serde($($bare_serde)+)])?
                pub $bare: $bare_type,
            )+
            $(
                $(#[doc = $words])+
                pub $key: $type,
            )*
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                // Derived for a struct of the same name, which errors have.
                #[derive(serde::Deserialize)]
                #[serde(deny_unknown_fields)]
                struct $name {
                    $($(#[serde($($bare_serde)+)])? $bare: $bare_type,)+
                    $($key: Option<$type>,)*
                }
                let read = $name::deserialize(from)?;
                Ok(Self {
                    $($bare: read.$bare,)+
                    $($key: read.$key.unwrap_or_else(|| $default),)*
                })
            }
        }
    };

    (@keyed [$($about:literal)+] $name:ident $section:literal, $prefix:expr, {$(
        $(#[doc = $words:literal])+
        $(#[serde($($serde:tt)+)])?
        $(#[accepts($accepts:expr)])*
        $(#[fits($fits:expr)])?
        #[example($example:expr)]
        $key:ident: $type:ty $(= $default:expr)?,
    )+}) => {
        impl $crate::config::key::Keyed for $name {
            const NAME: &'static str = $section;
            const WORDS: &'static [&'static str] = &[$($about),+];

            fn keys() -> Vec<$crate::config::key::KeySpec> {
                use $crate::config::kind::Kind;
                vec![$($crate::config::key::KeySpec {
                    path: concat!($prefix, stringify!($key)),
                    words: &[$($words),+],
                    kind: <$type as Kind>::name(),
                    secret: <$type as Kind>::SECRET,
                    optional: <$type as Kind>::OPTIONAL,
                    default: None$(.or($crate::config::key::written::<$type>(&$default)))?,
                    rules: vec![
                        $($crate::config::rule::Rule::<$type>::words($accepts),)*
                        $($crate::config::rule::Rule::<Self>::words($fits))?
                    ],
                    example: $crate::config::key::plain(&$example),
                }),+]
            }

            fn wrong_values(&self) -> Vec<$crate::config::rule::Violation> {
                let found: Vec<Option<$crate::config::rule::Violation>> = vec![$($(
                    $crate::config::rule::Rule::<$type>::check(
                        $accepts, &self.$key, concat!($prefix, stringify!($key)), &self.$key,
                    ),
                )*)+];
                found.into_iter().flatten().collect()
            }

            fn misfits(&self) -> Vec<$crate::config::rule::Violation> {
                let found: Vec<Option<$crate::config::rule::Violation>> = vec![$($(
                    $crate::config::rule::Rule::<Self>::check(
                        $fits, self, concat!($prefix, stringify!($key)), &self.$key,
                    ),
                )?)+];
                found.into_iter().flatten().collect()
            }
        }
    };
}

pub(super) use section;
