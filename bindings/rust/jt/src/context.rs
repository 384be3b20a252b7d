//! Contexts: the graph being recorded, and everything that makes tensors from nothing.
use std::cell::Cell;
use std::marker::PhantomData;
use std::os::raw::c_void;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::ptr::{self, NonNull};

use crate::element::bytes_of;
use crate::error::check;
use crate::runtime::text_of;
use crate::{sys, DType, Device, Element, Result, Runtime, Tensor};

type Watch = Box<dyn FnMut(i64, i64) -> bool + Send>;

/// The graph being recorded, with its random state. It may be sent to another thread, but belongs to one at a time.
#[derive(Debug)]
pub struct Context {
    raw: NonNull<sys::jt_context>,
    watch: Cell<*mut Watch>,
    // Not Sync: the C API gives a second thread an error; here the compiler does.
    _one_thread: PhantomData<Cell<()>>,
}
// SAFETY: the C API binds a context to no thread, only to one at a time.
unsafe impl Send for Context {}

impl Drop for Context {
    fn drop(&mut self) {
        let _ = self.clear_watch();
        // SAFETY: this handle's own count; tensors keep the context for as long as they need it.
        unsafe { sys::jt_context_release(self.raw()) };
    }
}

impl Context {
    /// A context of `runtime`, with grad mode on and a seed of its own.
    pub fn new(runtime: &Runtime) -> Result<Self> {
        let mut out = ptr::null_mut();
        // SAFETY: the runtime is alive; `out` is written to.
        check(unsafe { sys::jt_context_create(runtime.raw(), &mut out) })?;
        Ok(Self { raw: NonNull::new(out).expect("a context that was made"), watch: Cell::new(ptr::null_mut()), _one_thread: PhantomData })
    }
    #[inline]
    pub(crate) fn raw(&self) -> *mut sys::jt_context {
        self.raw.as_ptr()
    }

