//! Ops of the program's own: closures, and C source that the library compiles.
use std::any::Any;
use std::ffi::CString;
use std::os::raw::{c_char, c_void};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::ptr;
use std::sync::Arc;

use crate::error::{check, Error};
use crate::{sys, DType, Element, Result, Tensor, Type};

/// Elements of an operand of a custom op.
#[derive(Debug)]
pub struct Input<'a> {
    buffer: &'a sys::jt_custom_buffer,
}
/// Room for the elements of a result of a custom op. What it holds before is undefined.
#[derive(Debug)]
pub struct Output<'a> {
    buffer: &'a sys::jt_custom_buffer,
}

macro_rules! buffer {
    ($name:ident) => {
        impl $name<'_> {
            /// The dtype of the elements.
            pub fn dtype(&self) -> DType {
                DType::from_raw(self.buffer.dtype).expect("a dtype of this version")
            }
            /// Extents.
            pub fn shape(&self) -> &[i64] {
                // SAFETY: the list is as long as it says, during the call that this borrows from.
                unsafe { list(self.buffer.dims, self.buffer.dims_len) }
            }
            fn count<T: Element>(&self) -> Result<usize> {
                if T::reads(self.dtype()) {
                    return Ok(self.buffer.data_len / std::mem::size_of::<T>());
                }
                let text = format!("elements of {} are not {}", self.dtype().name(), T::DTYPE.name());
                Err(Error::of(sys::JT_E_DTYPE, text))
            }
        }
    };
}
buffer!(Input);
buffer!(Output);

unsafe fn list<'a, T>(data: *const T, len: usize) -> &'a [T] {
    if len == 0 {
        return &[];
    }
    std::slice::from_raw_parts(data, len)
}

impl Input<'_> {
    /// The elements, row by row.
    pub fn as_slice<T: Element>(&self) -> Result<&[T]> {
        let count = self.count::<T>()?;
        // SAFETY: the memory is dense, aligned, and not written during the call.
        Ok(unsafe { list(self.buffer.data.cast(), count) })
    }
}
impl Output<'_> {
    /// The elements, row by row, to be written.
    pub fn as_mut_slice<T: Element>(&mut self) -> Result<&mut [T]> {
        let count = self.count::<T>()?;
        if count == 0 {
            return Ok(&mut []);
        }
        // SAFETY: the memory is dense and aligned; this op alone has it during the call.
        Ok(unsafe { std::slice::from_raw_parts_mut(self.buffer.data.cast(), count) })
    }
}

/// What a gradient is made from.
#[derive(Debug)]
pub struct Gradients {
    /// The operands.
    pub inputs: Vec<Tensor>,
    /// By operand: whether its gradient is asked for.
    pub needs: Vec<bool>,
    /// The results.
    pub outputs: Vec<Tensor>,
    /// By result: the gradient that comes; none: zero.
    pub grads: Vec<Option<Tensor>>,
}

type Forward = dyn Fn(&[Input<'_>], &mut [Output<'_>]) -> Result<()> + Send + Sync;
type Backward = dyn Fn(&Gradients) -> Result<Vec<Option<Tensor>>> + Send + Sync;

struct Functions {
    forward: Box<Forward>,
    backward: Option<Box<Backward>>,
}

/// An op made of closures. It runs when a value is needed, on the thread that evaluates, and must not use that context then.
/// An error or a panic becomes the error of whoever reads the result.
///
/// ```
/// # use jt::{custom::Custom, Context, DType, Runtime, Type};
/// # let ctx = Context::new(&Runtime::new()?)?;
/// let cube = Custom::new("cube", |inputs, outputs| {
///     for (y, x) in outputs[0].as_mut_slice::<f32>()?.iter_mut().zip(inputs[0].as_slice::<f32>()?) {
///         *y = x * x * x;
///     }
///     Ok(())
/// })
/// .gradient(|g| Ok(vec![g.grads[0].as_ref().map(|dy| &g.inputs[0] * &g.inputs[0] * 3.0 * dy)]));
///
/// let x = ctx.tensor(&[1.0f32, 2.0], &[2])?.requiring_grad()?;
/// let y = cube.call(&[&x], &[x.ty()])?.remove(0);
/// assert_eq!(y.sum(&[], false).grad(&[&x])?[0].to_vec::<f32>()?, [3.0, 12.0]);
/// assert_eq!(y.to_vec::<f32>()?, [1.0, 8.0]);
/// # Ok::<(), jt::Error>(())
/// ```
pub struct Custom {
    name: String,
    functions: Functions,
}

impl Custom {
    /// An op without a gradient.
    pub fn new(name: &str, forward: impl Fn(&[Input<'_>], &mut [Output<'_>]) -> Result<()> + Send + Sync + 'static) -> Self {
        Self { name: name.to_owned(), functions: Functions { forward: Box::new(forward), backward: None } }
    }
    /// How to record its gradient: one for each operand; none: zero. It may be called several times, or never.
    #[must_use]
    pub fn gradient(mut self, backward: impl Fn(&Gradients) -> Result<Vec<Option<Tensor>>> + Send + Sync + 'static) -> Self {
        self.functions.backward = Some(Box::new(backward));
        self
    }
    /// An op that can be called many times.
    pub fn shared(self) -> Op {
        Op { name: self.name, functions: Arc::new(self.functions) }
    }
    /// Records it on `inputs`, once. Gives results of these types.
    pub fn call(self, inputs: &[&Tensor], outputs: &[Type]) -> Result<Vec<Tensor>> {
        self.shared().call(inputs, outputs)
    }
}

