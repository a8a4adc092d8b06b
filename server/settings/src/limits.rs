//! `limits.*`: limits on requests.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ByteSize, Span};

/// `limits`: limits on requests; none is set by default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Limits {
    /// Most requests at the same time; further ones are answered 503. At least 1.
    #[schemars(range(min = 1))]
    pub max_concurrent_requests: Option<u32>,
    /// Longest time a request may take, such as `300s`. More than 0.
    pub request_timeout: Option<Span>,
    /// Largest body of one request, in bytes or with a unit such as `10Gi`; larger ones are answered 413. At least 1.
    pub max_request_body_size: Option<ByteSize>,
}
