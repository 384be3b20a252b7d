//! Operators: `+ - * / %` between tensors and numbers, by value and by reference, and what goes with them.
use std::ops::{Add, BitAnd, BitOr, BitXor, Div, Mul, Neg, Not, Rem, Sub};

use crate::Tensor;

macro_rules! binary {
    ($($trait:ident $method:ident => $op:ident),*) => {$(
        impl $trait<&Tensor> for &Tensor {
            type Output = Tensor;
            #[track_caller]
            #[inline]
            fn $method(self, other: &Tensor) -> Tensor {
                Tensor::$op(self, other)
            }
        }
        impl $trait<Tensor> for &Tensor {
            type Output = Tensor;
            #[track_caller]
            #[inline]
            fn $method(self, other: Tensor) -> Tensor {
                Tensor::$op(self, &other)
            }
        }
        impl $trait<&Tensor> for Tensor {
            type Output = Tensor;
            #[track_caller]
            #[inline]
            fn $method(self, other: &Tensor) -> Tensor {
                Tensor::$op(&self, other)
            }
        }
        impl $trait<Tensor> for Tensor {
            type Output = Tensor;
            #[track_caller]
            #[inline]
            fn $method(self, other: Tensor) -> Tensor {
                Tensor::$op(&self, &other)
            }
        }
        // One float and one integer type, so that literals are of a known type.
        binary!(@number $trait $method $op f64 i64);
    )*};
    (@number $trait:ident $method:ident $op:ident $($number:ty)*) => {$(
        impl $trait<$number> for &Tensor {
            type Output = Tensor;
            #[track_caller]
            #[inline]
            fn $method(self, other: $number) -> Tensor {
                Tensor::$op(self, other)
            }
        }
        impl $trait<$number> for Tensor {
            type Output = Tensor;
            #[track_caller]
            #[inline]
            fn $method(self, other: $number) -> Tensor {
                Tensor::$op(&self, other)
            }
        }
        impl $trait<&Tensor> for $number {
            type Output = Tensor;
            #[track_caller]
            #[inline]
            fn $method(self, other: &Tensor) -> Tensor {
                Tensor::$op(&other.number(self.into()), other)
            }
        }
        impl $trait<Tensor> for $number {
            type Output = Tensor;
            #[track_caller]
            #[inline]
            fn $method(self, other: Tensor) -> Tensor {
                Tensor::$op(&other.number(self.into()), &other)
            }
        }
    )*};
}
binary!(Add add => add, Sub sub => sub, Mul mul => mul, Div div => div, Rem rem => mod_,
    BitAnd bitand => bitwise_and, BitOr bitor => bitwise_or, BitXor bitxor => bitwise_xor);

impl Neg for &Tensor {
    type Output = Tensor;
    #[track_caller]
    fn neg(self) -> Tensor {
        Tensor::neg(self)
    }
}
impl Neg for Tensor {
    type Output = Tensor;
    #[track_caller]
    fn neg(self) -> Tensor {
        Tensor::neg(&self)
    }
}
impl Not for &Tensor {
    type Output = Tensor;
    #[track_caller]
    fn not(self) -> Tensor {
        self.bitwise_not()
    }
}
impl Not for Tensor {
    type Output = Tensor;
    #[track_caller]
    fn not(self) -> Tensor {
        self.bitwise_not()
    }
}
