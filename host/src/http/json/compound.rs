//! JSON to values that are made of others.

use serde_json::{Map, Value};
use wasmtime::component::Val;

use super::decode::{Decoder, NAME_BYTES, position};
use super::error::{At, Found};
use crate::runtime::shape::{
    Case, Field, ListForm, ListShape, RecordForm, RecordShape, ResultShape, Shape, VariantShape,
};

impl Decoder {
    pub(super) fn record(&mut self, record: &RecordShape, json: &Value, at: &At) -> Option<Val> {
        match record.form {
            RecordForm::Decimal => self.decimal(json, at),
            RecordForm::Time => self.time(json, at),
            RecordForm::Object | RecordForm::Page { .. } => match json {
                Value::Object(members) => self.members(&record.fields, members, at).map(Val::Record),
                _ => self.mismatch("an object", json, at),
            },
        }
    }

    pub(super) fn members(
        &mut self,
        fields: &[Field],
        members: &Map<String, Value>,
        at: &At,
    ) -> Option<Vec<(String, Val)>> {
        self.take(fields.len(), size_of::<(String, Val)>() + NAME_BYTES, at)?;
        let mut values = Vec::with_capacity(fields.len());
        let mut known = 0;
        for field in fields {
            let json = members.get(&*field.json);
            known += usize::from(json.is_some());
            let place = at.member(&field.json);
            let value = match field.tag.and_then(|tag| fields.get(tag)) {
                Some(tag) => self.tagged(field, tag, members, &place),
                None => self.member(&field.shape, json, &place),
            };
            values.extend(value.map(|value| (field.name.to_string(), value)));
        }
        if known < members.len() {
            self.unknown(fields, members, at);
        }
        (values.len() == fields.len()).then_some(values)
    }

    fn member(&mut self, shape: &Shape, json: Option<&Value>, at: &At) -> Option<Val> {
        match (json, shape) {
            (Some(json), _) => self.value(shape, json, at),
            (None, Shape::Option(_)) => Some(Val::Option(None)),
            (None, _) => self.wrong("is required", at),
        }
    }

    fn unknown(&mut self, fields: &[Field], members: &Map<String, Value>, at: &At) {
        let is_known = |name: &str| fields.iter().any(|field| *field.json == *name);
        for name in members.keys().filter(|name| !is_known(name)) {
            if self.is_full() {
                return;
            }
            self.not_a_field(fields, &at.member(name));
        }
    }

    pub(super) fn not_a_field(&mut self, fields: &[Field], at: &At) {
        let names: Vec<&str> = fields.iter().map(|field| &*field.json).collect();
        let known = if names.is_empty() { "it has none".into() } else { format!("known are {}", names.join(", ")) };
        self.wrong::<()>(format!("is not a field of this request; {known}"), at);
    }

    /// A variant whose case the sibling `type` tells. What is wrong with `type` itself is told there.
    fn tagged(&mut self, field: &Field, tag: &Field, members: &Map<String, Value>, at: &At) -> Option<Val> {
        let json = members.get(&*field.json).filter(|json| !json.is_null());
        let variant = field.shape.tagged_variant()?;
        let optional = matches!(field.shape, Shape::Option(_));
        if optional && json.is_none() {
            return Some(Val::Option(None));
        }
        let Shape::Enum(tags) = &tag.shape else { return None };
        let told = members.get(&*tag.json).and_then(Value::as_str);
        let case = variant.cases.get(told.and_then(|told| position(tags, told))?)?;
        let payload = match (&case.payload, json) {
            (None, None) => None,
            (None, Some(json)) => {
                let case = &case.name.json;
                return self.wrong(format!("expected nothing beside type {case}, found {}", Found(json)), at);
            }
            (Some(shape), json) => Some(Box::new(self.member(shape, json, at)?)),
        };
        let value = Val::Variant(case.name.wit.to_string(), payload);
        Some(if optional { Val::Option(Some(Box::new(value))) } else { value })
    }

    pub(super) fn list(&mut self, list: &ListShape, json: &Value, at: &At) -> Option<Val> {
        match (&list.form, json) {
            (ListForm::Bytes, _) => self.bytes(json, at),
            (ListForm::Object { key, value }, Value::Object(members)) => self.pairs(key, value, members, at),
            (_, Value::Array(elements)) => self.elements(&list.element, elements, at),
            (ListForm::Object { .. }, _) => self.mismatch("an object", json, at),
            (ListForm::Array, _) => self.mismatch("an array", json, at),
        }
    }

    fn elements(&mut self, element: &Shape, elements: &[Value], at: &At) -> Option<Val> {
        self.take(elements.len(), size_of::<Val>(), at)?;
        let mut values = Vec::with_capacity(elements.len());
        for (index, json) in elements.iter().enumerate() {
            match self.value(element, json, &At::Index(at, index)) {
                Some(value) => values.push(value),
                None if self.is_full() => return None,
                None => {}
            }
        }
        (values.len() == elements.len()).then_some(Val::List(values))
    }

