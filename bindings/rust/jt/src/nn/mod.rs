//! Layers, and trees of them. A layer is built from its row of the table: `nn::Linear::new(784, 10).bias(false).build(&ctx)`.
//!
//! ```
//! # use jt::{nn, Context, DType, Runtime};
//! # let ctx = Context::new(&Runtime::new()?)?;
//! let net = nn::Sequential::new()
//!     .push("conv", nn::Conv2d::new(1, 8, 3).padding(1))
//!     .push("relu", nn::ReLU::new())
//!     .push("flat", nn::Flatten::new())
//!     .push("fc", nn::Linear::new(8 * 4 * 4, 10))
//!     .build(&ctx);
//! assert_eq!(net.forward(&ctx.ones(&[2, 1, 4, 4], DType::F32)?).shape(), [2, 10]);
//! assert_eq!(net.parameters()?.len(), 4);
//! # Ok::<(), jt::Error>(())
//! ```
use std::ffi::CString;
use std::path::Path;
use std::ptr::{self, NonNull};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::{check, or_panic, text, Error};
use crate::io::path_text;
use crate::operand::raw_or_null;
use crate::{sys, Context, Result, Tensor};

/// One integer or several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ints(Vec<i64>);
impl From<i64> for Ints {
    fn from(value: i64) -> Self {
        Self(vec![value])
    }
}
impl<const N: usize> From<[i64; N]> for Ints {
    fn from(values: [i64; N]) -> Self {
        Self(values.to_vec())
    }
}
impl From<&[i64]> for Ints {
    fn from(values: &[i64]) -> Self {
        Self(values.to_vec())
    }
}
impl From<Vec<i64>> for Ints {
    fn from(values: Vec<i64>) -> Self {
        Self(values)
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Value {
    Int(i64),
    Real(f64),
    Ints(Ints),
    Text(String),
    Tensor(Tensor),
}

/// Values by name, as the C API takes them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields(Vec<(&'static str, Value)>);

impl Fields {
    pub(crate) fn set(&mut self, name: &'static str, value: Value) {
        self.0.retain(|(other, _)| *other != name);
        self.0.push((name, value));
    }
    /// Calls `body` with a list of all but tensors.
    pub(crate) fn with_attrs<T>(&self, body: impl FnOnce(&[sys::jt_attr]) -> T) -> T {
        let names: Vec<_> = self.0.iter().map(|(name, _)| CString::new(*name).expect("a name without NUL")).collect();
        let mut attrs = Vec::new();
        for (name, (_, value)) in names.iter().zip(&self.0) {
            let mut attr = sys::jt_attr { name: name.as_ptr(), ..Default::default() };
            match value {
                Value::Int(value) => (attr.kind, attr.i64) = (sys::JT_ATTR_I64, *value),
                Value::Real(value) => (attr.kind, attr.f64) = (sys::JT_ATTR_F64, *value),
                Value::Ints(Ints(list)) => (attr.kind, attr.ints, attr.ints_len) = (sys::JT_ATTR_INTS, list.as_ptr(), list.len()),
                Value::Text(text) => (attr.kind, attr.str, attr.str_len) = (sys::JT_ATTR_STR, text.as_ptr().cast(), text.len()),
                Value::Tensor(_) => continue,
            }
            attrs.push(attr);
        }
        body(&attrs)
    }
    fn tensors(&self) -> impl Iterator<Item = (&'static str, &Tensor)> {
        self.0.iter().filter_map(|(name, value)| if let Value::Tensor(tensor) = value { Some((*name, tensor)) } else { None })
    }
}

/// What a [`Module`] can be built from: every layer of the table, and [`Sequential`].
pub trait Layer {
    /// Makes it, with first values from the context's random state.
    fn try_build(&self, context: &Context) -> Result<Module>;
}

macro_rules! layer {
    ($name:ident, $kind:literal) => {
        impl $name {
            /// Makes it, with first values from the context's random state.
            ///
            /// # Panics
            /// Where `try_build` returns an error: a field out of range, too little memory.
            #[track_caller]
            pub fn build(&self, context: &crate::Context) -> super::Module {
                crate::error::or_panic(self.try_build(context))
            }
            /// `build`, with an error in place of a panic.
            pub fn try_build(&self, context: &crate::Context) -> crate::Result<super::Module> {
                super::Module::of_fields(context, $kind, &self.fields)
            }
        }
        impl super::Layer for $name {
            fn try_build(&self, context: &crate::Context) -> crate::Result<super::Module> {
                $name::try_build(self, context)
            }
        }
    };
}

// Generated files keep one declaration a line, however long.
#[rustfmt::skip]
mod layers;
pub use layers::*;

/// Layers one after the other, by name.
#[derive(Default)]
pub struct Sequential {
    layers: Vec<(String, Box<dyn Layer>)>,
}
impl Sequential {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }
    /// One more. Its tensors are called `name.weight` and so on.
    #[must_use]
    pub fn push(mut self, name: &str, layer: impl Layer + 'static) -> Self {
        self.layers.push((name.to_owned(), Box::new(layer)));
        self
    }
    /// Makes them, in order.
    ///
    /// # Panics
    /// Where `try_build` returns an error.
    #[track_caller]
    pub fn build(&self, context: &Context) -> Module {
        or_panic(self.try_build(context))
    }
    /// `build`, with an error in place of a panic.
    pub fn try_build(&self, context: &Context) -> Result<Module> {
        let out = Module::container(context, "Sequential")?;
        for (name, layer) in &self.layers {
            out.add_child(name, &layer.try_build(context)?)?;
        }
        Ok(out)
    }
}
impl Layer for Sequential {
    fn try_build(&self, context: &Context) -> Result<Module> {
        Sequential::try_build(self, context)
    }
}

/// A layer with the tensors that it keeps, or a container of layers. A handle: a clone is the same module. It can be sent to
/// another thread with its context.
#[derive(Debug)]
pub struct Module {
    raw: NonNull<sys::jt_module>,
    ctx: NonNull<sys::jt_context>,
}
// SAFETY: counts are atomic, and everything else enters the context, which lets one thread in at a time, or holds `LOOKING`.
unsafe impl Send for Module {}

// Held while something is asked of a module without entering its context, and while it changes: handles on one module may have
// been sent to several threads.
static LOOKING: Mutex<()> = Mutex::new(());
fn looking() -> MutexGuard<'static, ()> {
    LOOKING.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Clone for Module {
    fn clone(&self) -> Self {
        // SAFETY: handles are alive.
        unsafe {
            sys::jt_module_retain(self.raw());
            Self::made(self.ctx.as_ptr(), self.raw())
        }
    }
}
impl Drop for Module {
    fn drop(&mut self) {
        // SAFETY: this handle's own counts.
        unsafe {
            sys::jt_module_release(self.raw());
            sys::jt_context_release(self.ctx.as_ptr());
        }
    }
}

impl Module {
    /// # Safety
    /// `raw` is a handle with a count for this value to own.
    unsafe fn made(ctx: *mut sys::jt_context, raw: *mut sys::jt_module) -> Self {
        sys::jt_context_retain(ctx);
        Self { raw: NonNull::new(raw).expect("a module that was made"), ctx: NonNull::new(ctx).expect("its context") }
    }
    fn raw(&self) -> *mut sys::jt_module {
        self.raw.as_ptr()
    }
    fn context_raw(&self) -> *mut sys::jt_context {
        self.ctx.as_ptr()
    }
    fn of_fields(context: &Context, kind: &str, fields: &Fields) -> Result<Self> {
        let mut out = ptr::null_mut();
        // SAFETY: handles are alive, lists are as long as they say, `out` is written to.
        let status = fields.with_attrs(|attrs| unsafe {
            sys::jt_module_create(context.raw(), kind.as_ptr().cast(), kind.len(), attrs.as_ptr(), attrs.len(), &mut out)
        });
        check(status)?;
        // SAFETY: the call made it.
        let module = unsafe { Self::made(context.raw(), out) };
        for (name, tensor) in fields.tensors() {
            module.set(name, Some(tensor))?;
        }
        Ok(module)
    }
    fn container(context: &Context, kind: &str) -> Result<Self> {
        Self::of_fields(context, kind, &Fields::default())
    }
    /// A container; what it computes is the caller's business.
    pub fn new(context: &Context) -> Result<Self> {
        Self::container(context, "Module")
    }
    /// The layer called `kind` in the table, with the defaults of all its fields.
    pub fn of_kind(context: &Context, kind: &str) -> Result<Self> {
        Self::of_fields(context, kind, &Fields::default())
    }
    /// The name of its row: "Linear".
    pub fn kind(&self) -> &str {
        // SAFETY: static text.
        unsafe { text(sys::jt_module_kind(self.raw())) }
    }

