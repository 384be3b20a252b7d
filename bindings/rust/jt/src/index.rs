//! Slicing: `x.at((1..3, .., -1))`, and walking along the first axis.
use std::ops::{Range, RangeFrom, RangeFull, RangeInclusive, RangeTo, RangeToInclusive};

use crate::error::{or_panic, Error};
use crate::{Result, Tensor};

/// What an index says of one axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    /// One position, from the end where it is negative; the axis goes.
    At(i64),
    /// Positions from `start` to `stop`, every `step`-th. None: from the beginning, to the end. Negative ones count from the end.
    Slice {
        /// The first.
        start: Option<i64>,
        /// Behind the last.
        stop: Option<i64>,
        /// At least 1.
        step: i64,
    },
    /// A new axis of extent 1.
    New,
    /// All axes that no other word speaks of.
    Rest,
}

/// A new axis of extent 1 in an index.
#[derive(Clone, Copy, Debug)]
pub struct NewAxis;
/// All axes that no other word of an index speaks of.
#[derive(Clone, Copy, Debug)]
pub struct Ellipsis;

/// Every `step`-th of a range: `x.at(step(.., 2))`.
pub fn step(range: impl Into<Axis>, step: i64) -> Axis {
    match range.into() {
        Axis::Slice { start, stop, .. } => Axis::Slice { start, stop, step },
        other => other,
    }
}

fn slice(start: Option<i64>, stop: Option<i64>) -> Axis {
    Axis::Slice { start, stop, step: 1 }
}
// A range that ends with -1 ends with the last element, which no stop but none says.
fn behind(last: i64) -> Option<i64> {
    if last == -1 {
        None
    } else {
        Some(last.saturating_add(1))
    }
}

macro_rules! words {
    ($($from:ty, $value:ident => $axis:expr;)*) => {$(
        impl From<$from> for Axis {
            fn from($value: $from) -> Self {
                $axis
            }
        }
    )*};
}
words! {
    i64, at => Axis::At(at);
    Range<i64>, r => slice(Some(r.start), Some(r.end));
    RangeFrom<i64>, r => slice(Some(r.start), None);
    RangeTo<i64>, r => slice(None, Some(r.end));
    RangeInclusive<i64>, r => slice(Some(*r.start()), behind(*r.end()));
    RangeToInclusive<i64>, r => slice(None, behind(r.end));
    RangeFull, _r => slice(None, None);
    NewAxis, _r => Axis::New;
    Ellipsis, _r => Axis::Rest;
}

/// What [`Tensor::at`] takes: a word, or a tuple of them.
pub trait Index {
    /// The words, in order.
    fn axes(self) -> Vec<Axis>;
}
impl<T: Into<Axis>> Index for T {
    fn axes(self) -> Vec<Axis> {
        vec![self.into()]
    }
}
impl Index for &[Axis] {
    fn axes(self) -> Vec<Axis> {
        self.to_vec()
    }
}
macro_rules! tuples {
    ($($($name:ident)*;)*) => {$(
        impl<$($name: Into<Axis>),*> Index for ($($name,)*) {
            #[allow(non_snake_case)]
            fn axes(self) -> Vec<Axis> {
                let ($($name,)*) = self;
                vec![$($name.into()),*]
            }
        }
    )*};
}
tuples! { A; A B; A B C; A B C D; A B C D E; A B C D E F; A B C D E F G; A B C D E F G H; }

struct Taken {
    starts: Vec<i64>,
    stops: Vec<i64>,
    steps: Vec<i64>,
    shape: Vec<i64>, // of the result
}

fn taken(words: &[Axis], extents: &[i64]) -> Result<Taken> {
    let named = words.iter().filter(|w| matches!(w, Axis::At(_) | Axis::Slice { .. })).count();
    if named > extents.len() {
        return Err(Error::invalid(format!("at: {} axes are indexed, {:?} has {}", named, extents, extents.len())));
    }
    if words.iter().filter(|w| **w == Axis::Rest).count() > 1 {
        return Err(Error::invalid("at: an index has at most one ellipsis"));
    }
    let mut words = words.to_vec();
    if !words.contains(&Axis::Rest) {
        words.push(Axis::Rest);
    }
    let mut out = Taken { starts: vec![], stops: vec![], steps: vec![], shape: vec![] };
    for word in words {
        match word {
            Axis::New => out.shape.push(1),
            Axis::Rest => {
                for _ in named..extents.len() {
                    out.slice(extents, None, None, 1)?;
                }
            }
            Axis::Slice { start, stop, step } => out.slice(extents, start, stop, step)?,
            Axis::At(at) => out.position(extents, at)?,
        }
    }
    Ok(out)
}

