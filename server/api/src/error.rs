//! Errors of every operation below `/rbac` and `/api/v1`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Why a request failed.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Error, example = json!({
    "error": "there is no policy \"open\"", "code": "not_found", "message": "there is no policy \"open\"",
    "type": "client_error", "retryable": false, "requestId": "01981f2e-6f0a-7cc2-a1f7-0f6f2a5d9c11",
}))]
pub struct ErrorBody {
    /// The message again, for clients that look for it here.
    pub error: String,
    /// What kind of error it is, for programs.
    pub code: String,
    /// What is wrong, for people.
    pub message: String,
    /// Whose fault it is.
    #[schema(pattern = "^(client|server|transient)_error$")]
    pub r#type: String,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// The request, as logs and the header `X-Request-Id` name it.
    pub request_id: String,
    /// When that may be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<u32>,
}
