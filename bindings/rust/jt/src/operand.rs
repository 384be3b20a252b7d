//! What stands beside a tensor in an op: another tensor, or a number.
use std::ptr;

use crate::error::Error;
use crate::{sys, DType, Result, Tensor};

/// A tensor or a number. Numbers are weak: they take the dtype of the tensor beside them, unless their kind is higher (a float
/// beside integers makes f32, an integer beside bools makes i64).
#[derive(Clone, Copy, Debug)]
pub enum Operand<'a> {
    /// A tensor.
    Tensor(&'a Tensor),
    /// A number with a fraction.
    Real(f64),
    /// A whole number.
    Int(i64),
}

impl<'a> From<&'a Tensor> for Operand<'a> {
    #[inline]
    fn from(tensor: &'a Tensor) -> Self {
        Self::Tensor(tensor)
    }
}
macro_rules! numbers {
    ($($type:ty => $kind:ident),*) => {$(
        impl From<$type> for Operand<'_> {
            #[inline]
            fn from(value: $type) -> Self {
                Self::$kind(value.into())
            }
        }
    )*};
}
numbers!(f32 => Real, f64 => Real, i32 => Int, i64 => Int);

pub(crate) enum Held<'a> {
    Borrowed(&'a Tensor),
    Made(Tensor),
}
impl Held<'_> {
    #[inline]
    pub(crate) fn raw(&self) -> *mut sys::jt_tensor {
        match self {
            Self::Borrowed(tensor) => tensor.raw(),
            Self::Made(tensor) => tensor.raw(),
        }
    }
}

impl<'a> Operand<'a> {
    /// As a tensor of the context of `other`.
    #[inline]
    pub(crate) fn beside(self, other: &Tensor) -> Result<Held<'a>> {
        match self {
            Self::Tensor(tensor) => Ok(Held::Borrowed(tensor)),
            number => number.made(other),
        }
    }
    #[cold]
    fn made(self, other: &Tensor) -> Result<Held<'a>> {
        let (dtype, mut out) = (other.dtype(), ptr::null_mut());
        let is_float = matches!(dtype, DType::F16 | DType::Bf16 | DType::F32 | DType::F64);
        // SAFETY: the context lives as long as its tensor; `out` is written to.
        unsafe {
            let status = match self {
                Self::Real(value) => {
                    let dtype = if is_float { dtype } else { DType::F32 };
                    sys::jt_scalar(other.context_raw(), value, dtype as i32, &mut out)
                }
                Self::Int(value) if is_float => sys::jt_scalar(other.context_raw(), value as f64, dtype as i32, &mut out),
                Self::Int(value) => {
                    let dtype = if dtype == DType::Bool { DType::I64 } else { dtype };
                    sys::jt_scalar_i64(other.context_raw(), value, dtype as i32, &mut out)
                }
                Self::Tensor(_) => unreachable!("only numbers are made"),
            };
            crate::error::check(status)?;
            Ok(Held::Made(Tensor::made(other.context_raw(), out)))
        }
    }
}

#[inline]
pub(crate) fn raw_or_null(tensor: Option<&Tensor>) -> *mut sys::jt_tensor {
    tensor.map_or(ptr::null_mut(), Tensor::raw)
}

/// The context that an op on a list of tensors is recorded in: that of the first.
pub(crate) fn context_of(op: &str, inputs: &[&Tensor]) -> Result<*mut sys::jt_context> {
    match inputs.first() {
        Some(first) => Ok(first.context_raw()),
        None => Err(Error::invalid(format!("{}: no tensors are given", op))),
    }
}

impl Tensor {
    /// A number beside this tensor, as a tensor: for operators that have the number on the left.
    #[track_caller]
    pub(crate) fn number(&self, value: Operand<'_>) -> Tensor {
        match crate::error::or_panic(value.beside(self)) {
            Held::Borrowed(tensor) => tensor.clone(),
            Held::Made(tensor) => tensor,
        }
    }
}
