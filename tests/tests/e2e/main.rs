//! Tests of the operator on a real cluster: `make e2e`. Each case of the acceptance list is a test with its number. In most
//! cases, pods of the real image serve bytes on a real kubelet. Tests that use only the API server say so.

#![expect(clippy::panic, reason = "test code: it panics with a message that says why")]
#![expect(clippy::disallowed_methods, reason = "black-box tests use no code of the operator, and real time")]

mod changes;
mod diagnostics;
mod faults;
mod faulty;
mod features;
mod harness;
mod inputs;
mod load;
mod operators;
mod own;
mod retained;
mod secrets;
mod security;
mod stores;
