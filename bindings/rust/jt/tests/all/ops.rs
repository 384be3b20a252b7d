//! Every op row through its method: the reference vectors of tests/ops and tests/ir, which all languages share.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use crate::support::{call, context, dtype, numbers, read, shape_of, tensor, Given, NAMES};
use jt::{Context, DType, ErrorKind, Tensor};

fn words_of(bits: &[u64], dtype: DType) -> Vec<u8> {
    let size = match dtype {
        DType::Bool | DType::I8 | DType::U8 => 1,
        DType::I16 | DType::U16 | DType::F16 | DType::Bf16 => 2,
        DType::I32 | DType::U32 | DType::F32 => 4,
        _ => 8,
    };
    bits.iter().flat_map(|b| b.to_le_bytes().into_iter().take(size)).collect()
}
fn bits_of(x: &Tensor) -> Vec<u64> {
    let bytes = x.to_bytes().unwrap();
    let size = bytes.len() / x.count().max(1);
    let word = |chunk: &[u8]| chunk.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
    bytes.chunks(size.max(1)).map(word).collect()
}

/// Units in the last place; 0 for two NaNs; very many where an integer or a zero's sign differs.
fn distance(dtype: DType, a: u64, b: u64) -> u64 {
    let (bits, infinity) = match dtype {
        DType::F16 => (16, 0x7c00),
        DType::Bf16 => (16, 0x7f80),
        DType::F32 => (32, 0x7f80_0000),
        DType::F64 => (64, 0x7ff0_0000_0000_0000),
        _ => return if a == b { 0 } else { u64::MAX },
    };
    let sign = 1u64 << (bits - 1);
    let is_nan = |v: u64| v & !sign > infinity;
    if a == b || (is_nan(a) && is_nan(b)) {
        return 0;
    }
    if is_nan(a) || is_nan(b) {
        return u64::MAX;
    }
    let ordered = |v: u64| if v & sign != 0 { -i128::from(v & !sign) } else { i128::from(v) };
    (ordered(a) - ordered(b)).unsigned_abs().max(1) as u64
}

const REDUCTIONS: [&str; 8] = ["sum", "prod", "max", "min", "any", "all", "argmax", "argmin"];

fn given(pairs: &[(&str, &str)]) -> Given {
    Given(pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect())
}

fn check_reduction(ctx: &Context, op: &str, type_in: DType, type_out: DType, bound: u64, words: &[u64]) {
    // 24 elements [4,6], then over axis 0, over axis 1, over both.
    for part in words.chunks_exact(35) {
        let x = ctx.tensor_of_bytes(&words_of(&part[..24], type_in), type_in, &[4, 6]).unwrap();
        for (axes, want) in [("[0]", &part[24..30]), ("[1]", &part[30..34]), ("[]", &part[34..])] {
            let got = call(ctx, op, &[&x], &given(&[("axes", axes)])).unwrap().remove(0);
            assert_eq!(got.dtype(), type_out);
            for (got, want) in bits_of(&got).into_iter().zip(want) {
                assert!(distance(type_out, got, *want) <= bound, "{} {:?} over {}: {:x} {:x}", op, type_in, axes, got, want);
            }
        }
    }
}