/// A [`Custom`] that can be called many times, from any thread.
#[derive(Clone)]
pub struct Op {
    name: String,
    functions: Arc<Functions>,
}

fn types_of(outputs: &[Type]) -> Vec<sys::jt_custom_type> {
    outputs.iter().map(|t| sys::jt_custom_type { dtype: t.dtype as i32, dims: t.shape.as_ptr(), dims_len: t.shape.len() }).collect()
}

/// Records an op by a call of the C API that takes inputs and fills outputs.
type Record<'a> = dyn FnOnce(*mut sys::jt_context, *const *mut sys::jt_tensor, *mut *mut sys::jt_tensor) -> sys::jt_status + 'a;
fn record(name: &str, inputs: &[&Tensor], outputs: usize, call: Box<Record<'_>>) -> Result<Vec<Tensor>> {
    let ctx = crate::operand::context_of(name, inputs)?;
    let raw: Vec<_> = inputs.iter().map(|t| t.raw()).collect();
    let mut outs = vec![ptr::null_mut(); outputs];
    check(call(ctx, raw.as_ptr(), outs.as_mut_ptr()))?;
    // SAFETY: the call made them, in this context.
    Ok(outs.into_iter().map(|out| unsafe { Tensor::made(ctx, out) }).collect())
}

impl Op {
    /// Records it on `inputs`. Gives results of these types.
    pub fn call(&self, inputs: &[&Tensor], outputs: &[Type]) -> Result<Vec<Tensor>> {
        let types = types_of(outputs);
        let user = Arc::into_raw(self.functions.clone());
        let desc = sys::jt_custom_desc {
            name: self.name.as_ptr().cast(),
            name_len: self.name.len(),
            forward: Some(forward),
            backward: self.functions.backward.as_ref().map(|_| backward as _),
            release: Some(release),
            user: user as *mut c_void,
            outputs: types.as_ptr(),
            outputs_len: types.len(),
            ..Default::default()
        };
        // SAFETY: `desc` and the lists are alive during the call.
        let made = record(
            &self.name,
            inputs,
            outputs.len(),
            Box::new(|ctx, raw, outs| unsafe { sys::jt_custom(ctx, &desc, raw, inputs.len(), outs, outputs.len()) }),
        );
        if made.is_err() {
            // SAFETY: after a failure the library does not call `release`.
            unsafe { drop(Arc::from_raw(user)) };
        }
        made
    }
}

fn panic_text(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    format!("it panicked: {}", text.unwrap_or("with a value that is no text"))
}

/// Runs `body`; what it returns or panics with becomes a status, and the message that is put where the caller wants it.
unsafe fn guarded(message: *mut c_char, message_len: usize, body: impl FnOnce() -> Result<()>) -> sys::jt_status {
    let error = match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => return sys::JT_OK,
        Ok(Err(error)) => error,
        Err(payload) => {
            let error = Error::new(panic_text(&*payload));
            // The drop of what it panicked with may panic too.
            std::mem::forget(payload);
            error
        }
    };
    if message_len > 0 && !message.is_null() {
        let mut len = error.message().len().min(message_len - 1);
        while !error.message().is_char_boundary(len) {
            len -= 1;
        }
        ptr::copy_nonoverlapping(error.message().as_ptr().cast(), message, len);
        *message.add(len) = 0;
    }
    error.status()
}

unsafe extern "C" fn forward(user: *mut c_void, call: *const sys::jt_custom_call) -> sys::jt_status {
    let (functions, call) = (&*user.cast::<Functions>(), &*call);
    guarded(call.message, call.message_len, || {
        let inputs: Vec<_> = list(call.inputs, call.inputs_len).iter().map(|buffer| Input { buffer }).collect();
        let mut outputs: Vec<_> = list(call.outputs, call.outputs_len).iter().map(|buffer| Output { buffer }).collect();
        (functions.forward)(&inputs, &mut outputs)
    })
}

