//! Every layer row, made by its builder, against the vectors of tests/nn, which all languages share.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::{build, context, numbers, read, shape_of, tensor, Given};
use jt::{nn, Context, DType, Tensor};

type Values<'a> = BTreeMap<&'a str, (Vec<i64>, Vec<&'a str>)>;

#[derive(Default)]
struct Case<'a> {
    kind: &'a str,
    is_training: bool,
    fields: Given,
    values: BTreeMap<&'a str, Values<'a>>, // by the word before them: in, out, grad
}

fn cases(text: &str) -> Vec<Case<'_>> {
    let mut out: Vec<Case<'_>> = vec![];
    for line in text.lines() {
        let mut words = line.split(' ').filter(|w| !w.is_empty());
        let (what, name) = match (words.next(), words.next()) {
            (Some(what), Some(name)) => (what, name),
            _ => continue,
        };
        if what == "case" {
            let is_training = words.next() == Some("train");
            let pair = |word: &str| word.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())).unwrap();
            out.push(Case { kind: name, is_training, fields: Given(words.map(pair).collect()), ..Case::default() });
            continue;
        }
        let shape = shape_of(words.next().unwrap().trim_matches(|c| c == '[' || c == ']'));
        out.last_mut().unwrap().values.entry(what).or_default().insert(name, (shape, words.collect()));
    }
    out
}

fn expect(what: &str, got: &Tensor, want: &(Vec<i64>, Vec<&str>), bound: f64) {
    assert_eq!(got.shape(), want.0, "{}", what);
    for (got, want) in numbers(got).into_iter().zip(&want.1) {
        let want: f64 = want.parse().unwrap();
        assert!((got - want).abs() <= bound * (1.0 + want.abs()) || got == want, "{}: {} is not {}", what, got, want);
    }
}

fn run(ctx: &Context, case: &Case<'_>, dtype: DType, bound: f64) {
    let mut fields = case.fields.clone();
    fields.0.insert("dtype".to_owned(), dtype.name().to_owned());
    let none = Values::new();
    let values = |what: &str| case.values.get(what).unwrap_or(&none);
    let made = |(shape, words): &(Vec<i64>, Vec<&str>), dtype| {
        let whole: Vec<String> = words.iter().map(|w| w.parse::<f64>().unwrap().to_string()).collect();
        tensor(ctx, dtype, shape, &whole.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let layer = build(ctx, case.kind, &fields).unwrap();
    layer.train(case.is_training).unwrap();
    for (name, value) in values("set") {
        match layer.get(name) {
            Ok(old) => old.assign(&made(value, old.dtype())).unwrap(),
            Err(_) => layer.set(name, Some(&made(value, dtype))).unwrap(),
        }
    }
    let mut inputs = vec![];
    for i in 0.. {
        let name = i.to_string();
        if let Some(value) = values("in").get(name.as_str()) {
            inputs.push(made(value, dtype).requiring_grad().unwrap());
        } else if let Some(value) = values("int").get(name.as_str()) {
            inputs.push(made(value, DType::I64));
        } else {
            break;
        }
    }
    let outputs = layer.forward_all(&inputs.iter().map(Some).collect::<Vec<_>>()).unwrap();
    let mut total = ctx.scalar(0.0, dtype).unwrap();
    for (i, output) in outputs.iter().enumerate() {
        let name = i.to_string();
        expect(case.kind, output, &values("out")[name.as_str()], bound);
        total = total + (output * made(&values("dy")[name.as_str()], dtype)).sum(&[], false);
    }
    for (name, want) in values("grad") {
        let of = name.parse::<usize>().map_or_else(|_| layer.get(name).unwrap(), |i| inputs[i].clone());
        match total.grad_with(&[&of], None, true) {
            Ok(grads) => expect(name, &grads[0], want, bound),
            // A value that the result does not depend on has a gradient of zeros in the file.
            Err(_) => assert!(want.1.iter().all(|w| w.parse::<f64>() == Ok(0.0)), "{} {}", case.kind, name),
        }
    }
    for (name, want) in values("after") {
        expect(name, &layer.get(name).unwrap(), want, bound);
    }
}

#[test]
fn layers_give_what_pytorch_gives() {
    let (ctx, text) = (context(), read("nn/vectors.txt"));
    let mut seen = BTreeSet::new();
    for case in cases(&text) {
        run(&ctx, &case, DType::F64, 1e-11);
        seen.insert(case.kind);
    }
    // Without vectors there: their value follows from others.
    let x = ctx.ones(&[2, 3, 4], DType::F32).unwrap();
    for (kind, layer) in [
        ("RMSNorm", nn::RMSNorm::new(4).build(&ctx)),
        ("Dropout1d", nn::Dropout1d::new().p(0.0).build(&ctx)),
        ("Dropout3d", nn::Dropout3d::new().p(0.0).build(&ctx)),
        ("DropPath", nn::DropPath::new().p(0.0).build(&ctx)),
    ] {
        let x = if kind == "Dropout3d" { x.reshape(&[2, 3, 4, 1, 1]) } else { x.clone() };
        assert!(numbers(&layer.forward(&x)).iter().all(|v| (v - 1.0).abs() < 1e-5), "{}", kind);
        seen.insert(kind);
    }
    for kind in nn::KINDS.iter().filter(|kind| **kind != "Module" && **kind != "Sequential") {
        assert!(seen.contains(kind), "{} has no vector", kind);
    }
}

#[test]
fn trees_have_names_and_checkpoints() {
    let ctx = context();
    let block = nn::Sequential::new().push("fc", nn::Linear::new(3, 2).bias(false)).push("act", nn::Tanh::new());
    let net = nn::Sequential::new().push("block", block).push("norm", nn::BatchNorm1d::new(2).momentum(None)).build(&ctx);
    let names = net.state_names().unwrap();
    assert_eq!(&names[..3], ["block.fc.weight", "norm.weight", "norm.bias"]);
    assert_eq!(net.child("block.fc").unwrap().kind(), "Linear");
    let path = std::env::temp_dir().join(format!("jt_layers_{}.safetensors", std::process::id()));
    net.save(&path).unwrap();
    let weight = net.get("block.fc.weight").unwrap();
    let before = weight.to_vec::<f32>().unwrap();
    weight.write(&[0.0f32; 6]).unwrap();
    net.load(&path).unwrap();
    assert_eq!(net.get("block.fc.weight").unwrap().to_vec::<f32>().unwrap(), before);
    std::fs::remove_file(path).unwrap();
}
