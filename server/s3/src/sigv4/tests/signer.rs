//! A signer written from the pages of AWS and on its own primitives where it can be: it encodes, sorts and joins in
//! another way than the verifier, and chains HMACs itself.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use axum::body::Body;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::Request;
use sha2::{Digest as _, Sha256};

use super::{ACCESS_KEY, SECRET};

/// What to sign. `path` and `query` are plain text.
#[derive(Debug, Clone)]
pub(super) struct Signer {
    pub(super) method: &'static str,
    pub(super) path: String,
    pub(super) query: Vec<(String, String)>,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) access_key: String,
    pub(super) secret: String,
    pub(super) date: String,
    pub(super) region: String,
    pub(super) service: String,
    pub(super) terminator: String,
    pub(super) time: String,
    pub(super) sha256: String,
    pub(super) expires: String,
    /// Headers that are sent without a signature.
    pub(super) unsigned: Vec<(String, String)>,
    /// Whether to leave out `x-amz-content-sha256`.
    pub(super) bare: bool,
    /// Whether to leave out `x-amz-date`.
    pub(super) undated: bool,
}

impl Signer {
    pub(super) fn new(method: &'static str, path: &str) -> Self {
        let headers = BTreeMap::from([("host".to_owned(), "s3.example.test".to_owned())]);
        let texts = [ACCESS_KEY, SECRET, "20130524", "us-east-1", "s3", "aws4_request", "20130524T000000Z"];
        let [access_key, secret, date, region, service, terminator, time] = texts.map(str::to_owned);
        let (path, sha256, expires) = (path.to_owned(), "UNSIGNED-PAYLOAD".to_owned(), "600".to_owned());
        let (query, unsigned) = (Vec::new(), Vec::new());
        Self {
            method,
            path,
            query,
            headers,
            access_key,
            secret,
            date,
            region,
            service,
            terminator,
            time,
            sha256,
            expires,
            unsigned,
            bare: false,
            undated: false,
        }
    }

    pub(super) fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    pub(super) fn header(self, name: &str, value: &str) -> Self {
        self.with(|it| {
            it.headers.insert(name.to_owned(), value.to_owned());
        })
    }

    pub(super) fn query(self, name: &str, value: &str) -> Self {
        self.with(|it| it.query.push((name.to_owned(), value.to_owned())))
    }

    pub(super) fn scope(&self) -> String {
        [&*self.date, &self.region, &self.service, &self.terminator].join("/")
    }

    pub(super) fn key(&self) -> Vec<u8> {
        let mut key = format!("AWS4{}", self.secret).into_bytes();
        for step in [&self.date, &self.region, &self.service, &self.terminator] {
            key = hmac(&key, step.as_bytes());
        }
        key
    }

    fn names(&self) -> String {
        self.headers.keys().cloned().collect::<Vec<_>>().join(";")
    }