unsafe extern "C" fn backward(user: *mut c_void, call: *const sys::jt_custom_grad) -> sys::jt_status {
    let (functions, call) = (&*user.cast::<Functions>(), &*call);
    guarded(call.message, call.message_len, || {
        let held = |raw: &*mut sys::jt_tensor| {
            sys::jt_tensor_retain(*raw);
            Tensor::made(call.ctx, *raw)
        };
        let grads = list(call.grads, call.outputs_len);
        let given = Gradients {
            inputs: list(call.inputs, call.inputs_len).iter().map(held).collect(),
            needs: list(call.needs, call.inputs_len).iter().map(|&needed| needed != 0).collect(),
            outputs: list(call.outputs, call.outputs_len).iter().map(held).collect(),
            grads: grads.iter().map(|raw| (!raw.is_null()).then(|| held(raw))).collect(),
        };
        let backward = functions.backward.as_ref().expect("a gradient that was given");
        let made = backward(&given)?;
        if made.len() != call.inputs_len {
            return Err(Error::invalid(format!("its gradient gave {} tensors for {} operands", made.len(), call.inputs_len)));
        }
        for (i, tensor) in made.into_iter().enumerate() {
            if let Some(tensor) = tensor {
                *call.input_grads.add(i) = tensor.raw();
                std::mem::forget(tensor); // its count is the library's now
            }
        }
        Ok(())
    })
}

unsafe extern "C" fn release(user: *mut c_void) {
    // What closures hold may panic when it goes.
    let _ = catch_unwind(AssertUnwindSafe(|| drop(Arc::from_raw(user.cast::<Functions>() as *const Functions))));
}

/// An op made of C source: statements in which `in0`, `in1`... and `out` are pointers to the elements, `in0_shape0` extents,
/// `@in0(i, j)` an element by its indices, and `data_name` a number. See `jt_custom.h`.
///
/// ```
/// # use jt::{custom::Code, Context, Runtime};
/// # let ctx = Context::new(&Runtime::new()?)?;
/// let scale = Code::new("for (int64_t i = 0; i < in0_num; i++) out[i] = in0[i] * data_by;")
///     .gradient(0, "for (int64_t i = 0; i < out_num; i++) out[i] = dout[i] * data_by;")
///     .data("by", 3.0);
/// let x = ctx.tensor(&[1.0f32, 2.0], &[2])?;
/// match scale.call(&[&x], &[x.ty()])?[0].to_vec::<f32>() {
///     Ok(values) => assert_eq!(values, [3.0, 6.0]),
///     Err(error) => assert_eq!(error.kind(), jt::ErrorKind::Unsupported), // no compiler here
/// }
/// # Ok::<(), jt::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Code {
    name: String,
    source: String,
    header: String,
    gradients: Vec<(usize, String)>,
    data: Vec<(String, f64)>,
}

impl Code {
    /// An op of this source, without a gradient.
    pub fn new(source: &str) -> Self {
        Self { name: "code".to_owned(), source: source.to_owned(), ..Self::default() }
    }
    /// For errors, graphs and traces.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        self.name = name.to_owned();
        self
    }
    /// C text before the function: types, helper functions.
    #[must_use]
    pub fn header(mut self, header: &str) -> Self {
        self.header = header.to_owned();
        self
    }
    /// The source of the gradient of an operand: `pout` and `dout` are the op's result and its gradient.
    #[must_use]
    pub fn gradient(mut self, input: usize, source: &str) -> Self {
        self.gradients.push((input, source.to_owned()));
        self
    }
    /// A number that the source reads as `data_name`. Another number compiles nothing.
    #[must_use]
    pub fn data(mut self, name: &str, value: f64) -> Self {
        self.data.push((name.to_owned(), value));
        self
    }
    /// Records it on `inputs`. Gives results of these types.
    pub fn call(&self, inputs: &[&Tensor], outputs: &[Type]) -> Result<Vec<Tensor>> {
        let c_text = |text: &str| CString::new(text).map_err(|_| Error::invalid(format!("code: a NUL in {:?}", text)));
        let mut sources: Vec<Option<CString>> = vec![None; inputs.len()];
        for (input, source) in &self.gradients {
            let count = inputs.len();
            let text = || Error::invalid(format!("code: a gradient for operand {} of {}", input, count));
            *sources.get_mut(*input).ok_or_else(text)? = Some(c_text(source)?);
        }
        let sources: Vec<_> = sources.iter().map(|s| s.as_ref().map_or(ptr::null(), |s| s.as_ptr())).collect();
        let names = self.data.iter().map(|(name, _)| c_text(name)).collect::<Result<Vec<_>>>()?;
        let names: Vec<_> = names.iter().map(|name| name.as_ptr()).collect();
        let values: Vec<_> = self.data.iter().map(|(_, value)| *value).collect();
        let types = types_of(outputs);
        let desc = sys::jt_code_desc {
            name: self.name.as_ptr().cast(),
            name_len: self.name.len(),
            source: self.source.as_ptr().cast(),
            source_len: self.source.len(),
            header: self.header.as_ptr().cast(),
            header_len: self.header.len(),
            grad_sources: sources.as_ptr(),
            grad_sources_len: if self.gradients.is_empty() { 0 } else { sources.len() },
            data_names: names.as_ptr(),
            data_values: values.as_ptr(),
            data_len: values.len(),
            outputs: types.as_ptr(),
            outputs_len: types.len(),
            ..Default::default()
        };
        // SAFETY: `desc` and the lists are alive during the call, which copies what it keeps.
        record(
            &self.name,
            inputs,
            outputs.len(),
            Box::new(|ctx, raw, outs| unsafe { sys::jt_code(ctx, &desc, raw, inputs.len(), outs, outputs.len()) }),
        )
    }
}