    /// What it computes from `x`: its first result.
    ///
    /// # Panics
    /// Where [`Module::try_forward`] returns an error.
    #[track_caller]
    pub fn forward(&self, x: &Tensor) -> Tensor {
        or_panic(self.try_forward(&[x]))
    }
    /// What it computes from these, its first result, with an error in place of a panic.
    pub fn try_forward(&self, inputs: &[&Tensor]) -> Result<Tensor> {
        let inputs: Vec<_> = inputs.iter().map(|x| Some(*x)).collect();
        Ok(self.run(&inputs, 1)?.remove(0))
    }
    /// All its results from these, of which optional ones may be absent.
    pub fn forward_all(&self, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>> {
        self.run(inputs, layers::results_of(self.kind()))
    }
    fn run(&self, inputs: &[Option<&Tensor>], results: usize) -> Result<Vec<Tensor>> {
        let raw: Vec<_> = inputs.iter().map(|x| raw_or_null(*x)).collect();
        let (ctx, mut outs) = (self.context_raw(), vec![ptr::null_mut(); results]);
        // SAFETY: handles are alive, lists are as long as they say, outs are written to.
        unsafe {
            check(sys::jt_module_forward(ctx, self.raw(), raw.as_ptr(), raw.len(), outs.as_mut_ptr(), outs.len()))?;
            Ok(outs.into_iter().map(|out| Tensor::made(ctx, out)).collect())
        }
    }
    /// Puts it and all below it in training mode, or out of it.
    pub fn train(&self, training: bool) -> Result<()> {
        let _looking = looking();
        // SAFETY: handles are alive.
        check(unsafe { sys::jt_module_set_training(self.context_raw(), self.raw(), i32::from(training)) })
    }
    /// Whether it is in training mode.
    pub fn is_training(&self) -> bool {
        let _looking = looking();
        // SAFETY: the handle is alive.
        unsafe { sys::jt_module_is_training(self.raw()) != 0 }
    }

    /// Makes `child` the child called `name`.
    pub fn add_child(&self, name: &str, child: &Module) -> Result<()> {
        // SAFETY: handles are alive, the text is as long as it says.
        check(unsafe { sys::jt_module_add_child(self.context_raw(), self.raw(), name.as_ptr().cast(), name.len(), child.raw()) })
    }
    /// The module at a path: "encoder.0".
    pub fn child(&self, path: &str) -> Result<Module> {
        let mut out = ptr::null_mut();
        // SAFETY: handles are alive, the text is as long as it says, `out` is written to.
        unsafe {
            check(sys::jt_module_child(self.context_raw(), self.raw(), path.as_ptr().cast(), path.len(), &mut out))?;
            Ok(Self::made(self.context_raw(), out))
        }
    }
    /// The parameters of it and of all below it, each once: what an optimiser takes.
    pub fn parameters(&self) -> Result<Vec<Tensor>> {
        let (ctx, mut len) = (self.context_raw(), 0);
        // SAFETY: handles are alive, lists are as long as they say, outs are written to.
        unsafe {
            check(sys::jt_module_parameters(ctx, self.raw(), ptr::null_mut(), 0, &mut len))?;
            let mut outs = vec![ptr::null_mut(); len];
            check(sys::jt_module_parameters(ctx, self.raw(), outs.as_mut_ptr(), len, &mut len))?;
            Ok(outs.into_iter().map(|out| Tensor::made(ctx, out)).collect())
        }
    }
    /// The names of its parameters and buffers, and of all below it: what a checkpoint holds.
    pub fn state_names(&self) -> Result<Vec<String>> {
        let (_looking, mut len) = (looking(), 0);
        // SAFETY: handles are alive, `len` is written to; names are copied before the next list.
        unsafe {
            check(sys::jt_module_list(self.context_raw(), self.raw(), sys::JT_MODULE_STATE as u32, &mut len))?;
            Ok((0..len).map(|i| text(sys::jt_module_listed_name(self.raw(), i)).to_owned()).collect())
        }
    }
    /// The tensor at a path: "0.weight". An assignment to it is seen by the module.
    pub fn get(&self, path: &str) -> Result<Tensor> {
        let mut out = ptr::null_mut();
        // SAFETY: handles are alive, the text is as long as it says, `out` is written to.
        unsafe {
            check(sys::jt_module_get(self.context_raw(), self.raw(), path.as_ptr().cast(), path.len(), &mut out))?;
            Ok(Tensor::made(self.context_raw(), out))
        }
    }
    /// Makes `tensor` the one at a path. None makes an optional one absent.
    pub fn set(&self, path: &str, tensor: Option<&Tensor>) -> Result<()> {
        // SAFETY: handles are alive, the text is as long as it says.
        check(unsafe { sys::jt_module_set(self.context_raw(), self.raw(), path.as_ptr().cast(), path.len(), raw_or_null(tensor)) })
    }
    /// Writes all parameters and buffers to a safetensors file.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path_text(path.as_ref())?;
        // SAFETY: handles are alive, the text is as long as it says.
        check(unsafe { sys::jt_module_save(self.context_raw(), self.raw(), path.as_ptr().cast(), path.len()) })
    }
    /// Assigns to all parameters and buffers what the file has under their names; all of them or, after an error, none.
    pub fn load(&self, path: impl AsRef<Path>) -> Result<()> {
        self.load_with(path.as_ref(), 0)
    }
    /// [`Module::load`] that passes over names that only the module or only the file has.
    pub fn load_partial(&self, path: impl AsRef<Path>) -> Result<()> {
        self.load_with(path.as_ref(), sys::JT_LOAD_PARTIAL as u32)
    }
    fn load_with(&self, path: &Path, flags: u32) -> Result<()> {
        let path = path_text(path)?;
        // SAFETY: handles are alive, the text is as long as it says.
        check(unsafe { sys::jt_module_load(self.context_raw(), self.raw(), path.as_ptr().cast(), path.len(), flags) })
    }
    /// Gives a field another value: dropout's `p`, a momentum.
    pub fn set_field(&self, name: &str, value: f64) -> Result<()> {
        let name = CString::new(name).map_err(|_| Error::invalid("set_field: a name with a NUL in it"))?;
        let attr = sys::jt_attr { name: name.as_ptr(), kind: sys::JT_ATTR_F64, f64: value, ..Default::default() };
        // SAFETY: handles are alive, the name ends with a NUL.
        check(unsafe { sys::jt_module_set_field(self.context_raw(), self.raw(), &attr) })
    }
}
