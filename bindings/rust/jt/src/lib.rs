//! Tensors, gradients and neural networks, compiled as they are needed.
//!
//! Calls record a graph; nothing is computed until a value is needed. Then what was recorded is compiled into few kernels,
//! which are cached, and run.
//!
//! ```
//! use jt::{Context, Runtime};
//!
//! let ctx = Context::new(&Runtime::new()?)?;
//! let x = ctx.tensor(&[1.0f32, 2.0, 3.0, 4.0], &[2, 2])?;
//! let y = (&x * 2.0 + 1.0).sum(&[0], false);
//! assert_eq!(y.to_vec::<f32>()?, [10.0, 14.0]);
//! # Ok::<(), jt::Error>(())
//! ```
//!
//! **Errors.** Operators and the methods named after ops panic with the library's message, which names the op and the values
//! that do not fit; each has a twin `try_...` that returns it as an [`Error`]. What reads or writes files, evaluates, or makes
//! a runtime returns a `Result`.
//!
//! **Threads.** A [`Runtime`] is shared by all threads. A [`Context`], the graph being recorded, is one thread's at a time: it
//! can be sent, not shared. A [`Tensor`] can be sent to another thread; once it is evaluated, [`Tensor::on`] takes it into the
//! context of that thread. Two threads in one context at once get an error of kind [`ErrorKind::Busy`], never a race.
#![warn(missing_docs)]

pub use jt_sys as sys;

mod context;
pub mod custom;
pub mod data;
mod element;
mod error;
mod grad;
pub mod index;
pub mod io;
mod operand;
mod operators;
mod runtime;
mod tensor;

// Generated files keep one declaration a line, however long.
#[rustfmt::skip]
mod kinds;
#[rustfmt::skip]
pub mod ops;

#[cfg(feature = "ndarray")]
mod arrays;
pub mod nn;
pub mod optim;

pub use context::Context;
pub use element::Element;
pub use error::{Error, Result};
pub use index::{step, Ellipsis, NewAxis};
pub use kinds::{DType, ErrorKind};
pub use operand::Operand;
pub use runtime::{Device, LogLevel, Memory, Runtime, RuntimeBuilder, Stats};
pub use tensor::{Mapped, Tensor, Type};

/// The version of the library, "0.1.0".
pub fn version() -> &'static str {
    // SAFETY: static text that ends with a NUL.
    unsafe { error::text(sys::jt_version()) }
}
