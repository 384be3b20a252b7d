//! Tensors: counted handles on values that may not be computed yet.
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::ptr::NonNull;

use crate::element::{bytes_of, filled};
use crate::error::{check, Error};
use crate::{sys, Context, DType, Device, Element, Result};

/// A value that may not be computed yet. Dtype and shape are known at once. A handle: a clone is the same tensor, and an
/// assignment to one is seen by the other.
///
/// Ops are methods that panic with the library's message, and `try_` twins that return it. A number can stand where a tensor
/// does: `x.maximum(0.0)`, `&x * 2.0`.
pub struct Tensor {
    raw: NonNull<sys::jt_tensor>,
    // Alive as long as any of its tensors, as the C API promises: no count of its own.
    ctx: NonNull<sys::jt_context>,
}
// SAFETY: counts are atomic, dtype and shape may be asked from any thread, and everything else enters the context, which lets
// one thread in at a time and tells others so.
unsafe impl Send for Tensor {}

impl Clone for Tensor {
    #[inline]
    fn clone(&self) -> Self {
        // SAFETY: the handle is alive.
        unsafe { sys::jt_tensor_retain(self.raw()) };
        Self { raw: self.raw, ctx: self.ctx }
    }
}
impl Drop for Tensor {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: this handle's own count; any thread may give it back.
        unsafe { sys::jt_tensor_release(self.raw()) };
    }
}
impl fmt::Debug for Tensor {
    /// Dtype and shape; computes nothing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tensor({}{:?})", self.dtype().name(), self.shape())
    }
}

/// Dtype and shape of a tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Type {
    /// Of its elements.
    pub dtype: DType,
    /// Extents.
    pub shape: Vec<i64>,
}
impl Type {
    /// A type.
    pub fn new(dtype: DType, shape: &[i64]) -> Self {
        Self { dtype, shape: shape.to_vec() }
    }
}

impl Tensor {
    /// # Safety
    /// `raw` is a handle with a count for this value to own; `ctx` is its context.
    #[inline]
    pub(crate) unsafe fn made(ctx: *mut sys::jt_context, raw: *mut sys::jt_tensor) -> Self {
        debug_assert!(!raw.is_null() && !ctx.is_null());
        Self { raw: NonNull::new_unchecked(raw), ctx: NonNull::new_unchecked(ctx) }
    }
    #[inline]
    pub(crate) fn raw(&self) -> *mut sys::jt_tensor {
        self.raw.as_ptr()
    }
    #[inline]
    pub(crate) fn context_raw(&self) -> *mut sys::jt_context {
        self.ctx.as_ptr()
    }

    /// The same value as an operand in `context`, another one of the same runtime. Evaluates it.
    pub fn on(&self, context: &Context) -> Result<Tensor> {
        // A reshape to the shape that it has: it copies nothing, and checks that the value can be had there.
        let (raw, shape, mut out) = (self.raw(), self.shape(), std::ptr::null_mut());
        // SAFETY: handles are alive, the list is as long as it says, `out` is written to.
        unsafe {
            check(sys::jt_eval(self.context_raw(), &raw, 1))?;
            check(sys::jt_reshape(context.raw(), raw, shape.as_ptr(), shape.len(), &mut out))?;
            Ok(Tensor::made(context.raw(), out))
        }
    }

    /// The dtype of its elements.
    pub fn dtype(&self) -> DType {
        // SAFETY: the handle is alive.
        DType::from_raw(unsafe { sys::jt_tensor_dtype(self.raw()) }).expect("a dtype of this version")
    }
    /// Where it is computed, or lies.
    pub fn device(&self) -> Device {
        // SAFETY: the handle is alive.
        Device(unsafe { sys::jt_tensor_device(self.raw()) })
    }
    /// The same value on another device of the runtime, copied there when it is needed.
    pub fn to(&self, device: Device) -> Result<Tensor> {
        let mut out = std::ptr::null_mut();
        // SAFETY: the handle is alive, `out` is written to.
        unsafe {
            check(sys::jt_tensor_to(self.context_raw(), self.raw(), device.0, &mut out))?;
            Ok(Tensor::made(self.context_raw(), out))
        }
    }
    /// Number of axes.
    pub fn ndim(&self) -> usize {
        // SAFETY: the handle is alive.
        unsafe { sys::jt_tensor_ndim(self.raw()) as usize }
    }
    /// Extents.
    pub fn shape(&self) -> Vec<i64> {
        // SAFETY: the handle is alive.
        (0..self.ndim()).map(|axis| unsafe { sys::jt_tensor_dim(self.raw(), axis as i32) }).collect()
    }
    /// Dtype and shape.
    pub fn ty(&self) -> Type {
        Type { dtype: self.dtype(), shape: self.shape() }
    }
    /// Number of elements.
    pub fn count(&self) -> usize {
        // SAFETY: the handle is alive.
        unsafe { sys::jt_tensor_count(self.raw()) as usize }
    }
    fn expect<T: Element>(&self, what: &str) -> Result<()> {
        if T::reads(self.dtype()) {
            return Ok(());
        }
        let text = format!("{}: elements of {} cannot be read as {}; cast first", what, self.dtype().name(), T::DTYPE.name());
        Err(Error::of(sys::JT_E_DTYPE, text))
    }

