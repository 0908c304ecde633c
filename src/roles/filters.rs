//! `tilemill filters`: lists the filters, or describes one with its parameters.

use std::fmt::Write as _;
use std::io::Write as _;

use super::{DONE, FAILED};
use crate::cli::FiltersArgs;
use crate::raster::filter::{self, ChainError, FilterSpec, ParamKind, ParamSpec, Value};

/// Prints all filters, or one with its parameters and examples.
pub fn filters(args: &FiltersArgs) -> Result<u8, ChainError> {
    let text = match &args.name {
        None => list(filter::filters()),
        Some(name) => describe(filter::find(name)?),
    };
    let printed = std::io::stdout().write_all(text.as_bytes());
    Ok(if printed.is_ok() { DONE } else { FAILED })
}

fn list(filters: &[FilterSpec]) -> String {
    let written: Vec<_> = filters.iter().map(|filter| (usage(filter), filter.summary)).collect();
    let width = written.iter().map(|(usage, _)| usage.len()).max().unwrap_or(0);
    let mut text = String::new();
    for (usage, summary) in written {
        let _ = writeln!(text, "{usage:width$}  {summary}");
    }
    text += "\nCommas separate filters, which run in order: -f autolevels,blur:2,sharpen\n\
             tilemill filters NAME describes a filter.\n";
    text
}

/// A filter with the names of its parameters, all of which are optional.
fn usage(filter: &FilterSpec) -> String {
    let mut usage = filter.name.to_owned();
    for param in filter.params {
        let _ = write!(usage, "[:{}]", param.name);
    }
    usage
}

fn describe(filter: &FilterSpec) -> String {
    let mut text = format!("{}\n  {}\n", usage(filter), filter.summary);
    let width = filter.params.iter().map(|param| param.name.len()).max().unwrap_or(0);
    for ParamSpec { name, summary, kind } in filter.params {
        let default = kind.default_value();
        let _ = write!(text, "\n  {name:width$}  {summary}\n");
        let _ = writeln!(text, "  {:width$}  {kind}; {default} if it is not given", "");
    }
    text += "\nExamples\n";
    for chain in examples(filter) {
        let _ = writeln!(text, "  tilemill run in.jpg -o out.jpg -f {chain}");
    }
    text
}

fn examples(filter: &FilterSpec) -> Vec<String> {
    let name = filter.name;
    let mut examples = vec![name.to_owned()];
    if let Some(first) = filter.params.first() {
        examples.push(format!("{name}:{}", another(&first.kind)));
    }
    if let [_, .., last] = filter.params {
        examples.push(format!("{name}:{}={}", last.name, another(&last.kind)));
    }
    // In front, since some filters have to be the first of their chain.
    examples.push(format!("{name},invert"));
    examples
}

/// A value other than the default.
fn another(kind: &ParamKind) -> Value {
    match *kind {
        ParamKind::Number { min, max, default, .. } => {
            let doubled = if default == 0.0 { max / 2.0 } else { default * 2.0 };
            Value::Number(if doubled <= max { doubled } else { f64::midpoint(min, default) })
        }
        ParamKind::Integer { min, max, default, .. } => {
            let doubled = if default == 0 { max / 2 } else { default * 2 };
            Value::Integer(if doubled <= max { doubled } else { min })
        }
        ParamKind::List { .. } => Value::List([3, 2, 1].into()),
        ParamKind::Choice { choices, default } => {
            let other = choices.iter().find(|choice| **choice != default);
            Value::Choice(other.unwrap_or(&default))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{describe, examples, list};
    use crate::raster::filter::{Chain, filters, find};

    #[test]
    fn every_example_is_a_chain() {
        for filter in filters() {
            let examples = examples(filter);
            for chain in &examples {
                assert!(Chain::parse(chain).is_ok(), "{chain}");
            }
            let default = Chain::parse(&examples[0]).unwrap().to_string();
            for other in &examples[1..] {
                assert_ne!(Chain::parse(other).unwrap().to_string(), default, "{other}");
            }
        }
    }

    #[test]
    fn all_filters_are_listed_and_each_is_described() {
        let list = list(filters());
        for filter in filters() {
            assert!(list.contains(filter.summary), "{}", filter.name);
            let described = describe(filter);
            for param in filter.params {
                assert!(described.contains(param.summary), "{described}");
            }
        }
        let blur = describe(find("blur").unwrap());
        assert!(blur.contains("a number from ") && blur.contains("-f blur:4"), "{blur}");
        assert!(find("blurr").unwrap_err().to_string().contains("did you mean blur?"));
    }
}
