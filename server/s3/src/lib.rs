//! The S3 API: our own signature front before the `s3s` codec, and operations over the use cases.
//!
//! A request comes in at the root of the API's own port or under a prefix of the main port. [`sigv4`] verifies it
//! over the whole original path; then the prefix is cut off and the codec reads the operation. The codec's own
//! authentication is never used: an operation without the front's [`zot_domain::Call`] is refused.

mod body;
mod caller;
mod document;
mod error;
mod json;
mod ops;
mod request;
mod service;
pub mod sigv4;
mod sts;
mod transfer;
mod unsupported;

pub use service::{Options, S3};
