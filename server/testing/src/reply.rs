//! Responses, with assertions that name the request.

use std::fmt::{self, Display, Formatter};

use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use serde_json::Value;

pub struct Reply {
    /// The request line, shortened.
    what: String,
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// Whether the body is complete.
    pub complete: bool,
}

impl Reply {
    pub async fn of(what: String, response: Response) -> Self {
        let (parts, mut body) = response.into_parts();
        let mut bytes = Vec::new();
        let mut complete = true;
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(frame) => bytes.extend_from_slice(frame.data_ref().unwrap()),
                Err(_) => complete = false,
            }
        }
        let what = what.chars().take(300).collect();
        Self { what, status: parts.status, headers: parts.headers, body: bytes.into(), complete }
    }

    #[track_caller]
    pub fn assert_status(&self, status: StatusCode) -> &Self {
        assert_eq!(self.status, status, "{}: {}", self.what, self.text());
        assert!(self.complete, "{}: the body is incomplete", self.what);
        self
    }

    /// The same, for chains.
    #[track_caller]
    pub fn expect_status(self, status: u16) -> Self {
        self.assert_status(StatusCode::from_u16(status).unwrap());
        self
    }

    /// An S3 error in XML; HEAD has no body.
    #[track_caller]
    pub fn expect_code(self, status: u16, code: &str) -> Self {
        let reply = self.expect_status(status);
        let headless = reply.what.starts_with("HEAD ") && reply.body.is_empty();
        assert!(headless || reply.text().contains(&format!("<Code>{code}</Code>")), "{reply}");
        reply
    }

    /// An OCI error: the code, a text, and the request's id, which the header has too.
    #[track_caller]
    pub fn assert(&self, status: StatusCode, code: &str) -> &Self {
        self.assert_status(status);
        assert_eq!(self.header("content-type"), "application/json", "{}", self.what);
        let body = self.json();
        let errors = body["errors"].as_array().unwrap_or_else(|| panic!("{}: no errors in {body}", self.what));
        assert_eq!(errors.len(), 1, "{}: {body}", self.what);
        assert_eq!(errors[0]["code"], code, "{}: {body}", self.what);
        assert!(errors[0]["message"].as_str().is_some_and(|text| !text.is_empty()), "{}: {body}", self.what);
        assert_eq!(errors[0]["detail"]["requestId"], self.header("x-request-id"), "{}: {body}", self.what);
        self
    }

    #[track_caller]
    pub fn assert_any(&self, allowed: &[(StatusCode, &str)]) -> &Self {
        let named = allowed.iter().find(|(status, _)| *status == self.status);
        let (status, code) = named.unwrap_or_else(|| panic!("{}: {} {}", self.what, self.status, self.text()));
        self.assert(*status, code)
    }

    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        self.optional(name).unwrap_or_else(|| panic!("{}: no header {name} in {:?}", self.what, self.headers))
    }

    pub fn optional(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{}: {e} in {}", self.what, self.text()))
    }

    /// The path of the next page.
    #[track_caller]
    pub fn next_page(&self) -> Option<String> {
        let link = self.optional("link")?;
        let path = link.strip_prefix('<').and_then(|rest| rest.strip_suffix(">; rel=\"next\""));
        Some(path.unwrap_or_else(|| panic!("{}: {link} is no link", self.what)).to_owned())
    }

    /// The headers without those that differ between requests.
    pub fn stable_headers(&self, changing: &[&str]) -> Vec<(String, String)> {
        let mut headers: Vec<_> = self
            .headers
            .iter()
            .filter(|(name, _)| *name != "x-request-id" && !changing.contains(&name.as_str()))
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect();
        headers.sort();
        headers
    }

    /// The body without the request's id.
    pub fn stable_body(&self) -> String {
        self.text().replace(self.optional("x-request-id").unwrap_or("-"), "<id>")
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).chars().take(2000).collect()
    }
}

impl Display for Reply {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} {}", self.what, self.status, self.text())
    }
}
