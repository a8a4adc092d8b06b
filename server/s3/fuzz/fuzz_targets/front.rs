//! Requests against the front: `cargo +nightly fuzz run front`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| zot_s3::sigv4::fuzz::front(data));
