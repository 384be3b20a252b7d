//! Runtimes: devices, memory and compiled kernels, shared by contexts and threads.
use std::os::raw::{c_char, c_void};
use std::path::Path;
use std::ptr::{self, NonNull};

use crate::error::check;
use crate::{sys, Result};

/// Owns devices, memory and compiled kernels. A handle: a clone is the same runtime.
#[derive(Debug)]
pub struct Runtime {
    raw: NonNull<sys::jt_runtime>,
}
// SAFETY: the C API says that a runtime locks inside and may be used by any thread.
unsafe impl Send for Runtime {}
unsafe impl Sync for Runtime {}

impl Clone for Runtime {
    fn clone(&self) -> Self {
        // SAFETY: the handle is alive.
        unsafe { sys::jt_runtime_retain(self.raw()) };
        Self { raw: self.raw }
    }
}
impl Drop for Runtime {
    fn drop(&mut self) {
        // SAFETY: this handle's own count.
        unsafe { sys::jt_runtime_release(self.raw()) };
    }
}

/// Bytes of a runtime's memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// In values that someone holds.
    pub live: i64,
    /// The most that `live` has been.
    pub peak: i64,
    /// Kept for reuse.
    pub cached: i64,
}

/// What a runtime has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Evaluations that ran something.
    pub evals: i64,
    /// Graphs taken through the compiler.
    pub plans_made: i64,
    /// Kernels compiled by this process.
    pub kernels_compiled: i64,
    /// Kernels that came from the disk.
    pub kernels_from_disk: i64,
    /// Kernels run.
    pub launches: i64,
}

/// Importance of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(i32)]
pub enum LogLevel {
    /// Something failed.
    Error = sys::JT_LOG_ERROR,
    /// Something is not as it should be.
    Warning = sys::JT_LOG_WARNING,
    /// What happens.
    Info = sys::JT_LOG_INFO,
    /// More of it.
    Debug = sys::JT_LOG_DEBUG,
    /// All of it.
    Trace = sys::JT_LOG_TRACE,
}
impl LogLevel {
    fn from_raw(raw: i32) -> Self {
        match raw {
            sys::JT_LOG_ERROR => Self::Error,
            sys::JT_LOG_WARNING => Self::Warning,
            sys::JT_LOG_INFO => Self::Info,
            sys::JT_LOG_DEBUG => Self::Debug,
            _ => Self::Trace,
        }
    }
}

impl Runtime {
    /// With one thread per core, the environment read (`JT_...` variables), kernels cached in the user's cache folder.
    pub fn new() -> Result<Self> {
        Self::builder().threads(-1).environment(true).build()
    }
    /// To choose how: by default nothing is read from the environment or kept on disk, and the caller's thread computes alone.
    pub fn builder() -> RuntimeBuilder {
        RuntimeBuilder::default()
    }
    pub(crate) fn raw(&self) -> *mut sys::jt_runtime {
        self.raw.as_ptr()
    }
    /// Bytes in use.
    pub fn memory(&self) -> Result<Memory> {
        let mut info = sys::jt_memory_info::default();
        // SAFETY: the handle is alive, `info` has the size that it says.
        check(unsafe { sys::jt_runtime_memory_info(self.raw(), &mut info) })?;
        Ok(Memory { live: info.live_bytes, peak: info.peak_bytes, cached: info.cached_bytes })
    }
    /// Gives memory kept for reuse back to the system.
    pub fn trim(&self) -> Result<()> {
        // SAFETY: the handle is alive.
        check(unsafe { sys::jt_runtime_trim(self.raw()) })
    }
    /// Counts since it was made.
    pub fn stats(&self) -> Result<Stats> {
        let mut s = sys::jt_stats::default();
        // SAFETY: the handle is alive, `s` has the size that it says.
        check(unsafe { sys::jt_runtime_stats(self.raw(), &mut s) })?;
        Ok(Stats {
            evals: s.evals,
            plans_made: s.plans_made,
            kernels_compiled: s.kernels_compiled,
            kernels_from_disk: s.kernels_from_disk,
            launches: s.launches,
        })
    }
}

/// A device of a runtime, by its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device(pub(crate) i32);

impl Runtime {
    /// Names of the devices: those that `JT_DEVICES` lists, where the environment is read, else `cpu`.
    pub fn devices(&self) -> Result<Vec<String>> {
        // SAFETY: the handle is alive.
        let count = unsafe { sys::jt_runtime_device_count(self.raw()) };
        // SAFETY: the handle is alive, the room is as long as it says.
        (0..count).map(|i| text_of(|dst, len, out| unsafe { sys::jt_runtime_device_name(self.raw(), i, dst, len, out) })).collect()
    }
    /// The device of that name; `:0` may be left out.
    pub fn device(&self, name: &str) -> Result<Device> {
        let mut out = 0;
        // SAFETY: the handle is alive, the name as long as it says; `out` is written to.
        check(unsafe { sys::jt_runtime_find_device(self.raw(), name.as_ptr().cast(), name.len(), &mut out) })?;
        Ok(Device(out))
    }
}