#[test]
fn element_cast_and_reduce_rows_give_their_reference_vectors() {
    let (ctx, text) = (context(), read("ops/vectors.txt"));
    let mut seen = BTreeSet::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let mut words = line.split(' ');
        let mut next = || words.next().unwrap();
        let (op, types, _, result, bound) = (next(), next(), next(), dtype(next()), next());
        let types: Vec<_> = types.split(',').map(dtype).collect();
        let bound: u64 = bound.trim_end_matches(':').parse().unwrap();
        let case = |word: &str| word.split(',').map(|bits| u64::from_str_radix(bits, 16).unwrap()).collect::<Vec<_>>();
        let cases: Vec<Vec<u64>> = words.filter(|word| !word.is_empty()).map(case).collect();
        if cases.is_empty() {
            continue;
        }
        seen.insert(op);
        if REDUCTIONS.contains(&op) {
            let words: Vec<u64> = cases.iter().map(|case| case[0]).collect();
            check_reduction(&ctx, op, types[0], result, bound, &words);
            continue;
        }
        let column = |i: usize| cases.iter().map(|case| case[i]).collect::<Vec<_>>();
        let operand = |(i, t): (usize, &DType)| ctx.tensor_of_bytes(&words_of(&column(i), *t), *t, &[cases.len() as i64]).unwrap();
        let operands: Vec<_> = types.iter().enumerate().map(operand).collect();
        let operands: Vec<_> = operands.iter().collect();
        let attrs = if op == "cast" { given(&[("dtype", result.name())]) } else { Given::default() };
        let got = call(&ctx, op, &operands, &attrs).unwrap().remove(0);
        assert_eq!(got.dtype(), result);
        for (got, case) in bits_of(&got).into_iter().zip(&cases) {
            assert!(distance(result, got, case[case.len() - 1]) <= bound, "{} {:?}: {:x} for {:x?}", op, types, got, case);
        }
    }
    assert!(seen.len() > 50, "{} rows", seen.len());
}

/// `f32[2,3] ~1e-6 1.5 2 ...`: the value, and the bound where one is given.
fn value(ctx: &Context, text: &str) -> (Tensor, f64) {
    let mut words: Vec<_> = text.split(' ').filter(|w| !w.is_empty()).collect();
    let (name, shape) = words.remove(0).split_once('[').unwrap();
    let bound = if words.first().map_or(false, |w| w.starts_with('~')) { words.remove(0)[1..].parse().unwrap() } else { 0.0 };
    (tensor(ctx, dtype(name), &shape_of(shape.trim_end_matches(']')), &words), bound)
}

/// `axis=1, combine="add", starts=[0,1]`.
fn attributes(text: &str) -> Given {
    let (mut out, mut depth, mut word) = (Given::default(), 0, String::new());
    for c in text.chars().chain([',']) {
        match c {
            '[' => depth += 1,
            ']' => depth -= 1,
            '"' => depth = if depth == 0 { 100 } else { 0 },
            _ => {}
        }
        if c != ',' || depth > 0 {
            word.push(c);
            continue;
        }
        if let Some((name, value)) = word.trim().split_once('=') {
            out.0.insert(name.to_owned(), value.to_owned());
        }
        word.clear();
    }
    out
}

struct Graph<'a> {
    steps: Vec<(Vec<&'a str>, &'a str, Vec<&'a str>, Given)>, // results, op, operands, attributes
    inputs: Vec<&'a str>,
    outputs: Vec<&'a str>,
    returned: Vec<&'a str>,
}

/// None: there is more in it than ops applied to values.
fn graph(text: &str) -> Option<Graph<'_>> {
    let mut out = Graph { steps: vec![], inputs: vec![], outputs: vec![], returned: vec![] };
    for line in text.lines().map(str::trim) {
        if let Some(rest) = line.strip_prefix("in ") {
            out.inputs.push(rest);
        } else if let Some(rest) = line.strip_prefix("out ") {
            out.outputs.push(rest);
        } else if let Some(rest) = line.strip_prefix("return ") {
            out.returned = rest.split(", ").collect();
        } else if let Some((results, rest)) = line.split_once(" = ") {
            let (rest, attrs) = rest.split_once('{').map_or((rest, ""), |(rest, attrs)| (rest, attrs.trim_end_matches('}')));
            let mut words = rest.split(' ').filter(|w| !w.is_empty());
            let op = words.next()?;
            if !NAMES.contains(&op) {
                return None;
            }
            out.steps.push((results.split(", ").collect(), op, words.collect(), attributes(attrs)));
        }
    }
    Some(out)
}

/// Cases with an index outside of its extent: what rows give for it stands in the vectors, and is had where nothing is checked.
const OUTSIDE: &[&str] =
    &["take", "scatter_add", "scatter set", "scatter add", "scatter mul", "scatter max", "scatter min", "embedding", "one_hot", "nll"];

fn looks_at_indices() -> bool {
    std::env::var_os("JT_CHECK").map_or(true, |check| check != "0")
}

