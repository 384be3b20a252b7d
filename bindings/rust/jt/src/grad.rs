//! Gradients: recorded like any other op.
use std::ptr;

use crate::error::check;
use crate::operand::raw_or_null;
use crate::{sys, Result, Tensor};

impl Tensor {
    /// Makes it one that gradients are wanted for, or not.
    pub fn set_requires_grad(&self, requires_grad: bool) -> Result<()> {
        // SAFETY: the handle is alive.
        check(unsafe { sys::jt_tensor_set_requires_grad(self.context_raw(), self.raw(), i32::from(requires_grad)) })
    }
    /// [`Tensor::set_requires_grad`], as a part of a chain: `ctx.ones(&[3], F32)?.requiring_grad()?`.
    pub fn requiring_grad(self) -> Result<Self> {
        self.set_requires_grad(true)?;
        Ok(self)
    }
    /// The gradients of this one-element tensor with respect to `inputs`, which require one.
    ///
    /// ```
    /// # use jt::{Context, Runtime};
    /// # let ctx = Context::new(&Runtime::new()?)?;
    /// let x = ctx.tensor(&[1.0f32, 2.0], &[2])?.requiring_grad()?;
    /// let dx = (&x * &x).sum(&[], false).grad(&[&x])?;
    /// assert_eq!(dx[0].to_vec::<f32>()?, [2.0, 4.0]);
    /// # Ok::<(), jt::Error>(())
    /// ```
    pub fn grad(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        self.grad_with(inputs, None, false)
    }
    /// As [`Tensor::grad`], for any shape with `dy`, the gradient of what comes after. With `create_graph` the gradients can be
    /// differentiated in turn.
    pub fn grad_with(&self, inputs: &[&Tensor], dy: Option<&Tensor>, create_graph: bool) -> Result<Vec<Tensor>> {
        let raw: Vec<_> = inputs.iter().map(|t| t.raw()).collect();
        let mut outs = vec![ptr::null_mut(); raw.len()];
        let flags = if create_graph { sys::JT_GRAD_CREATE_GRAPH } else { 0 } as u32;
        let (ctx, dy) = (self.context_raw(), raw_or_null(dy));
        // SAFETY: handles are alive, lists are as long as they say, outs are written to.
        unsafe {
            check(sys::jt_grad(ctx, self.raw(), raw.as_ptr(), raw.len(), dy, flags, outs.as_mut_ptr(), outs.len()))?;
            Ok(outs.into_iter().map(|out| Tensor::made(ctx, out)).collect())
        }
    }
    /// Adds its gradient to that of every tensor that requires one.
    pub fn backward(&self) -> Result<()> {
        // SAFETY: the handle is alive.
        check(unsafe { sys::jt_backward(self.context_raw(), self.raw(), 0) })
    }
    /// What [`Tensor::backward`] has gathered for it.
    pub fn gradient(&self) -> Result<Option<Tensor>> {
        let mut out = ptr::null_mut();
        // SAFETY: the handle is alive, `out` is written to.
        unsafe {
            check(sys::jt_tensor_grad(self.context_raw(), self.raw(), &mut out))?;
            Ok((!out.is_null()).then(|| Tensor::made(self.context_raw(), out)))
        }
    }
    /// Forgets it.
    pub fn zero_gradient(&self) -> Result<()> {
        let raw = self.raw();
        // SAFETY: one handle, alive.
        check(unsafe { sys::jt_zero_grad(self.context_raw(), &raw, 1) })
    }
}
