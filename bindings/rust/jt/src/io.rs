//! Checkpoints: named tensors in one safetensors file.
use std::ffi::CString;
use std::path::Path;
use std::ptr::{self, NonNull};

use crate::error::{check, text, Error};
use crate::{sys, Context, Result, Tensor};

pub(crate) fn path_text(path: &Path) -> Result<&str> {
    path.to_str().ok_or_else(|| Error::invalid(format!("{}: a path that is not UTF-8", path.display())))
}

/// Evaluates the tensors and writes them under their names. The file is replaced as a whole or, after an error, left as it was.
///
/// ```
/// # use jt::{io, Context, DType, Runtime};
/// # let ctx = Context::new(&Runtime::new()?)?;
/// # let path = std::env::temp_dir().join("jt_doc.safetensors");
/// io::save(&path, &[("ones", &ctx.ones(&[2, 2], DType::F32)?)])?;
/// let ones = io::Checkpoint::open(&path)?.load(&ctx, "ones")?;
/// assert_eq!(ones.to_vec::<f32>()?, [1.0; 4]);
/// # Ok::<(), jt::Error>(())
/// ```
pub fn save(path: impl AsRef<Path>, tensors: &[(&str, &Tensor)]) -> Result<()> {
    let path = path_text(path.as_ref())?;
    let first = tensors.first().ok_or_else(|| Error::invalid("save: no tensors are given"))?.1;
    let mut names = Vec::new();
    for (name, _) in tensors {
        names.push(CString::new(*name).map_err(|_| Error::invalid(format!("save: the name {:?} has a NUL in it", name)))?);
    }
    let pointers: Vec<_> = names.iter().map(|name| name.as_ptr()).collect();
    let raw: Vec<_> = tensors.iter().map(|(_, tensor)| tensor.raw()).collect();
    let ctx = first.context_raw();
    // SAFETY: handles are alive, texts end with a NUL, lists are as long as they say.
    check(unsafe { sys::jt_checkpoint_save(ctx, path.as_ptr().cast(), path.len(), pointers.as_ptr(), raw.as_ptr(), raw.len()) })
}

/// A safetensors file that is open for reading.
#[derive(Debug)]
pub struct Checkpoint {
    raw: NonNull<sys::jt_checkpoint>,
}
// SAFETY: after it was opened it is only read, by any thread.
unsafe impl Send for Checkpoint {}
unsafe impl Sync for Checkpoint {}

impl Drop for Checkpoint {
    fn drop(&mut self) {
        // SAFETY: this value's own.
        unsafe { sys::jt_checkpoint_release(self.raw.as_ptr()) };
    }
}

impl Checkpoint {
    /// Reads the file.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let (path, mut out) = (path_text(path.as_ref())?, ptr::null_mut());
        // SAFETY: the text is as long as it says, `out` is written to.
        check(unsafe { sys::jt_checkpoint_open(path.as_ptr().cast(), path.len(), &mut out) })?;
        Ok(Self { raw: NonNull::new(out).expect("a checkpoint that was opened") })
    }
    /// The names of its tensors.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        // SAFETY: names live as long as the checkpoint.
        (0..unsafe { sys::jt_checkpoint_count(self.raw.as_ptr()) })
            .map(move |i| unsafe { text(sys::jt_checkpoint_name(self.raw.as_ptr(), i)) })
    }
    /// The tensor of that name, with the dtype and shape it was saved with.
    pub fn load(&self, context: &Context, name: &str) -> Result<Tensor> {
        // SAFETY: handles are alive, the text is as long as it says, `out` is written to.
        context.make(|ctx, out| unsafe { sys::jt_checkpoint_load(ctx, self.raw.as_ptr(), name.as_ptr().cast(), name.len(), out) })
    }
}
