//! What went wrong: the library's status and message as a value.
use std::ffi::CStr;
use std::fmt;
use std::os::raw::c_char;

use crate::{sys, ErrorKind};

/// What fallible functions of this crate return.
pub type Result<T> = std::result::Result<T, Error>;

/// A failure: its kind, and a message that names the op, the fact, and the values that do not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    status: sys::jt_status,
    native: i64,
    message: String,
}

impl Error {
    /// An error of a custom op, or of anything else of the program's own. It passes through the library untouched.
    pub fn new(message: impl Into<String>) -> Self {
        Self::of(sys::JT_E_USER, message)
    }
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::of(sys::JT_E_INVALID, message)
    }
    pub(crate) fn of(status: sys::jt_status, message: impl Into<String>) -> Self {
        Self { status, native: 0, message: message.into() }
    }
    #[cold]
    fn last(status: sys::jt_status) -> Self {
        let mut info = sys::jt_error_info::default();
        // SAFETY: `info` has the size that it says; its texts are valid until the next failure of this thread.
        let message = unsafe {
            sys::jt_last_error(&mut info);
            text(info.message).to_owned()
        };
        Self { status, native: info.native_code, message }
    }
    /// What kind of failure it is.
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::from_raw(self.status)
    }
    /// The code of the C API, one of `sys::JT_E_...`.
    pub fn status(&self) -> i32 {
        self.status
    }
    /// errno or a driver's code, 0 if there is none.
    pub fn native_code(&self) -> i64 {
        self.native
    }
    /// The text.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
impl std::error::Error for Error {}

#[inline]
pub(crate) fn check(status: sys::jt_status) -> Result<()> {
    if status == sys::JT_OK {
        return Ok(());
    }
    Err(Error::last(status))
}

#[track_caller]
#[inline]
pub(crate) fn or_panic<T>(result: Result<T>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic_with(&error),
    }
}

#[cold]
#[track_caller]
fn panic_with(error: &Error) -> ! {
    panic!("{}", error)
}

/// # Safety
/// `text` is null or ends with a NUL, and lives as long as the result is used.
pub(crate) unsafe fn text<'a>(text: *const c_char) -> &'a str {
    if text.is_null() {
        return "";
    }
    CStr::from_ptr(text).to_str().unwrap_or("(text that is not UTF-8)")
}
