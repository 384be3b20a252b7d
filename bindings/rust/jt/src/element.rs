//! Types of Rust that can be elements of tensors.
use crate::DType;

mod sealed {
    pub trait Sealed {}
}

/// A type whose values lie in memory as elements of a dtype do. `bool` tensors are read as `u8`s of 0 and 1, see
/// [`Element::reads`]; f16 and bf16 have no type here and go by their bits, as `u16` through a cast.
///
/// # Safety
/// Any bytes are a value of the type, and its size is that of the dtype.
pub unsafe trait Element: Copy + Send + Sync + sealed::Sealed + 'static {
    /// The dtype of tensors made from values of this type.
    const DTYPE: DType;
    /// Whether elements of `dtype` can be read as this type.
    fn reads(dtype: DType) -> bool {
        dtype == Self::DTYPE
    }
}

macro_rules! element {
    ($($type:ty => $dtype:ident $(or $also:ident)?),*) => {$(
        impl sealed::Sealed for $type {}
        // SAFETY: numbers without padding or invalid bits, as wide as their dtype.
        unsafe impl Element for $type {
            const DTYPE: DType = DType::$dtype;
            $(fn reads(dtype: DType) -> bool {
                dtype == Self::DTYPE || dtype == DType::$also
            })?
        }
    )*};
}
element!(i8 => I8, i16 => I16, i32 => I32, i64 => I64, u8 => U8 or Bool, u16 => U16, u32 => U32, u64 => U64, f32 => F32, f64 => F64);

/// The bytes of `values`.
pub(crate) fn bytes_of<T: Element>(values: &[T]) -> &[u8] {
    // SAFETY: elements are numbers without padding.
    unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), std::mem::size_of_val(values)) }
}
/// Room for `count` elements, filled by `fill`.
pub(crate) fn filled<T: Element>(count: usize, fill: impl FnOnce(&mut [u8]) -> crate::Result<()>) -> crate::Result<Vec<T>> {
    // SAFETY: zeros are a value of every element type.
    let mut out = vec![unsafe { std::mem::zeroed::<T>() }; count];
    // SAFETY: as `bytes_of`; any bytes are elements.
    let bytes = unsafe { std::slice::from_raw_parts_mut(out.as_mut_ptr().cast(), count * std::mem::size_of::<T>()) };
    fill(bytes)?;
    Ok(out)
}
