//! Optimisers, built from their rows of the table, and learning-rate schedules.
//!
//! ```
//! # use jt::{optim, Context, DType, Runtime};
//! # let ctx = Context::new(&Runtime::new()?)?;
//! let x = ctx.ones(&[2], DType::F32)?;
//! x.set_requires_grad(true)?;
//! let mut sgd = optim::SGD::new().lr(0.25).build(&[x.clone()])?;
//! sgd.step(&(&x * &x).sum(&[], false))?;
//! assert_eq!(x.to_vec::<f32>()?, [0.5, 0.5]);
//! # Ok::<(), jt::Error>(())
//! ```
use std::ptr::{self, NonNull};

use crate::error::{check, text, Error};
use crate::nn::{Fields, Value};
use crate::operand::raw_or_null;
use crate::{sys, Result, Tensor};

macro_rules! optimizer {
    ($name:ident, $kind:literal) => {
        impl $name {
            /// Makes it for these parameters; one that requires no gradient stays as it is, until it does.
            pub fn build(&self, params: &[crate::Tensor]) -> crate::Result<super::Optimizer> {
                super::Optimizer::of_fields($kind, &self.fields, params)
            }
        }
    };
}

// Generated files keep one declaration a line, however long.
#[rustfmt::skip]
mod rows;
pub use rows::*;

/// Updates parameters. It can be sent to another thread with its context.
#[derive(Debug)]
pub struct Optimizer {
    raw: NonNull<sys::jt_optimizer>,
    ctx: NonNull<sys::jt_context>,
}
// SAFETY: there is one handle, which one thread has at a time; the rest enters the context, which lets one thread in.
unsafe impl Send for Optimizer {}

impl Drop for Optimizer {
    fn drop(&mut self) {
        // SAFETY: this value's own counts.
        unsafe {
            sys::jt_optimizer_release(self.raw());
            sys::jt_context_release(self.ctx.as_ptr());
        }
    }
}

impl Optimizer {
    fn raw(&self) -> *mut sys::jt_optimizer {
        self.raw.as_ptr()
    }
    fn of_fields(kind: &str, fields: &Fields, params: &[Tensor]) -> Result<Self> {
        let first = params.first().ok_or_else(|| Error::invalid(format!("{}: no parameters are given", kind)))?;
        let (ctx, mut out) = (first.context_raw(), ptr::null_mut());
        let raw: Vec<_> = params.iter().map(Tensor::raw).collect();
        // SAFETY: handles are alive, lists are as long as they say, `out` is written to.
        let status = fields.with_attrs(|attrs| unsafe {
            let (name, len) = (kind.as_ptr().cast(), kind.len());
            sys::jt_optimizer_create(ctx, name, len, attrs.as_ptr(), attrs.len(), raw.as_ptr(), raw.len(), &mut out)
        });
        check(status)?;
        // SAFETY: the context is alive.
        unsafe { sys::jt_context_retain(ctx) };
        Ok(Self { raw: NonNull::new(out).expect("an optimiser that was made"), ctx: first_context(first) })
    }
    /// One step down the gradient of `loss`, which has one element. After an error no step was taken.
    pub fn step(&mut self, loss: &Tensor) -> Result<()> {
        // SAFETY: handles are alive.
        check(unsafe { sys::jt_optimizer_step(self.ctx.as_ptr(), self.raw(), loss.raw()) })
    }
    /// One step with these gradients, one for each parameter; none leaves it as it is.
    pub fn step_with(&mut self, grads: &[Option<&Tensor>]) -> Result<()> {
        let raw: Vec<_> = grads.iter().map(|g| raw_or_null(*g)).collect();
        // SAFETY: handles are alive, the list is as long as it says.
        check(unsafe { sys::jt_optimizer_step_grads(self.ctx.as_ptr(), self.raw(), raw.as_ptr(), raw.len()) })
    }
    /// The learning rate of the next steps.
    pub fn set_lr(&mut self, lr: f64) -> Result<()> {
        // SAFETY: handles are alive.
        check(unsafe { sys::jt_optimizer_set_lr(self.ctx.as_ptr(), self.raw(), lr) })
    }
    /// The learning rate.
    pub fn lr(&self) -> Result<f64> {
        let mut out = 0.0;
        // SAFETY: handles are alive, `out` is written to.
        check(unsafe { sys::jt_optimizer_get_lr(self.ctx.as_ptr(), self.raw(), &mut out) })?;
        Ok(out)
    }
    /// Its state by name, for a checkpoint: assigning to a tensor of it restores it.
    pub fn state(&self) -> Result<Vec<(String, Tensor)>> {
        let mut all = Vec::new();
        // SAFETY: handles are alive, outs are written to; the name lives as long as the optimiser.
        unsafe {
            for i in 0..sys::jt_optimizer_state_count(self.raw()) {
                let (mut name, mut out) = (ptr::null(), ptr::null_mut());
                check(sys::jt_optimizer_state(self.ctx.as_ptr(), self.raw(), i, &mut name, &mut out))?;
                all.push((text(name).to_owned(), Tensor::made(self.ctx.as_ptr(), out)));
            }
        }
        Ok(all)
    }
}

fn first_context(tensor: &Tensor) -> NonNull<sys::jt_context> {
    NonNull::new(tensor.context_raw()).expect("the context of a tensor")
}

/// Learning rate of `step` of `steps` on half a cosine from `lr` to `lr_end`.
pub fn cosine(lr: f64, lr_end: f64, step: i64, steps: i64) -> f64 {
    // SAFETY: here and below: numbers alone.
    unsafe { sys::jt_schedule_cosine(lr, lr_end, step, steps) }
}
/// `lr` times `factor` for every `every` steps done.
pub fn stepwise(lr: f64, factor: f64, step: i64, every: i64) -> f64 {
    unsafe { sys::jt_schedule_step(lr, factor, step, every) }
}
/// Rises linearly to `lr` at step `warmup - 1`, and stays.
pub fn warmup(lr: f64, step: i64, warmup: i64) -> f64 {
    unsafe { sys::jt_schedule_warmup(lr, step, warmup) }
}
