//! The parameters of filters: their kinds, and how a chain's text gives their values.

use std::fmt;

/// One parameter of a filter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ParamSpec {
    /// Its name in a chain: `sigma` in `blur:sigma=2`.
    pub name: &'static str,
    /// What it does, in a few words.
    pub summary: &'static str,
    /// What values it takes.
    pub kind: ParamKind,
}

/// The values that a parameter takes, and its default.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ParamKind {
    /// A finite number from `min` to `max`.
    Number {
        /// The smallest value.
        min: f64,
        /// The largest value.
        max: f64,
        /// The step of a slider; values between steps are legal.
        step: f64,
        /// The unit in words, empty for a bare number.
        unit: &'static str,
        /// The value when none is given.
        default: f64,
    },
    /// A whole number from `min` to `max`.
    Integer {
        /// The smallest value.
        min: i64,
        /// The largest value.
        max: i64,
        /// The step of a slider; values between steps are legal.
        step: i64,
        /// The unit in words, empty for a bare number.
        unit: &'static str,
        /// The value when none is given.
        default: i64,
    },
    /// Several whole numbers, each from `min` to `max`, separated by commas.
    List {
        /// The smallest number.
        min: u16,
        /// The largest number.
        max: u16,
        /// The most numbers.
        most: usize,
        /// The numbers when none is given.
        default: &'static [u16],
    },
    /// One of several words.
    Choice {
        /// The words.
        choices: &'static [&'static str],
        /// The word when none is given.
        default: &'static str,
    },
}

impl ParamKind {
    /// The value when none is given.
    #[must_use]
    pub fn default_value(&self) -> Value {
        match *self {
            ParamKind::Number { default, .. } => Value::Number(default),
            ParamKind::Integer { default, .. } => Value::Integer(default),
            ParamKind::List { default, .. } => Value::List(default.into()),
            ParamKind::Choice { default, .. } => Value::Choice(default),
        }
    }

    /// Parses a value; `None` if it is not allowed.
    pub(super) fn parse(&self, text: &str) -> Option<Value> {
        match *self {
            ParamKind::Number { min, max, .. } => {
                let value = text.parse().ok().filter(|value| (min..=max).contains(value))?;
                Some(Value::Number(value))
            }
            ParamKind::Integer { min, max, .. } => {
                let value = text.parse().ok().filter(|value| (min..=max).contains(value))?;
                Some(Value::Integer(value))
            }
            ParamKind::List { min, max, most, .. } => {
                let numbers = text.split(',').take(most + 1).map(|number| {
                    number.trim().parse().ok().filter(|number| (min..=max).contains(number))
                });
                let numbers: Vec<u16> = numbers.collect::<Option<_>>()?;
                (numbers.len() <= most).then(|| Value::List(numbers.into()))
            }
            ParamKind::Choice { choices, .. } => {
                choices.iter().find(|choice| **choice == text).map(|choice| Value::Choice(choice))
            }
        }
    }
}

/// Writes which values are allowed: "a number from 0.1 to 100 pixels".
impl fmt::Display for ParamKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self {
            ParamKind::Number { min, max, unit, .. } => {
                write!(f, "a number from {min} to {max}")?;
                unit
            }
            ParamKind::Integer { min, max, unit, .. } => {
                write!(f, "a whole number from {min} to {max}")?;
                unit
            }
            ParamKind::List { min, max, most, .. } => {
                return write!(f, "up to {most} whole numbers from {min} to {max}");
            }
            ParamKind::Choice { choices, .. } => return write!(f, "one of {}", choices.join(", ")),
        };
        if unit.is_empty() { Ok(()) } else { write!(f, " {unit}") }
    }
}

/// The value of one parameter. [`fmt::Display`] writes it as in a chain's text.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// The value of a [`ParamKind::Number`].
    Number(f64),
    /// The value of a [`ParamKind::Integer`].
    Integer(i64),
    /// The value of a [`ParamKind::List`].
    List(Box<[u16]>),
    /// The value of a [`ParamKind::Choice`].
    Choice(&'static str),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Number(value) => value.fmt(f),
            Value::Integer(value) => value.fmt(f),
            Value::List(numbers) => {
                let numbers: Vec<String> = numbers.iter().map(u16::to_string).collect();
                f.write_str(&numbers.join(","))
            }
            Value::Choice(value) => value.fmt(f),
        }
    }
}

/// A checked value for every parameter of one filter, in the order of its schema.
#[derive(Clone, Debug, PartialEq)]
pub struct Values(pub(super) Vec<Value>);

impl Values {
    /// The number of parameter `index`, which must be a [`ParamKind::Number`].
    #[must_use]
    pub fn number(&self, index: usize) -> f64 {
        match self.0[index] {
            Value::Number(value) => value,
            ref other => unreachable!("parameter {index} is a number in the schema, not {other:?}"),
        }
    }

    /// The whole number of parameter `index`, which must be a [`ParamKind::Integer`].
    #[must_use]
    pub fn integer(&self, index: usize) -> i64 {
        match self.0[index] {
            Value::Integer(value) => value,
            ref other => unreachable!("parameter {index} is whole in the schema, not {other:?}"),
        }
    }

    /// The numbers of parameter `index`, which must be a [`ParamKind::List`].
    #[must_use]
    pub fn list(&self, index: usize) -> &[u16] {
        match &self.0[index] {
            Value::List(value) => value,
            other => unreachable!("parameter {index} is a list in the schema, not {other:?}"),
        }
    }

    /// The word of parameter `index`, which must be a [`ParamKind::Choice`].
    #[must_use]
    pub fn choice(&self, index: usize) -> &'static str {
        match self.0[index] {
            Value::Choice(value) => value,
            ref other => unreachable!("parameter {index} is a choice in the schema, not {other:?}"),
        }
    }
}