impl Taken {
    fn slice(&mut self, extents: &[i64], start: Option<i64>, stop: Option<i64>, step: i64) -> Result<()> {
        let extent = extents[self.starts.len()];
        if step < 1 {
            return Err(Error::invalid(format!("at: a step is {}, it must be at least 1", step)));
        }
        let place = |at: i64| if at < 0 { at.saturating_add(extent).max(0) } else { at.min(extent) };
        let start = place(start.unwrap_or(0));
        let stop = stop.map_or(extent, place).max(start);
        self.starts.push(start);
        self.stops.push(stop);
        self.steps.push(step);
        self.shape.push((stop - start) / step + i64::from((stop - start) % step != 0));
        Ok(())
    }
    fn position(&mut self, extents: &[i64], at: i64) -> Result<()> {
        let axis = self.starts.len();
        let extent = extents[axis];
        let place = if at < 0 { at.saturating_add(extent) } else { at };
        if place < 0 || place >= extent {
            return Err(Error::of(crate::sys::JT_E_SHAPE, format!("at: index {} is out of range for axis {} of {:?}", at, axis, extents)));
        }
        self.starts.push(place);
        self.stops.push(place + 1);
        self.steps.push(1);
        Ok(())
    }
}

impl Tensor {
    /// A part: positions and ranges by axis, as in NumPy. Negative positions count from the end.
    ///
    /// ```
    /// # use jt::{step, Context, Ellipsis, NewAxis, Runtime};
    /// # let ctx = Context::new(&Runtime::new()?)?;
    /// let x = ctx.tensor(&[0i32, 1, 2, 3, 4, 5], &[2, 3])?;
    /// assert_eq!(x.at(1).to_vec::<i32>()?, [3, 4, 5]);
    /// assert_eq!(x.at((.., 1..)).shape(), [2, 2]);
    /// assert_eq!(x.at((Ellipsis, -1)).to_vec::<i32>()?, [2, 5]);
    /// assert_eq!(x.at((NewAxis, .., step(.., 2))).shape(), [1, 2, 2]);
    /// # Ok::<(), jt::Error>(())
    /// ```
    ///
    /// # Panics
    /// Where [`Tensor::try_at`] returns an error.
    #[track_caller]
    pub fn at(&self, index: impl Index) -> Tensor {
        or_panic(self.try_at(index))
    }
    /// [`Tensor::at`], with an error in place of a panic.
    pub fn try_at(&self, index: impl Index) -> Result<Tensor> {
        let part = taken(&index.axes(), &self.shape())?;
        let cut = self.try_slice(&part.starts, &part.stops, &part.steps)?;
        cut.try_reshape(&part.shape)
    }
    /// The tensors along the first axis.
    ///
    /// # Panics
    /// If it has no axes.
    #[track_caller]
    pub fn iter(&self) -> Iter<'_> {
        assert!(self.ndim() > 0, "iter: a tensor of rank 0 has no axis to walk along");
        Iter { tensor: self, range: 0..self.shape()[0] }
    }
}

/// Walks along the first axis of a tensor.
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    tensor: &'a Tensor,
    range: Range<i64>,
}
impl Iterator for Iter<'_> {
    type Item = Tensor;
    fn next(&mut self) -> Option<Tensor> {
        self.range.next().map(|i| self.tensor.at(i))
    }
    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = (self.range.end - self.range.start) as usize;
        (left, Some(left))
    }
}
impl DoubleEndedIterator for Iter<'_> {
    fn next_back(&mut self) -> Option<Tensor> {
        self.range.next_back().map(|i| self.tensor.at(i))
    }
}
impl ExactSizeIterator for Iter<'_> {}
impl std::iter::FusedIterator for Iter<'_> {}

impl<'a> IntoIterator for &'a Tensor {
    type Item = Tensor;
    type IntoIter = Iter<'a>;
    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}