    fn pairs(&mut self, key: &Shape, value: &Shape, members: &Map<String, Value>, at: &At) -> Option<Val> {
        self.take(members.len(), 3 * size_of::<Val>() + NAME_BYTES, at)?;
        let mut pairs = Vec::with_capacity(members.len());
        for (name, json) in members {
            let place = at.member(name);
            let key = match key {
                Shape::Enum(_) => self.value(key, &Value::String(name.clone()), &place),
                _ => self.take(name.len(), 1, &place).map(|()| Val::String(name.clone())),
            };
            let value = self.value(value, json, &place);
            match (key, value) {
                (Some(key), Some(value)) => pairs.push(Val::Tuple(vec![key, value])),
                _ if self.is_full() => return None,
                _ => {}
            }
        }
        (pairs.len() == members.len()).then_some(Val::List(pairs))
    }

    pub(super) fn tuple(&mut self, elements: &[Shape], json: &Value, at: &At) -> Option<Val> {
        let Value::Array(array) = json else {
            return self.mismatch(format_args!("an array of {}", elements.len()), json, at);
        };
        if array.len() != elements.len() {
            let message = format!("expected an array of {}, found an array of {}", elements.len(), array.len());
            return self.wrong(message, at);
        }
        let mut values = Vec::with_capacity(elements.len());
        for (index, (shape, json)) in elements.iter().zip(array).enumerate() {
            values.extend(self.value(shape, json, &At::Index(at, index)));
        }
        (values.len() == elements.len()).then_some(Val::Tuple(values))
    }

    pub(super) fn variant(&mut self, variant: &VariantShape, json: &Value, at: &At) -> Option<Val> {
        let Value::Object(members) = json else {
            return self.mismatch("an object with type and value", json, at);
        };
        self.only(&["type", "value"], members, at);
        let place = at.member("type");
        let Some(told) = members.get("type") else { return self.wrong("is required", &place) };
        let found = told.as_str().and_then(|told| variant.cases.iter().find(|case| *case.name.json == *told));
        let Some(case) = found else {
            let names: Vec<&str> = variant.cases.iter().map(|case| &*case.name.json).collect();
            return self.mismatch(format_args!("one of {}", names.join(" | ")), told, &place);
        };
        self.take(1, size_of::<Val>() + NAME_BYTES, at)?;
        let payload = self.payload(case, members.get("value"), &at.member("value"))?;
        Some(Val::Variant(case.name.wit.to_string(), payload))
    }

    fn payload(&mut self, case: &Case, json: Option<&Value>, at: &At) -> Option<Option<Box<Val>>> {
        match (&case.payload, json) {
            (Some(shape), json) => self.member(shape, json, at).map(|value| Some(Box::new(value))),
            (None, None | Some(Value::Null)) => Some(None),
            (None, Some(json)) => {
                let case = &case.name.json;
                self.wrong(format!("expected nothing beside type {case}, found {}", Found(json)), at)
            }
        }
    }

    pub(super) fn option(&mut self, inner: &Shape, json: &Value, at: &At) -> Option<Val> {
        if json.is_null() {
            return Some(Val::Option(None));
        }
        self.take(1, size_of::<Val>(), at)?;
        let value = match (inner, json) {
            (Shape::Option(_), Value::Object(members)) => {
                self.only(&["some"], members, at);
                self.member_named("some", inner, members, at)
            }
            (Shape::Option(_), _) => self.mismatch("null or an object with some", json, at),
            _ => self.value(inner, json, at),
        };
        value.map(|value| Val::Option(Some(Box::new(value))))
    }

    /// A member that must be there, even where its value may be null.
    fn member_named(&mut self, name: &str, shape: &Shape, members: &Map<String, Value>, at: &At) -> Option<Val> {
        match members.get(name) {
            Some(json) => self.value(shape, json, &at.member(name)),
            None => self.wrong("is required", &at.member(name)),
        }
    }

    pub(super) fn result(&mut self, result: &ResultShape, json: &Value, at: &At) -> Option<Val> {
        let Value::Object(members) = json else {
            return self.mismatch("an object with ok or error", json, at);
        };
        self.only(&["ok", "error"], members, at);
        self.take(1, size_of::<Val>(), at)?;
        match (members.get("ok"), members.get("error")) {
            (Some(json), None) => {
                let value = self.outcome(result.ok.as_ref(), json, &at.member("ok"))?;
                Some(Val::Result(Ok(value)))
            }
            (None, Some(json)) => {
                let value = self.outcome(result.error.as_ref(), json, &at.member("error"))?;
                Some(Val::Result(Err(value)))
            }
            _ => self.wrong("expected either ok or error", at),
        }
    }

    fn outcome(&mut self, shape: Option<&Shape>, json: &Value, at: &At) -> Option<Option<Box<Val>>> {
        match shape {
            Some(shape) => self.value(shape, json, at).map(|value| Some(Box::new(value))),
            None if json.is_null() => Some(None),
            None => self.mismatch("null", json, at),
        }
    }

    fn only(&mut self, known: &[&str], members: &Map<String, Value>, at: &At) {
        for name in members.keys().filter(|name| !known.contains(&name.as_str())) {
            if self.is_full() {
                return;
            }
            let message = format!("is not a field of this request; known are {}", known.join(", "));
            self.wrong::<()>(message, &at.member(name));
        }
    }
}
