//! Bodies against the decoder of chunks: `cargo +nightly fuzz run decoder`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| zot_s3::sigv4::fuzz::decoder(data));