fn check_graph(ctx: &Context, name: &str, graph: &Graph<'_>, seen: &RefCell<BTreeSet<String>>) {
    let mut values: BTreeMap<String, Tensor> = BTreeMap::new();
    for (i, text) in graph.inputs.iter().enumerate() {
        values.insert(format!("%{}", i), value(ctx, text).0);
    }
    for (results, op, operands, attrs) in &graph.steps {
        let operands: Vec<_> = operands.iter().map(|name| &values[*name]).collect();
        let made = call(ctx, op, &operands, attrs).unwrap_or_else(|error| panic!("{}: {}", name, error));
        seen.borrow_mut().insert(op.to_string());
        for (name, tensor) in results.iter().zip(made) {
            values.insert(name.to_string(), tensor);
        }
    }
    assert_eq!(graph.returned.len(), graph.outputs.len(), "{}", name);
    for (result, text) in graph.returned.iter().zip(&graph.outputs) {
        let (got, (want, bound)) = (&values[*result], value(ctx, text));
        if OUTSIDE.contains(&name) && looks_at_indices() {
            let error = got.to_bytes().err().unwrap_or_else(|| panic!("{}: an index is outside of its extent", name));
            assert_eq!(error.kind(), ErrorKind::Index, "{}: {}", name, error);
            continue;
        }
        assert_eq!(got.ty(), want.ty(), "{}", name);
        let bound = if bound > 0.0 { bound } else { 1e-12 };
        for (a, b) in numbers(got).into_iter().zip(numbers(&want)) {
            let is_same = a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= bound * (1.0 + b.abs());
            assert!(is_same, "{}: {} is not {}", name, a, b);
        }
    }
}

#[test]
fn graphs_of_the_other_rows_give_their_reference_values_and_no_row_is_left_out() {
    let (ctx, text, seen) = (context(), read("ir/data/vectors.txt"), RefCell::new(BTreeSet::new()));
    let (mut applied, mut all) = (0, 0);
    for case in text.split("case ").skip(1) {
        let (name, rest) = case.split_once('\n').unwrap();
        all += 1;
        if let Some(graph) = graph(rest) {
            check_graph(&ctx, name, &graph, &seen);
            applied += 1;
        }
    }
    assert!(applied * 10 >= all * 7, "{} of {} graphs", applied, all);
    for line in read("ops/vectors.txt").lines().filter(|line| !line.starts_with('#')) {
        seen.borrow_mut().insert(line.split(' ').next().unwrap().to_owned());
    }
    let missing: Vec<_> = NAMES.iter().filter(|name| !seen.borrow().contains(**name)).collect();
    assert!(missing.is_empty(), "rows without a reference value: {:?}", missing);
}

#[test]
fn operators_and_numbers_are_the_ops_they_stand_for() {
    let ctx = context();
    let x = ctx.tensor(&[1.0f32, -2.5, 3.0], &[3]).unwrap();
    let y = ctx.tensor(&[2.0f32, 2.0, 2.0], &[3]).unwrap();
    let read = |t: Tensor| t.to_vec::<f32>().unwrap();
    assert_eq!(read(&x + &y), [3.0, -0.5, 5.0]);
    assert_eq!(read(x.clone() - &y * 2.0), [-3.0, -6.5, -1.0]);
    assert_eq!(read(1.0 / &y), [0.5; 3]);
    assert_eq!(read(7 - x.clone()), [6.0, 9.5, 4.0]);
    assert_eq!(read(-&x % 2.0), [1.0, 0.5, 1.0]); // the sign of the divisor, as in Python
    let i = ctx.tensor(&[6i32, 5], &[2]).unwrap();
    assert_eq!((&i & 3).to_vec::<i32>().unwrap(), [2, 1]);
    assert_eq!((&i * 0.5).dtype(), DType::F32);
    assert_eq!((&i + 1).dtype(), DType::I32);
    assert_eq!((!&i).to_vec::<i32>().unwrap(), [-7, -6]);
    assert_eq!(x.where_(&y, 0.0).to_vec::<f32>().unwrap(), [2.0; 3]);
}
