//! What the tests share: the data files of the repository's own tests, and every op and layer by its name.
#![allow(dead_code)]
use std::collections::HashMap;
use std::path::PathBuf;

use jt::{Context, DType, Result, Runtime, Tensor};

#[rustfmt::skip]
mod calls;

pub use calls::{build, call, NAMES};

/// A file below the repository's tests/.
pub fn data(path: &str) -> PathBuf {
    let source = std::env::var_os("JT_SOURCE_DIR").map(PathBuf::from);
    source.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../..")).join("tests").join(path)
}
pub fn read(path: &str) -> String {
    std::fs::read_to_string(data(path)).unwrap_or_else(|error| panic!("{}: {}", data(path).display(), error))
}

pub fn context() -> Context {
    let runtime = Runtime::builder().environment(true).without_disk_cache(true).build().unwrap();
    let ctx = Context::new(&runtime).unwrap();
    ctx.seed(1).unwrap(); // the same numbers each time
    ctx
}

pub fn dtype(name: &str) -> DType {
    use DType::*;
    let all = [Bool, I8, I16, I32, I64, U8, U16, U32, U64, F16, Bf16, F32, F64];
    all.iter().copied().find(|d| d.name() == name).unwrap_or_else(|| panic!("no dtype is called {}", name))
}

/// Attributes by name, as the data files write them: `[1,2]`, `true`, `0.5`, `"add"`, `f32`.
#[derive(Clone, Debug, Default)]
pub struct Given(pub HashMap<String, String>);

impl Given {
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
    fn word<'a, T>(&'a self, name: &str, fallback: Option<T>, parse: impl FnOnce(&'a str) -> T) -> T {
        match self.0.get(name) {
            Some(word) => parse(word),
            None => fallback.unwrap_or_else(|| panic!("{} is not given", name)),
        }
    }
    pub fn int(&self, name: &str, fallback: Option<i64>) -> i64 {
        self.word(name, fallback, |word| word.trim_matches(|c| c == '[' || c == ']').split(',').next().unwrap().parse().unwrap_or(0))
    }
    pub fn real(&self, name: &str, fallback: Option<f64>) -> f64 {
        self.word(name, fallback, |word| word.parse().unwrap_or_else(|_| panic!("{}={} is no number", name, word)))
    }
    pub fn flag(&self, name: &str, fallback: Option<bool>) -> bool {
        self.word(name, fallback.or(Some(false)), |word| word == "true" || word == "1")
    }
    pub fn dtype(&self, name: &str, fallback: Option<DType>) -> DType {
        self.word(name, fallback, dtype)
    }
    pub fn text(&self, name: &str, fallback: Option<&str>) -> String {
        self.word(name, fallback.or(Some("")).map(str::to_owned), |word| word.trim_matches('"').to_owned())
    }
    pub fn ints(&self, name: &str) -> Vec<i64> {
        self.word(name, Some(vec![]), |word| {
            let list = word.trim_start_matches('[').trim_end_matches(']');
            list.split(',').filter(|n| !n.is_empty()).map(|n| n.parse().unwrap()).collect()
        })
    }
    pub fn or_none<T>(&self, name: &str, read: impl FnOnce(&Self) -> T) -> Option<T> {
        (self.0[name] != "none").then(|| read(self))
    }
    pub fn operand<'a>(&self, x: &[&'a Tensor], i: usize) -> Result<&'a Tensor> {
        x.get(i).copied().ok_or_else(|| jt::Error::new(format!("operand {} is missing", i)))
    }
}

/// Bytes of numbers that are written as text.
pub fn bytes(dtype: DType, words: &[&str]) -> Vec<u8> {
    fn all<const N: usize>(words: &[&str], one: impl Fn(&str) -> [u8; N]) -> Vec<u8> {
        words.iter().flat_map(|word| one(word)).collect()
    }
    match dtype {
        DType::F64 => all(words, |w| w.parse::<f64>().unwrap().to_ne_bytes()),
        DType::F32 => all(words, |w| w.parse::<f32>().unwrap().to_ne_bytes()),
        DType::U64 => all(words, |w| w.parse::<u64>().unwrap().to_ne_bytes()),
        DType::I64 => all(words, |w| w.parse::<i64>().unwrap().to_ne_bytes()),
        DType::I32 | DType::U32 => all(words, |w| (w.parse::<i64>().unwrap() as u32).to_ne_bytes()),
        DType::I16 | DType::U16 => all(words, |w| (w.parse::<i64>().unwrap() as u16).to_ne_bytes()),
        DType::I8 | DType::U8 | DType::Bool => all(words, |w| [w.parse::<i64>().unwrap() as u8]),
        DType::F16 | DType::Bf16 => panic!("made by a cast"),
    }
}
/// A tensor of numbers that are written as text.
pub fn tensor(ctx: &Context, dtype: DType, shape: &[i64], words: &[&str]) -> Tensor {
    match dtype {
        DType::F16 | DType::Bf16 => tensor(ctx, DType::F64, shape, words).cast(dtype),
        _ => ctx.tensor_of_bytes(&bytes(dtype, words), dtype, shape).unwrap(),
    }
}
/// Its elements as numbers, whatever they are.
pub fn numbers(x: &Tensor) -> Vec<f64> {
    x.cast(DType::F64).to_vec().unwrap()
}
pub fn shape_of(text: &str) -> Vec<i64> {
    text.split(',').filter(|n| !n.is_empty()).map(|n| n.parse().unwrap()).collect()
}
