//! Making shapes, and recognising by structure those with a form of their own.

use std::sync::Arc;

use super::{Case, Field, ListForm, ListShape, RecordForm, RecordShape, ResultShape, Shape, VariantShape, names};

impl Shape {
    pub fn list(element: Shape) -> Self {
        let form = list_form(&element);
        Self::List(Arc::new(ListShape { element, form }))
    }

    /// A record of fields under their WIT names.
    ///
    /// A field beside `type: enum {…}` is tagged by it when it is a variant of the same cases in the same
    /// order, or an option of such a variant. In the option, a case must not look like its absence: each
    /// must have a payload, and none that is an option itself.
    pub fn record<N: Into<Box<str>>>(fields: impl IntoIterator<Item = (N, Shape)>) -> Self {
        let mut fields = names::members(fields.into_iter().map(|(name, shape)| (name.into(), shape)).collect());
        tag_siblings(&mut fields);
        let form = record_form(&fields);
        Self::Record(Arc::new(RecordShape { fields, form }))
    }

    pub fn tuple(elements: impl IntoIterator<Item = Shape>) -> Self {
        Self::Tuple(elements.into_iter().collect())
    }

    pub fn variant<'a>(cases: impl IntoIterator<Item = (&'a str, Option<Shape>)>) -> Self {
        let cases = cases.into_iter().map(|(name, payload)| Case { name: names::snake_case(name), payload });
        Self::Variant(Arc::new(VariantShape { cases: cases.collect() }))
    }

    pub fn enumeration<'a>(cases: impl IntoIterator<Item = &'a str>) -> Self {
        Self::Enum(cases.into_iter().map(names::snake_case).collect())
    }

    pub fn option(inner: Shape) -> Self {
        Self::Option(Arc::new(inner))
    }

    pub fn result(ok: Option<Shape>, error: Option<Shape>) -> Self {
        Self::Result(Arc::new(ResultShape { ok, error }))
    }

    pub fn flags<'a>(flags: impl IntoIterator<Item = &'a str>) -> Self {
        Self::Flags(flags.into_iter().map(names::snake_case).collect())
    }
}

fn list_form(element: &Shape) -> ListForm {
    match element {
        Shape::U8 => ListForm::Bytes,
        Shape::Tuple(parts) => match &**parts {
            [key @ (Shape::String | Shape::Enum(_)), value] => {
                ListForm::Object { key: key.clone(), value: value.clone() }
            }
            _ => ListForm::Array,
        },
        _ => ListForm::Array,
    }
}

fn record_form(fields: &[Field]) -> RecordForm {
    let [first, second] = fields else { return RecordForm::Object };
    match ((&*first.name, &first.shape), (&*second.name, &second.shape)) {
        (("coefficient", Shape::S64), ("scale", Shape::U8)) => RecordForm::Decimal,
        (("seconds", Shape::U64), ("nanoseconds", Shape::U32)) => RecordForm::Time,
        (("items", Shape::List(_)), ("total", Shape::U64 | Shape::U32)) => RecordForm::Page { items: 0, total: 1 },
        (("total", Shape::U64 | Shape::U32), ("items", Shape::List(_))) => RecordForm::Page { items: 1, total: 0 },
        _ => RecordForm::Object,
    }
}

fn tag_siblings(fields: &mut [Field]) {
    let Some(tag) = fields.iter().position(|field| &*field.name == "type") else { return };
    let Shape::Enum(tags) = fields[tag].shape.clone() else { return };
    for field in fields {
        let optional = matches!(field.shape, Shape::Option(_));
        let Some(variant) = field.shape.tagged_variant() else { continue };
        let same = variant.cases.iter().map(|case| &case.name).eq(tags.iter());
        let distinct = !optional || variant.cases.iter().all(has_solid_payload);
        if same && distinct {
            field.tag = Some(tag);
        }
    }
}

fn has_solid_payload(case: &Case) -> bool {
    !matches!(case.payload, None | Some(Shape::Option(_)))
}
