//! Filters as the API shows them. The field names are stable: scripts read them.

use actix_web::web;
use serde::Serialize;
use utoipa::ToSchema;

use crate::raster::filter::{self, Chain, FilterSpec, ParamKind, ParamSpec};

/// A filter.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FilterView {
    /// Its name in a chain.
    name: &'static str,
    /// What it does, in one sentence.
    summary: &'static str,
    /// Whether it needs values of the whole image, so that it can only be the first of a chain.
    first: bool,
    /// Whether it moves pixels to other places, and may change the size of the image.
    moves: bool,
    /// Its parameters, in the order in which a chain gives their values.
    params: Vec<ParamView>,
}

/// One parameter of a filter. Its `type` says what values it takes.
// Without a discriminator: with one, openapi-generator's Rust client consumes `type`, and then misses it as a field.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = ParamSpec)]
enum ParamView {
    Number(NumberParam),
    Integer(IntegerParam),
    List(ListParam),
    Choice(ChoiceParam),
}

/// A parameter that takes a finite number from `min` to `max`.
#[derive(Debug, Serialize, ToSchema)]
struct NumberParam {
    /// Its name in a chain: `sigma` in `blur:sigma=2`.
    name: &'static str,
    /// What it does, in a few words.
    summary: &'static str,
    /// The kind of parameter.
    #[serde(rename = "type")]
    #[schema(inline)]
    kind: NumberType,
    /// The smallest value.
    min: f64,
    /// The largest value.
    max: f64,
    /// The step of a slider; values between steps are legal.
    step: f64,
    /// The unit in words, empty for a bare number.
    unit: &'static str,
    /// The default value.
    default: f64,
}

/// A parameter that takes a whole number from `min` to `max`.
#[derive(Debug, Serialize, ToSchema)]
struct IntegerParam {
    /// Its name in a chain: `radius` in `median:radius=2`.
    name: &'static str,
    /// What it does, in a few words.
    summary: &'static str,
    /// The kind of parameter.
    #[serde(rename = "type")]
    #[schema(inline)]
    kind: IntegerType,
    /// The smallest value.
    min: i64,
    /// The largest value.
    max: i64,
    /// The step of a slider; values between steps are legal.
    step: i64,
    /// The unit in words, empty for a bare number.
    unit: &'static str,
    /// The default value.
    default: i64,
}

/// A parameter that takes whole numbers, separated by commas.
#[derive(Debug, Serialize, ToSchema)]
struct ListParam {
    /// Its name in a chain: `numbers` in `bands:numbers=4,3,2`.
    name: &'static str,
    /// What it does, in a few words.
    summary: &'static str,
    /// The kind of parameter.
    #[serde(rename = "type")]
    #[schema(inline)]
    kind: ListType,
    /// The smallest number.
    min: u16,
    /// The largest number.
    max: u16,
    /// The most numbers.
    most: usize,
    /// The default numbers.
    default: &'static [u16],
}

/// A parameter that takes one of several words.
#[derive(Debug, Serialize, ToSchema)]
struct ChoiceParam {
    /// Its name in a chain: `weights` in `grayscale:weights=bt601`.
    name: &'static str,
    /// What it does, in a few words.
    summary: &'static str,
    /// The kind of parameter.
    #[serde(rename = "type")]
    #[schema(inline)]
    kind: ChoiceType,
    /// The words.
    choices: &'static [&'static str],
    /// The default word.
    default: &'static str,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum NumberType {
    Number,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum IntegerType {
    Integer,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum ListType {
    List,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum ChoiceType {
    Choice,
}

/// The filters.
///
/// Each has its parameters with their ranges and defaults. A chain such as `blur:2.5,invert` is made of filters.
#[utoipa::path(
    get,
    path = "/api/filters",
    operation_id = "list_filters",
    tag = "fleet",
    responses((status = 200, description = "The filters.", body = [FilterView])),
)]
pub(super) async fn list() -> web::Json<Vec<FilterView>> {
    web::Json(all())
}

/// All filters, in alphabetical order.
pub(super) fn all() -> Vec<FilterView> {
    filter::filters().iter().map(FilterView::of).collect()
}

impl FilterView {
    fn of(&FilterSpec { name, summary, params, .. }: &FilterSpec) -> Self {
        let alone = name.parse::<Chain>().unwrap_or_default();
        let (first, moves) = (alone.surveys(), alone.moves());
        Self { name, summary, first, moves, params: params.iter().map(ParamView::of).collect() }
    }
}

impl ParamView {
    fn of(&ParamSpec { name, summary, kind }: &ParamSpec) -> Self {
        match kind {
            ParamKind::Number { min, max, step, unit, default } => {
                let kind = NumberType::Number;
                Self::Number(NumberParam { name, summary, kind, min, max, step, unit, default })
            }
            ParamKind::Integer { min, max, step, unit, default } => {
                let kind = IntegerType::Integer;
                Self::Integer(IntegerParam { name, summary, kind, min, max, step, unit, default })
            }
            ParamKind::List { min, max, most, default } => {
                let kind = ListType::List;
                Self::List(ListParam { name, summary, kind, min, max, most, default })
            }
            ParamKind::Choice { choices, default } => {
                let kind = ChoiceType::Choice;
                Self::Choice(ChoiceParam { name, summary, kind, choices, default })
            }
        }
    }
}
