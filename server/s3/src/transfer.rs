//! Transfers of content, for metrics: which requests are transfers, and their outcomes.

use axum::body::Body;
use axum::http::{Method, Request, Response, header};
use zot_domain::observed::{Direction, Transfer};

use crate::request::{by_path, host_of};

/// A request to transfer content.
pub(crate) struct Attempt {
    direction: Direction,
    bucket: String,
    announced: u64,
}

impl Attempt {
    /// A request is a transfer if it names an object and no subresource, except for a part of an upload. The bucket is
    /// in the path or in the host.
    pub(crate) fn of(request: &Request<Body>, prefix: &str, domain: Option<&str>) -> Option<Self> {
        let path = by_path(domain, host_of(request), request.uri().path().strip_prefix(prefix)?);
        let (bucket, key) = path.trim_start_matches('/').split_once('/')?;
        let query = request.uri().query().unwrap_or_default();
        let subresource = query.split('&').any(|pair| {
            ["tagging", "acl", "uploads", "attributes", "retention", "legal-hold"].contains(&pair.trim_end_matches('='))
        });
        let direction = match *request.method() {
            _ if key.is_empty() || subresource => return None,
            Method::PUT => Direction::Upload,
            Method::GET if !query.contains("uploadId=") => Direction::Download,
            Method::DELETE if !query.contains("uploadId=") => Direction::Delete,
            _ => return None,
        };
        let header = |name: &str| request.headers().get(name)?.to_str().ok()?.parse::<u64>().ok();
        let announced = header("x-amz-decoded-content-length").or_else(|| header("content-length")).unwrap_or_default();
        Some(Self { direction, bucket: bucket.to_owned(), announced })
    }

    /// The outcome. There is none if there was nothing to transfer, or if access was denied.
    pub(crate) fn outcome(self, response: &Response<Body>) -> Option<Transfer> {
        let status = response.status();
        let length = response.headers().get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
        let bytes = match self.direction {
            _ if matches!(status.as_u16(), 304 | 401 | 403 | 404) => return None,
            _ if !status.is_success() => None,
            Direction::Upload => Some(self.announced),
            Direction::Download => Some(length.unwrap_or_default()),
            Direction::Delete => Some(0),
        };
        Some(Transfer { direction: self.direction, kind: "object", bucket: self.bucket, bytes })
    }
}