/// A text that a call writes into room that it is asked for first.
pub(crate) fn text_of(call: impl Fn(*mut c_char, usize, *mut usize) -> sys::jt_status) -> Result<String> {
    let mut len = 0;
    check(call(ptr::null_mut(), 0, &mut len))?;
    let mut bytes = vec![0u8; len];
    check(call(bytes.as_mut_ptr().cast(), bytes.len(), &mut len))?;
    bytes.truncate(bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len()));
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

impl Runtime {
    /// The kernels that have run, slowest first, as a table.
    pub fn report(&self) -> Result<String> {
        // SAFETY: the handle is alive, the room is as long as it says.
        text_of(|dst, len, out| unsafe { sys::jt_stats_print(self.raw(), dst, len, out) })
    }
    /// Times every launch from now on, or no longer.
    pub fn set_timing(&self, on: bool) -> Result<()> {
        // SAFETY: the handle is alive.
        check(unsafe { sys::jt_stats_set_timing(self.raw(), i32::from(on)) })
    }
    /// Collects what happens until [`Runtime::stop_trace`] writes it to the file, in Chrome's trace format.
    pub fn start_trace(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = crate::io::path_text(path.as_ref())?;
        // SAFETY: the handle is alive, the text is as long as it says.
        check(unsafe { sys::jt_trace_start(self.raw(), path.as_ptr().cast(), path.len()) })
    }
    /// Writes the trace.
    pub fn stop_trace(&self) -> Result<()> {
        // SAFETY: the handle is alive.
        check(unsafe { sys::jt_trace_stop(self.raw()) })
    }
}

type Log = Box<dyn Fn(LogLevel, &str) + Send + Sync>;

/// How a runtime is made.
#[derive(Default)]
pub struct RuntimeBuilder {
    flags: i32,
    threads: i32,
    memory_limit: i64,
    cache_dir: Option<String>,
    log: Option<(LogLevel, Log)>,
}

impl RuntimeBuilder {
    fn flag(mut self, flag: i32, on: bool) -> Self {
        self.flags = if on { self.flags | flag } else { self.flags & !flag };
        self
    }
    /// Whether `JT_...` variables of the environment are read.
    #[must_use]
    pub fn environment(self, on: bool) -> Self {
        self.flag(sys::JT_RT_ALLOW_ENV, on)
    }
    /// Whether compiled kernels stay in this process.
    #[must_use]
    pub fn without_disk_cache(self, on: bool) -> Self {
        self.flag(sys::JT_RT_NO_DISK_CACHE, on)
    }
    /// Whether kernels are only interpreted, or taken from the cache.
    #[must_use]
    pub fn without_compiler(self, on: bool) -> Self {
        self.flag(sys::JT_RT_NO_COMPILE, on)
    }
    /// Threads that compute, the caller's included; 0: the caller's alone, -1: one per core. Values have the same bits.
    #[must_use]
    pub fn threads(mut self, threads: i32) -> Self {
        self.threads = threads;
        self
    }
    /// Most bytes of values held at once; 0: any, -1: nearly what the machine has.
    #[must_use]
    pub fn memory_limit(mut self, bytes: i64) -> Self {
        self.memory_limit = bytes;
        self
    }
    /// Folder of compiled kernels.
    #[must_use]
    pub fn cache_dir(mut self, dir: impl AsRef<Path>) -> Self {
        self.cache_dir = Some(dir.as_ref().to_string_lossy().into_owned());
        self
    }
    /// A function for log lines of this importance and above. It may be called from any thread and must not use jt; it stays
    /// for the rest of the process, since values may outlive every handle on the runtime.
    #[must_use]
    pub fn log(mut self, level: LogLevel, log: impl Fn(LogLevel, &str) + Send + Sync + 'static) -> Self {
        self.log = Some((level, Box::new(log)));
        self
    }
    /// Makes it.
    pub fn build(self) -> Result<Runtime> {
        let mut desc = sys::jt_runtime_desc { flags: self.flags as u32, threads: self.threads, ..Default::default() };
        desc.memory_limit = self.memory_limit;
        if let Some(dir) = &self.cache_dir {
            desc.cache_dir = dir.as_ptr().cast();
            desc.cache_dir_len = dir.len();
        }
        let mut kept: Option<*mut Log> = None;
        if let Some((level, log)) = self.log {
            let raw = Box::into_raw(Box::new(log));
            kept = Some(raw);
            desc.log = Some(log_line);
            desc.log_user = raw.cast();
            desc.log_level = level as i32;
        }
        let mut out = ptr::null_mut();
        // SAFETY: texts and functions of `desc` are alive; `out` is written to.
        let made = check(unsafe { sys::jt_runtime_create(&desc, &mut out) });
        if let (Err(_), Some(raw)) = (&made, kept) {
            // SAFETY: nobody else has it.
            drop(unsafe { Box::from_raw(raw) });
        }
        made?;
        Ok(Runtime { raw: NonNull::new(out).expect("a runtime that was made") })
    }
}

unsafe extern "C" fn log_line(user: *mut c_void, level: i32, _: *const c_char, message: *const c_char, message_len: usize) {
    let log = &*user.cast::<Log>();
    let bytes = std::slice::from_raw_parts(message.cast::<u8>(), message_len);
    let line = String::from_utf8_lossy(bytes);
    // A panic must not cross into C; it has printed its message.
    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| log(LogLevel::from_raw(level), &line)));
}
