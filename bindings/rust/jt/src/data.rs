//! Data: files of the MNIST family, and batches.
use std::path::Path;

use crate::error::Error;
use crate::io::path_text;
use crate::{sys, Context, Result, Tensor};

/// Reads an IDX file, plain or gzip, into a tensor of the dtype and shape that it states.
pub fn load_idx(context: &Context, path: impl AsRef<Path>) -> Result<Tensor> {
    let path = path_text(path.as_ref())?;
    // SAFETY: the text is as long as it says, `out` is written to.
    context.make(|ctx, out| unsafe { sys::jt_idx_load(ctx, path.as_ptr().cast(), path.len(), out) })
}

/// Rows of several tensors together, a batch at a time, in order or in a new order each epoch.
///
/// ```
/// # use jt::{data::Batches, Context, Runtime};
/// # let ctx = Context::new(&Runtime::new()?)?;
/// let x = ctx.tensor(&[0i32, 1, 2, 3, 4], &[5])?;
/// let mut batches = Batches::new(&[&x], 2)?;
/// let sizes: Vec<_> = batches.epoch().map(|batch| batch.unwrap()[0].shape()[0]).collect();
/// assert_eq!(sizes, [2, 2, 1]);
/// # Ok::<(), jt::Error>(())
/// ```
#[derive(Debug)]
pub struct Batches {
    tensors: Vec<Tensor>,
    order: Vec<i64>,
    size: usize,
    random: Option<u64>,
    drop_last: bool,
}

impl Batches {
    /// Batches of `size` rows of tensors that have as many rows each.
    pub fn new(tensors: &[&Tensor], size: usize) -> Result<Self> {
        let first = tensors.first().ok_or_else(|| Error::invalid("batches: no tensors are given"))?;
        if size == 0 {
            return Err(Error::invalid("batches: a batch has no rows"));
        }
        let rows = |t: &Tensor| t.shape().first().copied().ok_or_else(|| Error::invalid("batches: a tensor of rank 0 has no rows"));
        let count = rows(first)?;
        for tensor in tensors {
            if rows(tensor)? != count {
                return Err(Error::invalid(format!("batches: a tensor has {} rows, another {}", count, rows(tensor)?)));
            }
        }
        let tensors = tensors.iter().map(|t| (*t).clone()).collect();
        Ok(Self { tensors, order: (0..count).collect(), size, random: None, drop_last: false })
    }
    /// A new order each epoch; the same seed gives the same orders.
    #[must_use]
    pub fn shuffled(mut self, seed: u64) -> Self {
        self.random = Some(seed);
        self
    }
    /// Leaves out a last batch that is not full.
    #[must_use]
    pub fn drop_last(mut self, drop_last: bool) -> Self {
        self.drop_last = drop_last;
        self
    }
    /// How many batches an epoch has.
    pub fn len(&self) -> usize {
        let (full, rest) = (self.order.len() / self.size, self.order.len() % self.size);
        full + usize::from(rest > 0 && !self.drop_last)
    }
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Once through all rows.
    pub fn epoch(&mut self) -> impl Iterator<Item = Result<Vec<Tensor>>> + '_ {
        if let Some(state) = &mut self.random {
            for i in (1..self.order.len()).rev() {
                self.order.swap(i, (next(state) % (i as u64 + 1)) as usize);
            }
        }
        let (count, me) = (self.len(), &*self);
        me.order.chunks(me.size).take(count).map(move |rows| me.batch(rows))
    }
    fn batch(&self, rows: &[i64]) -> Result<Vec<Tensor>> {
        self.tensors.iter().map(|tensor| take_rows(tensor, rows)).collect()
    }
}

/// The rows of these numbers.
pub fn take_rows(tensor: &Tensor, rows: &[i64]) -> Result<Tensor> {
    let (ctx, mut out) = (tensor.context_raw(), std::ptr::null_mut());
    let count = rows.len() as i64;
    // SAFETY: the context is alive, the list is as long as it says and copied, `out` is written to.
    let index = unsafe {
        crate::error::check(sys::jt_tensor_from_bytes(ctx, rows.as_ptr().cast(), rows.len() * 8, sys::JT_I64, &count, 1, &mut out))?;
        Tensor::made(ctx, out)
    };
    tensor.try_take(&index, 0)
}

// SplitMix64 (Steele, Lea and Flood 2014).
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
