//! One filter of a chain: its text, and the filter made from it.

use std::fmt;
use std::sync::Arc;

use super::empty::Empty;
use super::error::{ChainError, closest};
use super::param::{ParamSpec, Value, Values};
use super::{Filter, FilterSpec, Window, find};
use crate::pixels::Pixels;

/// One filter of a chain.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) spec: &'static FilterSpec,
    values: Values,
    pub(super) filter: Arc<dyn Filter>,
}

impl Step {
    /// Parses one filter; `position` is its place in the chain, counted from 1.
    pub(super) fn parse(text: &str, position: usize) -> Result<Step, ChainError> {
        let mut parts = text.split(':').map(str::trim);
        let name = parts.next().unwrap_or_default();
        if name.is_empty() {
            return Err(ChainError::NoName { position });
        }
        let spec = find(name)?;
        let values = values(spec, &parts.collect::<Vec<_>>())?;
        Ok(Step { spec, filter: (spec.build)(&values).into(), values })
    }

    /// Applies the filter. What is empty stays so, unless the filter moves it.
    pub(super) fn apply(&self, window: Window<'_>) -> Pixels {
        if self.filter.moves() {
            return self.filter.apply(window);
        }
        let empty = Empty::of(&window.pixels, window.keep.relative_to(window.at));
        let mut pixels = self.filter.apply(window);
        empty.restore(&mut pixels);
        pixels
    }
}

fn values(spec: &'static FilterSpec, texts: &[&str]) -> Result<Values, ChainError> {
    let mut given: Vec<Option<Value>> = vec![None; spec.params.len()];
    for (index, text) in texts.iter().enumerate() {
        let (place, text) = match text.split_once('=') {
            Some((param, text)) => (find_param(spec, param.trim())?, text.trim()),
            None => (index, *text),
        };
        let Some(param) = spec.params.get(place) else {
            let (filter, known) = (spec.name, param_names(spec));
            return Err(ChainError::TooManyValues { filter, given: texts.len(), known });
        };
        set(&mut given[place], spec.name, param, text)?;
    }
    let all = given.into_iter().zip(spec.params);
    Ok(Values(all.map(|(value, param)| value.unwrap_or(param.kind.default_value())).collect()))
}

fn set(
    slot: &mut Option<Value>,
    filter: &'static str,
    param: &'static ParamSpec,
    text: &str,
) -> Result<(), ChainError> {
    let value = text.to_owned();
    if slot.is_some() {
        return Err(ChainError::GivenTwice { filter, param: param.name, value });
    }
    let parsed = param.kind.parse(text);
    *slot = Some(parsed.ok_or(ChainError::BadValue { filter, param, value })?);
    Ok(())
}

fn find_param(spec: &'static FilterSpec, name: &str) -> Result<usize, ChainError> {
    spec.params.iter().position(|param| param.name == name).ok_or_else(|| {
        let known = param_names(spec);
        ChainError::UnknownParam {
            filter: spec.name,
            param: name.to_owned(),
            closest: closest(name, &known),
            known,
        }
    })
}

fn param_names(spec: &FilterSpec) -> Vec<&'static str> {
    spec.params.iter().map(|param| param.name).collect()
}

impl PartialEq for Step {
    fn eq(&self, other: &Step) -> bool {
        self.spec.name == other.spec.name && self.values == other.values
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.spec.name)?;
        let values = self.values.0.iter().zip(self.spec.params);
        let told = values.clone().rposition(|(value, param)| *value != param.kind.default_value());
        for (value, _) in values.take(told.map_or(0, |last| last + 1)) {
            write!(f, ":{value}")?;
        }
        Ok(())
    }
}
