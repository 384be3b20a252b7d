//! Tensors from and into arrays of the crate `ndarray`.
use ndarray::{ArrayBase, ArrayD, Data, Dimension, IxDyn};

use crate::{Context, Element, Error, Result, Tensor};

impl Context {
    /// A tensor with the elements of an array.
    pub fn tensor_of_array<T: Element, S: Data<Elem = T>, D: Dimension>(&self, array: &ArrayBase<S, D>) -> Result<Tensor> {
        let shape: Vec<i64> = array.shape().iter().map(|&n| n as i64).collect();
        match array.as_slice() {
            Some(elements) => self.tensor(elements, &shape),
            None => self.tensor(&array.iter().copied().collect::<Vec<T>>(), &shape),
        }
    }
}

impl Tensor {
    /// Its elements as an array; evaluates it.
    ///
    /// ```
    /// # use jt::{Context, Runtime};
    /// # let ctx = Context::new(&Runtime::new()?)?;
    /// let array = ndarray::arr2(&[[1.0f32, 2.0], [3.0, 4.0]]);
    /// let x = ctx.tensor_of_array(&array.t())?;
    /// assert_eq!((x * 2.0).to_array::<f32>()?, (array.t().to_owned() * 2.0).into_dyn());
    /// # Ok::<(), jt::Error>(())
    /// ```
    pub fn to_array<T: Element>(&self) -> Result<ArrayD<T>> {
        let shape: Vec<usize> = self.shape().iter().map(|&n| n as usize).collect();
        ArrayD::from_shape_vec(IxDyn(&shape), self.to_vec()?).map_err(|error| Error::new(error.to_string()))
    }
}
