//! Gradients of fifty rows against finite differences, in f64.

use crate::support::{call, context, Given};
use jt::{Context, DType, Tensor};

/// A row, the interval its operands are drawn from, their shapes, its attributes.
type Row = (&'static str, (f64, f64), &'static [&'static [i64]], &'static [(&'static str, &'static str)]);

const N: &[i64] = &[5];
const ROWS: &[Row] = &[
    ("neg", (-1.0, 1.0), &[N], &[]),
    ("square", (-2.0, 2.0), &[N], &[]),
    ("reciprocal", (0.5, 2.0), &[N], &[]),
    ("exp", (-1.0, 1.0), &[N], &[]),
    ("exp2", (-1.0, 1.0), &[N], &[]),
    ("expm1", (-1.0, 1.0), &[N], &[]),
    ("log", (0.5, 2.0), &[N], &[]),
    ("log2", (0.5, 2.0), &[N], &[]),
    ("log1p", (-0.5, 2.0), &[N], &[]),
    ("sqrt", (0.5, 2.0), &[N], &[]),
    ("rsqrt", (0.5, 2.0), &[N], &[]),
    ("cbrt", (0.5, 2.0), &[N], &[]),
    ("sin", (-1.0, 1.0), &[N], &[]),
    ("cos", (-1.0, 1.0), &[N], &[]),
    ("tan", (-1.0, 1.0), &[N], &[]),
    ("asin", (-0.8, 0.8), &[N], &[]),
    ("acos", (-0.8, 0.8), &[N], &[]),
    ("atan", (-1.0, 1.0), &[N], &[]),
    ("sinh", (-1.0, 1.0), &[N], &[]),
    ("cosh", (-1.0, 1.0), &[N], &[]),
    ("tanh", (-1.0, 1.0), &[N], &[]),
    ("asinh", (-1.0, 1.0), &[N], &[]),
    ("atanh", (-0.8, 0.8), &[N], &[]),
    ("erf", (-1.0, 1.0), &[N], &[]),
    ("sigmoid", (-2.0, 2.0), &[N], &[]),
    ("gelu", (-1.0, 1.0), &[N], &[]),
    ("silu", (-1.0, 1.0), &[N], &[]),
    ("softplus", (-1.0, 1.0), &[N], &[]),
    ("mish", (-1.0, 1.0), &[N], &[]),
    ("add", (-1.0, 1.0), &[&[2, 1, 3], &[4, 1]], &[]),
    ("sub", (-1.0, 1.0), &[&[3], &[2, 3]], &[]),
    ("mul", (-1.0, 1.0), &[&[2, 1, 3], &[4, 1]], &[]),
    ("div", (0.5, 2.0), &[&[2, 3], &[3]], &[]),
    ("pow", (0.5, 2.0), &[N, N], &[]),
    ("atan2", (0.5, 2.0), &[N, N], &[]),
    ("hypot", (0.5, 2.0), &[N, N], &[]),
    ("sum", (-1.0, 1.0), &[&[3, 4]], &[("axes", "[1]")]),
    ("prod", (0.5, 2.0), &[&[3, 4]], &[("axes", "[0]"), ("keepdims", "1")]),
    ("mean", (-1.0, 1.0), &[&[3, 4]], &[]),
    ("var", (-1.0, 1.0), &[&[3, 4]], &[("axes", "[1]"), ("correction", "1")]),
    ("softmax", (-1.0, 1.0), &[&[3, 4]], &[]),
    ("log_softmax", (-1.0, 1.0), &[&[3, 4]], &[("axis", "0")]),
    ("matmul", (-1.0, 1.0), &[&[3, 4], &[4, 2]], &[]),
    ("conv2d", (-1.0, 1.0), &[&[1, 2, 4, 4], &[3, 2, 3, 3]], &[("padding", "[1,1,1,1]")]),
    ("avg_pool2d", (-1.0, 1.0), &[&[1, 2, 4, 4]], &[("size", "[2,2]")]),
    ("layer_norm", (-1.0, 1.0), &[&[2, 4], &[4], &[4]], &[]),
    ("transpose", (-1.0, 1.0), &[&[2, 3]], &[("axes", "[1,0]")]),
    ("pad", (-1.0, 1.0), &[&[3]], &[("before", "[1]"), ("after", "[2]")]),
    ("slice", (-1.0, 1.0), &[&[4, 3]], &[("starts", "[1,0]"), ("stops", "[4,3]"), ("steps", "[2,1]")]),
    ("concat", (-1.0, 1.0), &[&[2, 3], &[1, 3]], &[]),
];

fn weighted(ctx: &Context, row: &Row, inputs: &[&Tensor]) -> Tensor {
    let attrs = Given(row.3.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect());
    let y = call(ctx, row.0, inputs, &attrs).unwrap().remove(0);
    let weights: Vec<f64> = (0..y.count()).map(|i| 0.3 + 0.17 * (i % 7) as f64).collect();
    (&y * ctx.tensor(&weights, &y.shape()).unwrap()).sum(&[], false)
}

#[test]
fn gradients_are_the_slopes() {
    let ctx = context();
    const STEP: f64 = 1e-5;
    for row in ROWS {
        let (low, high) = row.1;
        let draw = |shape: &&[i64]| ctx.random_uniform(shape, low, high, DType::F64).unwrap().requiring_grad().unwrap();
        let inputs: Vec<_> = row.2.iter().map(draw).collect();
        let inputs: Vec<_> = inputs.iter().collect();
        let grads = weighted(&ctx, row, &inputs).grad(&inputs).unwrap();
        for (k, x) in inputs.iter().enumerate() {
            let (at, slopes) = (x.to_vec::<f64>().unwrap(), grads[k].to_vec::<f64>().unwrap());
            for i in 0..at.len() {
                let end = |step: f64| {
                    let mut moved = at.clone();
                    moved[i] += step;
                    let moved = ctx.tensor(&moved, &x.shape()).unwrap();
                    let mut all = inputs.clone();
                    all[k] = &moved;
                    weighted(&ctx, row, &all).item().unwrap()
                };
                let slope = (end(STEP) - end(-STEP)) / (2.0 * STEP);
                let is_near = (slope - slopes[i]).abs() <= 1e-7 + 1e-6 * slope.abs();
                assert!(is_near, "{}: operand {} element {}: {} is not {}", row.0, k, i, slopes[i], slope);
            }
        }
    }
    assert!(ROWS.len() >= 40);
}

#[test]
fn second_order_and_gathered_gradients() {
    let ctx = context();
    let x = ctx.tensor(&[1.0f64, 2.0], &[2]).unwrap().requiring_grad().unwrap();
    let dx = (&x * &x * &x).sum(&[], false).grad_with(&[&x], None, true).unwrap().remove(0);
    assert_eq!(dx.sum(&[], false).grad(&[&x]).unwrap()[0].to_vec::<f64>().unwrap(), [6.0, 12.0]);
    assert!(x.gradient().unwrap().is_none());
    for _ in 0..2 {
        (&x * 3.0).sum(&[], false).backward().unwrap();
    }
    assert_eq!(x.gradient().unwrap().unwrap().to_vec::<f64>().unwrap(), [6.0, 6.0]);
    x.zero_gradient().unwrap();
    assert!(x.gradient().unwrap().is_none());
    let y = ctx.no_grad(|| &x * 2.0).unwrap();
    assert!(y.sum(&[], false).grad(&[&x]).is_err());
    assert!((&x.detach().unwrap() * 2.0).sum(&[], false).grad(&[&x]).is_err());
}
