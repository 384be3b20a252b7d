//! The tests, one program: what they share is compiled once.
mod gradients;
mod layers;
mod misuse;
mod ops;
mod support;
mod threads;
