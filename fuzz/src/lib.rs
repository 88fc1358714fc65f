//! What several fuzz targets need: types in words, random values, measures of both, and words.

pub mod measure;
pub mod text;
pub mod value;
pub mod words;
