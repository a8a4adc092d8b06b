//! Requests of S3 that are signed here: signature version 4, header form.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::{Method, RequestBuilder};
use sha2::{Digest as _, Sha256};

const REGION: &str = "us-east-1";

/// The signing key and the server's address.
#[derive(Clone, Debug)]
pub struct Signer {
    /// URL of the S3 server.
    pub endpoint: String,
    /// Access key.
    pub access_key: String,
    /// Secret key.
    pub secret_key: String,
}

/// Signed in addition to the request line.
pub(crate) struct Signed<'a> {
    pub service: &'a str,
    /// None: a body that is not signed.
    pub body: Option<&'a str>,
    /// Further headers, in small letters.
    pub headers: &'a [(&'static str, String)],
}

impl Signed<'_> {
    fn payload(&self) -> String {
        self.body.map_or_else(|| "UNSIGNED-PAYLOAD".to_owned(), |body| hex::encode(Sha256::digest(body)))
    }
}

impl Signer {
    /// A request to S3 whose body is not signed. `path` and `query` need no escapes; each name of the query has a `=`, and
    /// they are in order.
    pub fn request(&self, method: Method, path: &str, query: &str) -> RequestBuilder {
        self.request_with(method, path, query, &[])
    }

    /// The same with further headers, which are signed too; their names are in small letters.
    pub fn request_with(
        &self,
        method: Method,
        path: &str,
        query: &str,
        headers: &[(&'static str, String)],
    ) -> RequestBuilder {
        self.signed(method, path, query, &Signed { service: "s3", body: None, headers })
    }

    /// An action of STS, as a form.
    pub fn action(&self, form: &str) -> RequestBuilder {
        let signed = Signed { service: "sts", body: Some(form), headers: &[] };
        let request = self.signed(Method::POST, "/", "", &signed);
        request.header("content-type", "application/x-www-form-urlencoded").body(form.to_owned())
    }

    pub(crate) fn signed(&self, method: Method, path: &str, query: &str, signed: &Signed<'_>) -> RequestBuilder {
        let host = self.endpoint.split_once("://").expect("the endpoint is a URL").1;
        // the path prefix of the server is signed too
        let (host, base) = host.find('/').map_or((host, ""), |slash| host.split_at(slash));
        let time = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
        let payload = signed.payload();
        let mut headers = BTreeMap::from([
            ("host", host.to_owned()),
            ("x-amz-content-sha256", payload.clone()),
            ("x-amz-date", time.clone()),
        ]);
        headers.extend(signed.headers.iter().cloned());
        let names = headers.keys().copied().collect::<Vec<_>>().join(";");
        let lines = headers.iter().map(|(name, value)| format!("{name}:{value}")).collect::<Vec<_>>().join("\n");
        let canonical = format!("{method}\n{base}{path}\n{query}\n{lines}\n\n{names}\n{payload}");
        let authorization = self.authorization(signed.service, &canonical, &names, &time);
        headers.remove("host"); // the client says it
        let request = reqwest::Client::new().request(method, format!("{}{path}?{query}", self.endpoint));
        let request = headers.into_iter().fold(request, |request, (name, value)| request.header(name, value));
        request.header("authorization", authorization)
    }

    fn authorization(&self, service: &str, canonical: &str, headers: &str, time: &str) -> String {
        let date = &time[..8];
        let scope = format!("{date}/{REGION}/{service}/aws4_request");
        let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hex::encode(Sha256::digest(canonical)));
        let mut key = format!("AWS4{}", self.secret_key).into_bytes();
        for part in [date, REGION, service, "aws4_request", &to_sign] {
            key = hmac(&key, part);
        }
        let mut value = format!("AWS4-HMAC-SHA256 Credential={}/{scope}", self.access_key);
        write!(value, ", SignedHeaders={headers}, Signature={}", hex::encode(key)).expect("writing to a string");
        value
    }
}

fn hmac(key: &[u8], message: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(message.as_bytes());
    mac.finalize().into_bytes().to_vec()
}