    /// Evaluates it.
    pub fn eval(&self) -> Result<()> {
        let raw = self.raw();
        // SAFETY: one handle, alive.
        check(unsafe { sys::jt_eval(self.context_raw(), &raw, 1) })
    }
    /// Evaluates it, and copies its elements row by row.
    pub fn to_vec<T: Element>(&self) -> Result<Vec<T>> {
        self.expect::<T>("to_vec")?;
        filled(self.count(), |bytes| self.read(bytes))
    }
    /// Evaluates it, and copies the bytes of its elements; of any dtype.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        // SAFETY: it only asks for a size.
        let size = unsafe { sys::jt_dtype_size(self.dtype() as i32) };
        let mut out = vec![0; self.count() * size];
        self.read(&mut out)?;
        Ok(out)
    }
    fn read(&self, bytes: &mut [u8]) -> Result<()> {
        // SAFETY: `bytes` is as long as it says.
        check(unsafe { sys::jt_tensor_read(self.context_raw(), self.raw(), bytes.as_mut_ptr().cast(), bytes.len()) })
    }
    /// Evaluates a tensor of one element, of any dtype.
    pub fn item(&self) -> Result<f64> {
        let mut out = 0.0;
        // SAFETY: `out` is written to.
        check(unsafe { sys::jt_tensor_item_f64(self.context_raw(), self.raw(), &mut out) })?;
        Ok(out)
    }
    /// As [`Tensor::item`], as an integer: floats are truncated.
    pub fn item_i64(&self) -> Result<i64> {
        let mut out = 0;
        // SAFETY: `out` is written to.
        check(unsafe { sys::jt_tensor_item_i64(self.context_raw(), self.raw(), &mut out) })?;
        Ok(out)
    }
    /// Evaluates it, and looks at its elements where they lie. They do not change while they are looked at.
    pub fn map<T: Element>(&self) -> Result<Mapped<T>> {
        self.expect::<T>("map")?;
        let mut mapping = sys::jt_mapping::default();
        // SAFETY: `mapping` has the size that it says.
        check(unsafe { sys::jt_tensor_map(self.context_raw(), self.raw(), &mut mapping) })?;
        Ok(Mapped { mapping, _elements: PhantomData })
    }
    /// Makes this handle, and its clones, stand for the value of `value`, converted to its dtype; shapes are equal. No gradient
    /// flows through it.
    pub fn assign(&self, value: &Tensor) -> Result<()> {
        // SAFETY: handles are alive.
        check(unsafe { sys::jt_tensor_assign(self.context_raw(), self.raw(), value.raw()) })
    }
    /// [`Tensor::assign`] with elements given as a slice.
    pub fn write<T: Element>(&self, values: &[T]) -> Result<()> {
        let (shape, bytes, mut out) = (self.shape(), bytes_of(values), std::ptr::null_mut());
        // SAFETY: lists are as long as they say; the library copies the bytes; `out` is written to.
        unsafe {
            let (data, dims) = (bytes.as_ptr().cast(), shape.as_ptr());
            check(sys::jt_tensor_from_bytes(self.context_raw(), data, bytes.len(), T::DTYPE as i32, dims, shape.len(), &mut out))?;
            self.assign(&Tensor::made(self.context_raw(), out))
        }
    }
    /// A tensor of `value` with this one's dtype and shape.
    pub fn full_like(&self, value: f64) -> Result<Tensor> {
        let mut out = std::ptr::null_mut();
        // SAFETY: the handle is alive, `out` is written to.
        unsafe {
            check(sys::jt_full_like(self.context_raw(), self.raw(), value, &mut out))?;
            Ok(Tensor::made(self.context_raw(), out))
        }
    }
    /// The value without its history: no gradient flows through it.
    pub fn detach(&self) -> Result<Tensor> {
        let zeros = self.full_like(0.0)?;
        zeros.assign(self)?;
        Ok(zeros)
    }
}

/// Elements of a tensor where they lie.
pub struct Mapped<T> {
    mapping: sys::jt_mapping,
    _elements: PhantomData<T>,
}
// SAFETY: the C API says that mapped memory may be read from any thread and given back by any.
unsafe impl<T: Element> Send for Mapped<T> {}
unsafe impl<T: Element> Sync for Mapped<T> {}

impl<T: Element> Deref for Mapped<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        let count = self.mapping.data_len / std::mem::size_of::<T>();
        if count == 0 {
            return &[];
        }
        // SAFETY: the memory holds `count` elements, aligned, unchanged until it is given back.
        unsafe { std::slice::from_raw_parts(self.mapping.data.cast(), count) }
    }
}
impl<T> Drop for Mapped<T> {
    fn drop(&mut self) {
        // SAFETY: it came from jt_tensor_map.
        unsafe { sys::jt_tensor_unmap(&mut self.mapping) };
    }
}
impl<T: Element + fmt::Debug> fmt::Debug for Mapped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl fmt::Display for Tensor {
    /// Its elements, nested by axes, the middle of long axes left out; evaluates it. An error shows as its message.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let elements = match self.try_cast(DType::F64).and_then(|x| x.to_vec::<f64>()) {
            Ok(elements) => elements,
            Err(error) => return write!(f, "{:?}: {}", self, error),
        };
        show(f, &elements, &self.shape())
    }
}

fn show(f: &mut fmt::Formatter<'_>, elements: &[f64], shape: &[i64]) -> fmt::Result {
    const EDGE: usize = 3;
    let (&extent, inner) = match shape.split_first() {
        None => return write!(f, "{}", elements[0]),
        Some(split) => split,
    };
    let (count, size) = (extent as usize, inner.iter().product::<i64>() as usize);
    f.write_str("[")?;
    for i in 0..count {
        let is_hidden = count > 2 * EDGE + 1 && i >= EDGE && i < count - EDGE;
        if is_hidden && i > EDGE {
            continue;
        }
        f.write_str(if i > 0 { ", " } else { "" })?;
        if is_hidden {
            f.write_str("...")?;
        } else {
            show(f, &elements[i * size..(i + 1) * size], inner)?;
        }
    }
    f.write_str("]")
}