    fn signature(&self) -> String {
        let path: Vec<_> = self.path.split('/').map(escape).collect();
        let mut pairs: Vec<_> =
            self.query.iter().map(|(name, value)| format!("{}={}", escape(name), escape(value))).collect();
        pairs.sort_by_key(|pair| pair.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())));
        let headers = self.headers.iter().fold(String::new(), |mut all, (name, value)| {
            let words: Vec<_> = value.split_whitespace().collect();
            writeln!(all, "{name}:{}", words.join(" ")).unwrap();
            all
        });
        let canonical = [self.method, &path.join("/"), &pairs.join("&"), &headers, &self.names(), &self.sha256];
        let digest = hex::encode(Sha256::digest(canonical.join("\n")));
        let text = ["AWS4-HMAC-SHA256", &self.time, &self.scope(), &digest].join("\n");
        hex::encode(hmac(&self.key(), text.as_bytes()))
    }

    fn build(&self, body: Body) -> Request<Body> {
        let path: Vec<_> = self.path.split('/').map(escape).collect();
        let pairs: Vec<_> =
            self.query.iter().map(|(name, value)| format!("{}={}", escape(name), escape(value))).collect();
        let mark = if pairs.is_empty() { "" } else { "?" };
        let uri = format!("{}{mark}{}", path.join("/"), pairs.join("&"));
        let mut request = Request::builder().method(self.method).uri(uri);
        for (name, value) in self.headers.iter().chain(self.unsigned.iter().map(|(name, value)| (name, value))) {
            request = request.header(name, value);
        }
        request.body(body).unwrap()
    }

    /// Signed in the header; and the seed for chunks.
    pub(super) fn sign_with_seed(mut self, body: impl Into<Body>) -> (Request<Body>, String) {
        if !self.undated {
            self.headers.entry("x-amz-date".to_owned()).or_insert_with(|| self.time.clone());
        }
        if !self.bare {
            self.headers.entry("x-amz-content-sha256".to_owned()).or_insert_with(|| self.sha256.clone());
        }
        let signature = self.signature();
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={}, Signature={signature}",
            self.access_key,
            self.scope(),
            self.names()
        );
        let mut request = self.build(body.into());
        request.headers_mut().insert("authorization", authorization.parse().unwrap());
        (request, signature)
    }

    /// Signed in the header.
    pub(super) fn sign(self, body: impl Into<Body>) -> Request<Body> {
        self.sign_with_seed(body).0
    }

    /// Signed in the query.
    pub(super) fn presign(mut self, body: impl Into<Body>) -> Request<Body> {
        let credential = format!("{}/{}", self.access_key, self.scope());
        let (names, time, expires) = (self.names(), self.time.clone(), self.expires.clone());
        for (name, value) in [
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
            ("X-Amz-Credential", &*credential),
            ("X-Amz-Date", &time),
            ("X-Amz-Expires", &expires),
            ("X-Amz-SignedHeaders", &names),
        ] {
            self = self.query(name, value);
        }
        let signature = self.signature();
        self.query("X-Amz-Signature", &signature).build(body.into())
    }

    /// The body in chunks of these sizes; signed after the seed, if there is one.
    pub(super) fn chunks(&self, seed: Option<&str>, data: &[u8], size: usize, trailer: &[(&str, &str)]) -> Vec<u8> {
        let key = self.key();
        let context = format!("{}\n{}", self.time, self.scope());
        let mut previous = seed.unwrap_or_default().to_owned();
        let empty = hex::encode(Sha256::digest(b""));
        let mut body = Vec::new();
        for chunk in data.chunks(size).chain([&[][..]]) {
            body.extend(format!("{:x}", chunk.len()).into_bytes());
            if seed.is_some() {
                let digest = hex::encode(Sha256::digest(chunk));
                let text = format!("AWS4-HMAC-SHA256-PAYLOAD\n{context}\n{previous}\n{empty}\n{digest}");
                previous = hex::encode(hmac(&key, text.as_bytes()));
                body.extend(format!(";chunk-signature={previous}").into_bytes());
            }
            body.extend(b"\r\n");
            body.extend(chunk);
            if !chunk.is_empty() {
                body.extend(b"\r\n");
            }
        }
        let lines: Vec<_> = trailer.iter().map(|(name, value)| format!("{name}:{value}")).collect();
        body.extend(lines.iter().flat_map(|line| format!("{line}\r\n").into_bytes()));
        if seed.is_some() && !trailer.is_empty() {
            let digest = hex::encode(Sha256::digest(lines.join("\n") + "\n"));
            let text = format!("AWS4-HMAC-SHA256-TRAILER\n{context}\n{previous}\n{digest}");
            let signature = hex::encode(hmac(&key, text.as_bytes()));
            body.extend(format!("x-amz-trailer-signature:{signature}\r\n").into_bytes());
        }
        body.extend(b"\r\n");
        body
    }
}

fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

fn escape(text: impl AsRef<str>) -> String {
    text.as_ref().bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || "-._~".contains(char::from(byte)) {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").unwrap();
        }
        out
    })
}
