//! The C API of jt as it is: `jt.h` in Rust's words, generated from the headers. Use the crate `jt` instead, unless you write
//! a binding of your own.
#![allow(non_camel_case_types)]

// Its lines are as long as the headers' declarations.
#[rustfmt::skip]
mod api;
pub use api::*;
