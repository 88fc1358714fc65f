//! What a function takes and gives.

use wasmtime::component::types::ComponentFunc;

use super::of::{Budget, Reader};
use super::{Difference, Field, Part, Segment, Shape, Unsupported, names};

/// The types of a function. Whether it is `async` is no part of them: both kinds can call each other.
#[derive(Debug, Clone)]
pub struct FunctionShape {
    pub params: Vec<Field>,
    pub result: Option<Shape>,
    /// False for a deferred view that never takes its answer: then there is nothing to compare.
    result_known: bool,
    /// The cases of the result's error that carry one text, by their WIT names.
    text_errors: Vec<Box<str>>,
}

impl FunctionShape {
    pub fn new<N: Into<Box<str>>>(params: impl IntoIterator<Item = (N, Shape)>, result: Option<Shape>) -> Self {
        let params = names::members(params.into_iter().map(|(name, shape)| (name.into(), shape)).collect());
        let text_errors = text_cases(result.as_ref());
        Self { params, result, result_known: true, text_errors }
    }

    /// The shape of a component's function.
    ///
    /// # Errors
    ///
    /// When a parameter or the result holds a resource, stream, future or another thing that is not a plain value,
    /// or is larger than [`DEPTH_MAX`](super::DEPTH_MAX), [`PARTS_MAX`](super::PARTS_MAX),
    /// [`NAMES_MAX`](super::NAMES_MAX) or the component's budget allow.
    pub fn of(function: &ComponentFunc, component: &mut Budget) -> Result<Self, Unsupported> {
        let mut reader = Reader::new(component);
        let params = params(&mut reader, function)?;
        Ok(Self::new(params, result(&mut reader, function)?))
    }

    /// The function behind a deferred view: the parameters of its `start`, the result of its `get`.
    ///
    /// Without a `get` the result is unknown, and [`difference`](Self::difference) leaves it out.
    ///
    /// # Errors
    ///
    /// As [`FunctionShape::of`].
    pub fn of_deferred(
        start: &ComponentFunc,
        get: Option<&ComponentFunc>,
        component: &mut Budget,
    ) -> Result<Self, Unsupported> {
        let mut reader = Reader::new(component);
        let params = params(&mut reader, start)?;
        let answer = get.map(|get| result(&mut reader, get)).transpose()?;
        let result_known = answer.is_some();
        Ok(Self { result_known, ..Self::new(params, answer.flatten()) })
    }

    /// The same function without knowledge of its result, as of a deferred view without a `get`.
    pub fn without_result(self) -> Self {
        Self { result: None, result_known: false, text_errors: Vec::new(), ..self }
    }

    /// False when there is nothing to compare a result with.
    pub fn result_known(&self) -> bool {
        self.result_known
    }

    /// Whether the result's error has a case of this name that carries one text, as `unavailable(string)`.
    pub fn has_text_error_case(&self, case: &str) -> bool {
        self.text_errors.iter().any(|name| **name == *case)
    }

    /// The first place where this function, the provider's, is not the one the importer expects.
    pub fn difference(&self, expected: &Self) -> Option<Difference> {
        super::difference::members(Part::Parameter, &self.params, &expected.params).or_else(|| {
            if !self.result_known || !expected.result_known {
                return None;
            }
            let results = (self.result.as_ref(), expected.result.as_ref());
            super::difference::optional(results.0, results.1, "no result")
                .map(|difference| difference.inside(Segment::Result))
        })
    }
}

fn params(reader: &mut Reader, function: &ComponentFunc) -> Result<Vec<(Box<str>, Shape)>, Unsupported> {
    let mut params = Vec::new();
    for (name, ty) in reader.names(function.params(), |(name, _)| name)? {
        let shape = reader.shape(&ty, 0).map_err(|error| error.inside(format_args!("parameter \"{name}\"")))?;
        params.push((name.into(), shape));
    }
    Ok(params)
}

fn result(reader: &mut Reader, function: &ComponentFunc) -> Result<Option<Shape>, Unsupported> {
    let result = function.results().next();
    reader.optional(result, 0).map_err(|error| error.inside("result"))
}

fn text_cases(result: Option<&Shape>) -> Vec<Box<str>> {
    let Some(Shape::Result(result)) = result else { return Vec::new() };
    let Some(Shape::Variant(error)) = &result.error else { return Vec::new() };
    let carries_text = |case: &&super::Case| matches!(case.payload, Some(Shape::String));
    error.cases.iter().filter(carries_text).map(|case| case.name.wit.clone()).collect()
}
