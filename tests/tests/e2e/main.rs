//! The operator on a real cluster: `make e2e`. Each case of the acceptance list is a test with its number. A case counts as
//! shown when pods of the real image served bytes on a real kubelet; those that only the API server could show say so.

#![expect(clippy::panic, reason = "test code: it panics with a message that says why")]

mod changes;
mod faults;
mod faulty;
mod features;
mod inputs;
mod kept;
mod load;
mod operators;
mod own;
mod secrets;
mod security;
mod stand;
mod stores;
mod troubles;
