//! Bench row 20, Rust's part: `&a + &b` with its drop, beside the two calls of the C API that it stands for, in turn.
use std::ptr;
use std::time::Instant;

use jt::{sys, Context, Runtime, Tensor};

const CALLS: usize = 1000;
const RUNS: usize = 300;

fn nanoseconds(run: impl FnOnce()) -> f64 {
    let begin = Instant::now();
    run();
    begin.elapsed().as_secs_f64() * 1e9 / CALLS as f64
}
fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

// What a C program does: handles of its own, one addition, one release.
struct C {
    ctx: *mut sys::jt_context,
    a: *mut sys::jt_tensor,
    b: *mut sys::jt_tensor,
}
impl C {
    unsafe fn new() -> Self {
        let (mut rt, mut ctx, mut a, mut b) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
        assert_eq!(sys::jt_runtime_create(&sys::jt_runtime_desc::default(), &mut rt), sys::JT_OK);
        assert_eq!(sys::jt_context_create(rt, &mut ctx), sys::JT_OK);
        for out in [&mut a, &mut b] {
            assert_eq!(sys::jt_zeros(ctx, &4, 1, sys::JT_F32, out), sys::JT_OK);
        }
        Self { ctx, a, b }
    }
    unsafe fn add(&self) {
        for _ in 0..CALLS {
            let mut out = ptr::null_mut();
            if sys::jt_add(self.ctx, self.a, self.b, &mut out) != sys::JT_OK {
                panic!("an addition failed");
            }
            sys::jt_tensor_release(out);
        }
    }
}

fn add(a: &Tensor, b: &Tensor) {
    for _ in 0..CALLS {
        drop(a + b);
    }
}

fn main() {
    let ctx = Context::new(&Runtime::builder().build().unwrap()).unwrap();
    let (a, b) = (ctx.zeros(&[4], jt::DType::F32).unwrap(), ctx.zeros(&[4], jt::DType::F32).unwrap());
    let c = unsafe { C::new() };
    let (mut rust_times, mut c_times) = (vec![], vec![]);
    for _ in 0..RUNS {
        c_times.push(nanoseconds(|| unsafe { c.add() }));
        rust_times.push(nanoseconds(|| add(&a, &b)));
    }
    let (rust, c) = (median(rust_times), median(c_times));
    let verdict = if rust - c <= 5.0 { "ok" } else { "short" };
    println!("20 | a + b from Rust, dropped | 1 | {:.1} ns | {:.1} ns (C) | {:.2} | <= 5 ns over C | {}", rust, c, c / rust, verdict);
}
