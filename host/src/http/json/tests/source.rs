//! Random shapes, values and JSON, made from a string of random bytes so that failures shrink with it.

use serde_json::{Map, Number, Value};
use wasmtime::component::Val;

use crate::http::json::decimal::Decimal;
use crate::runtime::shape::{Case, Field, ListForm, RecordForm, Shape};

/// Distinct whatever their case, as WIT wants them. Some share a camelCase name.
const NAMES: [&str; 12] =
    ["type", "id", "a1", "a-1", "first-name", "get-URL", "HTTP", "b-CD", "b-c-d", "items", "total", "x2-y"];

const WORDS: [&str; 8] = ["", "type", "some", "ok", "NaN", "1e5", "1970-01-01T00:00:00Z", "AAAA"];

pub struct Source<'a>(pub &'a [u8]);

impl Source<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    pub fn below(&mut self, bound: usize) -> usize {
        usize::from(self.byte()) % bound
    }

    /// Of any magnitude.
    fn wide(&mut self) -> u64 {
        let shift = self.below(64);
        u64::from_le_bytes(std::array::from_fn(|_| self.byte())) >> shift
    }

    fn names(&mut self, least: usize) -> Vec<&'static str> {
        let count = least + self.below(4);
        let first = self.below(NAMES.len());
        (0..count).map(|index| NAMES[(first + index) % NAMES.len()]).collect()
    }

    pub fn shape(&mut self, depth: usize) -> Shape {
        let leaves = 19;
        match self.below(if depth == 0 { leaves } else { leaves + 13 }) {
            0 => Shape::Bool,
            1 => Shape::S8,
            2 => Shape::U8,
            3 => Shape::S16,
            4 => Shape::U16,
            5 => Shape::S32,
            6 => Shape::U32,
            7 => Shape::S64,
            8 => Shape::U64,
            9 => Shape::Float32,
            10 => Shape::Float64,
            11 => Shape::Char,
            12 => Shape::String,
            13 => Shape::list(Shape::U8),
            14 => super::decimal(),
            15 => super::timestamp(),
            16 => Shape::enumeration(self.names(1)),
            17 => Shape::flags(self.names(1)),
            18 => Shape::tuple([]),
            _ => self.compound(depth - 1),
        }
    }

    fn compound(&mut self, depth: usize) -> Shape {
        match self.below(11) {
            0 => Shape::list(self.shape(depth)),
            1 => Shape::list(Shape::tuple([Shape::String, self.shape(depth)])),
            2 => Shape::list(Shape::tuple([Shape::enumeration(self.names(1)), self.shape(depth)])),
            3 => Shape::record([("items", Shape::list(self.shape(depth))), ("total", Shape::U64)]),
            4 => Shape::tuple((0..self.below(4)).map(|_| self.shape(depth)).collect::<Vec<_>>()),
            5 => Shape::option(self.shape(depth)),
            6 => Shape::option(Shape::option(self.shape(depth))),
            7 => Shape::result(self.payload(depth), self.payload(depth)),
            8 => self.variant(depth),
            9 => self.tagged(depth),
            _ => {
                let names = self.names(1);
                Shape::record(names.into_iter().map(|name| (name, self.shape(depth))).collect::<Vec<_>>())
            }
        }
    }

    fn payload(&mut self, depth: usize) -> Option<Shape> {
        (self.below(3) > 0).then(|| self.shape(depth))
    }

    fn variant(&mut self, depth: usize) -> Shape {
        let names = self.names(1);
        Shape::variant(names.into_iter().map(|name| (name, self.payload(depth))).collect::<Vec<_>>())
    }

    /// A record with a `type` and, before and behind it, variants of the same cases.
    fn tagged(&mut self, depth: usize) -> Shape {
        let names = self.names(1);
        let cases = |source: &mut Self| {
            Shape::variant(names.iter().map(|name| (*name, source.payload(depth))).collect::<Vec<_>>())
        };
        let fields = [
            ("first", cases(self)),
            ("type", Shape::enumeration(names.iter().copied())),
            ("data", Shape::option(cases(self))),
            ("other", self.shape(depth)),
        ];
        Shape::record(fields)
    }

    pub fn value(&mut self, shape: &Shape) -> Val {
        match shape {
            Shape::Bool => Val::Bool(self.byte() > 127),
            Shape::S8 => Val::S8(self.wide() as i8),
            Shape::U8 => Val::U8(self.wide() as u8),
            Shape::S16 => Val::S16(self.wide() as i16),
            Shape::U16 => Val::U16(self.wide() as u16),
            Shape::S32 => Val::S32(self.wide() as i32),
            Shape::U32 => Val::U32(self.wide() as u32),
            Shape::S64 => Val::S64(self.wide() as i64),
            Shape::U64 => Val::U64(self.wide()),
            Shape::Float32 => Val::Float32(f32::from_bits(self.wide() as u32)),
            Shape::Float64 => Val::Float64(f64::from_bits(self.wide())),
            Shape::Char => Val::Char(self.char()),
            Shape::String => Val::String(self.text()),
            Shape::Enum(names) => Val::Enum(names[self.below(names.len())].wit.to_string()),
            Shape::Flags(names) => {
                let names: Vec<_> = names.iter().filter(|_| self.byte() > 127).collect();
                Val::Flags(names.into_iter().map(|name| name.wit.to_string()).collect())
            }
            Shape::List(list) => {
                let most = if matches!(list.form, ListForm::Object { .. }) { 24 } else { 5 };
                let length = self.below(most);
                Val::List((0..length).map(|_| self.value(&list.element)).collect())
            }
            Shape::Tuple(shapes) => Val::Tuple(shapes.iter().map(|shape| self.value(shape)).collect()),
            Shape::Option(inner) => Val::Option((self.below(3) > 0).then(|| Box::new(self.value(inner)))),
            Shape::Result(result) => Val::Result(match self.below(2) {
                0 => Ok(result.ok.as_ref().map(|shape| Box::new(self.value(shape)))),
                _ => Err(result.error.as_ref().map(|shape| Box::new(self.value(shape)))),
            }),
            Shape::Variant(variant) => {
                let case = self.below(variant.cases.len());
                self.case(&variant.cases[case])
            }
            Shape::Record(record) => match record.form {
                RecordForm::Decimal => self.decimal(),
                RecordForm::Time => self.time(),
                RecordForm::Object | RecordForm::Page { .. } => self.record(&record.fields),
            },
        }
    }

    fn case(&mut self, case: &Case) -> Val {
        let payload = case.payload.as_ref().map(|shape| Box::new(self.value(shape)));
        Val::Variant(case.name.wit.to_string(), payload)
    }

    /// Tagged variants have the case that the tag tells.
    fn record(&mut self, fields: &[Field]) -> Val {
        let case = self.byte();
        let told = fields.iter().find_map(|field| field.tag);
        let mut values = Vec::new();
        for (index, field) in fields.iter().enumerate() {
            let value = match (field.shape.tagged_variant(), &field.shape) {
                (Some(variant), shape) if field.tag.is_some() => {
                    let value = self.case(&variant.cases[usize::from(case) % variant.cases.len()]);
                    match shape {
                        Shape::Option(_) => Val::Option((self.below(3) > 0).then_some(Box::new(value))),
                        _ => value,
                    }
                }
                (_, Shape::Enum(names)) if told == Some(index) => {
                    Val::Enum(names[usize::from(case) % names.len()].wit.to_string())
                }
                _ => self.value(&field.shape),
            };
            values.push((field.name.to_string(), value));
        }
        Val::Record(values)
    }

    /// With no more places than it needs.
    fn decimal(&mut self) -> Val {
        let mut out = Vec::new();
        Decimal { coefficient: self.wide() as i64, scale: self.below(19) as u8 }.write(&mut out);
        let Decimal { coefficient, scale } = Decimal::parse(std::str::from_utf8(&out).unwrap()).unwrap();
        super::record([("coefficient", Val::S64(coefficient)), ("scale", Val::U8(scale))])
    }

    fn time(&mut self) -> Val {
        let seconds = self.wide() % 253_402_300_800;
        let nanoseconds = (self.wide() % 1_000_000_000) as u32;
        super::record([("seconds", Val::U64(seconds)), ("nanoseconds", Val::U32(nanoseconds))])
    }

    fn char(&mut self) -> char {
        match self.below(4) {
            0 => char::from(b'a' + self.below(26) as u8),
            1 => char::from(self.below(0x40) as u8),
            2 => ['"', '\\', '\u{7f}', 'é', '世', '🦀', '\u{2028}', '-'][self.below(8)],
            _ => char::from_u32((self.wide() as u32) % 0x11_0000).unwrap_or('a'),
        }
    }

    pub fn text(&mut self) -> String {
        match self.below(4) {
            0 => WORDS[self.below(WORDS.len())].into(),
            _ => (0..self.below(24)).map(|_| self.char()).collect(),
        }
    }

    pub fn json(&mut self, depth: usize) -> Value {
        match self.below(if depth == 0 { 6 } else { 8 }) {
            0 => Value::Null,
            1 => Value::Bool(self.byte() > 127),
            2 => Value::Number(Number::from(self.wide())),
            3 => Value::Number(
                ["-0", "1e400", "-5.5", "0.10", "1e-30", "12345678901234567890"][self.below(6)].parse().unwrap(),
            ),
            4 | 5 => Value::String(self.text()),
            6 => Value::Array((0..self.below(5)).map(|_| self.json(depth - 1)).collect()),
            _ => Value::Object((0..self.below(5)).map(|_| (self.key(), self.json(depth - 1))).collect()),
        }
    }

    fn key(&mut self) -> String {
        let known = ["type", "value", "some", "ok", "error", "id", "a1", "data", "items", "firstName"];
        if self.below(4) == 0 { self.text() } else { known[self.below(known.len())].into() }
    }

    /// Puts something else in a few places.
    pub fn spoil(&mut self, json: &mut Value) {
        match self.below(12) {
            0 => *json = self.json(2),
            1 => *json = Value::Null,
            _ => match json {
                Value::Array(elements) => elements.iter_mut().for_each(|element| self.spoil(element)),
                Value::Object(members) => self.spoil_members(members),
                _ => {}
            },
        }
    }

    fn spoil_members(&mut self, members: &mut Map<String, Value>) {
        members.values_mut().for_each(|member| self.spoil(member));
        if self.below(6) == 0 {
            let (key, value) = (self.key(), self.json(1));
            members.insert(key, value);
        }
        if self.below(6) == 0 && !members.is_empty() {
            let key = members.keys().nth(self.below(members.len())).unwrap().clone();
            members.shift_remove(&key);
        }
    }
}