    /// Seeds random ops and first values of layers: the same seed and the same calls give the same values.
    pub fn seed(&self, seed: i64) -> Result<()> {
        // SAFETY: the handle is alive.
        check(unsafe { sys::jt_context_set_seed(self.raw(), seed) })
    }
    /// Calls `body`; what it records runs on that device of the runtime, and new tensors belong there.
    pub fn on_device<T>(&self, device: Device, body: impl FnOnce() -> T) -> Result<T> {
        struct Restored<'a>(&'a Context, i32);
        impl Drop for Restored<'_> {
            fn drop(&mut self) {
                // SAFETY: the handle is alive. Only a thread that took the context meanwhile makes it fail.
                unsafe { sys::jt_context_set_device(self.0.raw(), self.1, ptr::null_mut()) };
            }
        }
        let mut previous = 0;
        // SAFETY: the handle is alive; `previous` is written to.
        check(unsafe { sys::jt_context_set_device(self.raw(), device.0, &mut previous) })?;
        let _restored = Restored(self, previous);
        Ok(body())
    }
    /// Calls `body` with the recording of gradients off.
    pub fn no_grad<T>(&self, body: impl FnOnce() -> T) -> Result<T> {
        struct Restored<'a>(&'a Context, sys::jt_bool);
        impl Drop for Restored<'_> {
            fn drop(&mut self) {
                // SAFETY: the handle is alive. Only a thread that took the context meanwhile makes it fail.
                unsafe { sys::jt_context_set_grad_mode(self.0.raw(), self.1, ptr::null_mut()) };
            }
        }
        let mut previous = 0;
        // SAFETY: the handle is alive; `previous` is written to.
        check(unsafe { sys::jt_context_set_grad_mode(self.raw(), 0, &mut previous) })?;
        let _restored = Restored(self, previous);
        Ok(body())
    }
    /// Evaluates everything that is pending.
    pub fn sync(&self) -> Result<()> {
        // SAFETY: the handle is alive.
        check(unsafe { sys::jt_sync(self.raw()) })
    }
    /// Evaluates these.
    pub fn eval(&self, tensors: &[&Tensor]) -> Result<()> {
        if tensors.is_empty() {
            return Ok(());
        }
        let raw: Vec<_> = tensors.iter().map(|t| t.raw()).collect();
        // SAFETY: handles are alive; the list is as long as it says.
        check(unsafe { sys::jt_eval(self.raw(), raw.as_ptr(), raw.len()) })
    }
    /// Sets a function that looks on while a call evaluates: `watch(compiled, to_compile)` before each kernel that is compiled,
    /// and `watch(0, 0)` between kernels that run. Where it returns false, the evaluation ends with an error of kind
    /// [`crate::ErrorKind::Cancelled`], and what did not run stays pending. It must be quick and must not use the context.
    pub fn set_watch(&self, watch: impl FnMut(i64, i64) -> bool + Send + 'static) -> Result<()> {
        self.clear_watch()?;
        let raw: *mut Watch = Box::into_raw(Box::new(Box::new(watch)));
        // SAFETY: `raw` lives until `clear_watch` has taken the function away.
        let set = check(unsafe { sys::jt_context_set_watch(self.raw(), Some(look), raw.cast()) });
        match set {
            Ok(()) => self.watch.set(raw),
            // SAFETY: nobody else has it.
            Err(_) => drop(unsafe { Box::from_raw(raw) }),
        }
        set
    }
    /// Takes the function of [`Context::set_watch`] away.
    pub fn clear_watch(&self) -> Result<()> {
        let raw = self.watch.get();
        if raw.is_null() {
            return Ok(());
        }
        // SAFETY: the handle is alive. While another thread is inside, the function stays, and with it its memory.
        check(unsafe { sys::jt_context_set_watch(self.raw(), None, ptr::null_mut()) })?;
        self.watch.set(ptr::null_mut());
        // SAFETY: it came from Box::into_raw, and the library has it no more.
        drop(unsafe { Box::from_raw(raw) });
        Ok(())
    }

    pub(crate) fn make(&self, call: impl FnOnce(*mut sys::jt_context, *mut *mut sys::jt_tensor) -> sys::jt_status) -> Result<Tensor> {
        let mut out = ptr::null_mut();
        check(call(self.raw(), &mut out))?;
        // SAFETY: the call made it, in this context.
        Ok(unsafe { Tensor::made(self.raw(), out) })
    }
    /// A tensor of these values, row by row.
    pub fn tensor<T: Element>(&self, values: &[T], shape: &[i64]) -> Result<Tensor> {
        self.tensor_of_bytes(bytes_of(values), T::DTYPE, shape)
    }
    /// A tensor of any dtype from the bytes of its elements.
    pub fn tensor_of_bytes(&self, bytes: &[u8], dtype: DType, shape: &[i64]) -> Result<Tensor> {
        let (data, len) = (bytes.as_ptr().cast::<c_void>(), bytes.len());
        // SAFETY: the library copies `len` bytes during the call.
        self.make(|ctx, out| unsafe { sys::jt_tensor_from_bytes(ctx, data, len, dtype as i32, shape.as_ptr(), shape.len(), out) })
    }
    /// A tensor over the elements of a vector, without a copy. They are given back when nothing needs them any more.
    ///
    /// ```
    /// # use jt::{Context, Runtime};
    /// # let ctx = Context::new(&Runtime::new()?)?;
    /// let x = ctx.tensor_of_vec(vec![1.0f32; 1 << 20], &[1024, 1024])?;
    /// assert_eq!(x.sum(&[], false).item()?, 1048576.0);
    /// # Ok::<(), jt::Error>(())
    /// ```
    pub fn tensor_of_vec<T: Element>(&self, values: Vec<T>, shape: &[i64]) -> Result<Tensor> {
        let kept = Box::new(values);
        let (data, data_len) = (kept.as_ptr() as *mut c_void, std::mem::size_of_val(&kept[..]));
        let kept = Box::into_raw(kept);
        let desc = sys::jt_borrow_desc {
            dtype: T::DTYPE as i32,
            data,
            data_len,
            dims: shape.as_ptr(),
            dims_len: shape.len(),
            release: Some(give_back::<T>),
            release_user: kept.cast(),
            ..Default::default()
        };
        // SAFETY: `data` holds `data_len` bytes, aligned, that nobody changes until `give_back` is called; the library only reads.
        let made = self.make(|ctx, out| unsafe { sys::jt_tensor_borrow(ctx, &desc, out) });
        if made.is_err() {
            // SAFETY: after a failure the library does not call `give_back`.
            drop(unsafe { Box::from_raw(kept) });
        }
        made
    }
    /// What a stage of the compiler makes of the pending ops behind `tensors`, as text: 'g' as recorded, 's' simplified, 'f' fused, 'm'
    /// memory, 'l' programs, 'c' the text of kernels, 'k' their keys, 'v' for Graphviz. Runs nothing.
    pub fn graph(&self, tensors: &[&Tensor], stage: char) -> Result<String> {
        let raw: Vec<_> = tensors.iter().map(|t| t.raw()).collect();
        // SAFETY: handles are alive, the list and the room are as long as they say.
        text_of(|dst, len, out| unsafe { sys::jt_graph_print(self.raw(), raw.as_ptr(), raw.len(), stage as i32, dst, len, out) })
    }
    /// A tensor of rank 0.
    pub fn scalar(&self, value: f64, dtype: DType) -> Result<Tensor> {
        // SAFETY: here and below the context is alive, lists are as long as they say, and `out` is written to.
        self.make(|ctx, out| unsafe { sys::jt_scalar(ctx, value, dtype as i32, out) })
    }
    /// A tensor of rank 0 from an integer that an f64 may not hold.
    pub fn scalar_i64(&self, value: i64, dtype: DType) -> Result<Tensor> {
        self.make(|ctx, out| unsafe { sys::jt_scalar_i64(ctx, value, dtype as i32, out) })
    }
    /// Zeros.
    pub fn zeros(&self, shape: &[i64], dtype: DType) -> Result<Tensor> {
        self.make(|ctx, out| unsafe { sys::jt_zeros(ctx, shape.as_ptr(), shape.len(), dtype as i32, out) })
    }
    /// Ones.
    pub fn ones(&self, shape: &[i64], dtype: DType) -> Result<Tensor> {
        self.make(|ctx, out| unsafe { sys::jt_ones(ctx, shape.as_ptr(), shape.len(), dtype as i32, out) })
    }
    /// Uniform in `low..high`, from the random state.
    pub fn random_uniform(&self, shape: &[i64], low: f64, high: f64, dtype: DType) -> Result<Tensor> {
        self.make(|ctx, out| unsafe { sys::jt_random_uniform(ctx, shape.as_ptr(), shape.len(), low, high, dtype as i32, out) })
    }
    /// Normal, from the random state.
    pub fn random_normal(&self, shape: &[i64], mean: f64, deviation: f64, dtype: DType) -> Result<Tensor> {
        self.make(|ctx, out| unsafe { sys::jt_random_normal(ctx, shape.as_ptr(), shape.len(), mean, deviation, dtype as i32, out) })
    }
    /// First values of parameters, from the random state. `kind` is "zeros", "ones", "uniform", "normal", "he_normal",
    /// "he_uniform", "xavier_normal", "xavier_uniform" or "lecun_normal"; fans follow from a shape `[out, in, window...]`.
    pub fn init(&self, kind: &str, shape: &[i64], dtype: DType) -> Result<Tensor> {
        self.make(|ctx, out| unsafe { sys::jt_init(ctx, kind.as_ptr().cast(), kind.len(), shape.as_ptr(), shape.len(), dtype as i32, out) })
    }
}

unsafe extern "C" fn give_back<T: Element>(user: *mut c_void, _: *mut c_void) {
    drop(Box::from_raw(user.cast::<Vec<T>>())); // numbers: nothing in it can panic
}

unsafe extern "C" fn look(user: *mut c_void, compiled: i64, to_compile: i64) -> sys::jt_status {
    let watch = &mut *user.cast::<Watch>();
    match catch_unwind(AssertUnwindSafe(|| watch(compiled, to_compile))) {
        Ok(true) => sys::JT_OK,
        _ => sys::JT_E_CANCELLED,
    }
}
