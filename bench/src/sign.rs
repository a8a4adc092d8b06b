//! Signature Version 4 in the header, over `host`, `x-amz-content-sha256` and `x-amz-date`.

use std::sync::{Mutex, PoisonError};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

const REGION: &str = "us-east-1";
const SIGNED: &str = "host;x-amz-content-sha256;x-amz-date";
/// `x-amz-content-sha256` of a body that the signature does not cover.
pub(crate) const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

/// An access key that signs.
pub(crate) struct Signer {
    id: String,
    secret: String,
    /// The key of the day, and which day that is.
    day: Mutex<(String, Vec<u8>)>,
}

impl Signer {
    /// A signer with this access key and its secret.
    pub(crate) fn new(id: &str, secret: &str) -> Self {
        Self { id: id.to_owned(), secret: secret.to_owned(), day: Mutex::default() }
    }

    /// The headers that sign a request now. `path` and `query` are canonical already: escaped, the query sorted.
    pub(crate) fn headers(&self, method: &str, host: &str, path: &str, query: &str, payload: &str) -> String {
        self.headers_at(
            &zot_core::ambient::now().strftime("%Y%m%dT%H%M%SZ").to_string(),
            method,
            host,
            path,
            query,
            payload,
        )
    }

    fn headers_at(&self, time: &str, method: &str, host: &str, path: &str, query: &str, payload: &str) -> String {
        let day = time.get(..8).unwrap_or_default();
        let canonical = format!(
            "{method}\n{path}\n{query}\nhost:{host}\nx-amz-content-sha256:{payload}\nx-amz-date:{time}\n\n{SIGNED}\n\
             {payload}"
        );
        let scope = format!("{day}/{REGION}/s3/aws4_request");
        let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hex::encode(Sha256::digest(canonical)));
        let signature = hex::encode(hmac(&self.key(day), &text));
        format!(
            "x-amz-date: {time}\r\nx-amz-content-sha256: {payload}\r\nauthorization: AWS4-HMAC-SHA256 \
             Credential={}/{scope}, SignedHeaders={SIGNED}, Signature={signature}\r\n",
            self.id
        )
    }

    fn key(&self, day: &str) -> Vec<u8> {
        let mut cached = self.day.lock().unwrap_or_else(PoisonError::into_inner);
        if cached.0 != day {
            let first = format!("AWS4{}", self.secret).into_bytes();
            let key = [day, REGION, "s3", "aws4_request"].iter().fold(first, |key, part| hmac(&key, part));
            *cached = (day.to_owned(), key);
        }
        cached.1.clone()
    }
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    // a key of any length will do
    let Ok(mac) = Hmac::<Sha256>::new_from_slice(key) else { return Vec::new() };
    mac.chain_update(text.as_bytes()).finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// "GET Bucket Lifecycle" of the examples in AWS's documentation of Signature Version 4.
    #[test]
    fn signs_the_documented_example() {
        let signer = Signer::new("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
        let empty = hex::encode(Sha256::digest(b""));
        let host = "examplebucket.s3.amazonaws.com";
        let headers = signer.headers_at("20130524T000000Z", "GET", host, "/", "lifecycle=", &empty);
        let signature = "Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543";
        assert!(headers.contains(signature), "{headers}");
    }
}
