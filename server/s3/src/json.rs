//! JSON instead of XML, for clients that send `Accept: application/json`: our own command line and client libraries.
//!
//! The operations are the same. An operation that has no response document in S3 has none here.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use serde::Deserialize;
use serde_json::{Value, json};
use zot_core::checksum::Algorithm;
use zot_core::policy::Operation;
use zot_domain::bucket::multipart::{Announced, NamedPart};
use zot_domain::ports::objects::{Bucket, Entry, ListQuery, ObjectVersion, Versioning};
use zot_domain::{Buckets, Call, Error, ObjectError, Result};

use crate::body::error_of;
use crate::ops::translate::write_condition_of;

pub(crate) fn is_wanted(headers: &HeaderMap) -> bool {
    let accepted = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accepted.split(',').any(|kind| kind.split(';').next().unwrap_or_default().trim() == "application/json")
}

/// Serves an operation that has a JSON form.
///
/// # Errors
/// Any other request is returned, for the codec.
pub(crate) async fn serve(
    buckets: &Buckets,
    request: Request<Body>,
) -> std::result::Result<Result<Value, ObjectError>, Request<Body>> {
    let Some(call) = request.extensions().get::<Call>().cloned() else { return Err(request) };
    let path = decoded(request.uri().path());
    let query = Query::of(request.uri().query());
    let (bucket, key) = path.split_once('/').unwrap_or((&path, ""));
    match (request.method().as_str(), bucket.is_empty(), key.is_empty()) {
        ("GET", true, _) => Ok(list_buckets(buckets, &call).await),
        ("GET", false, true) if query.is_listing() => Ok(list(buckets, &call, bucket, &query).await),
        ("POST", false, false) if query.has("uploadId") => {
            let (bucket, key) = (bucket.to_owned(), key.to_owned());
            Ok(complete(buckets, &call, (&bucket, &key), &query, request).await)
        }
        _ => Err(request),
    }
}

fn decoded(path: &str) -> String {
    percent_encoding::percent_decode_str(path.trim_start_matches('/')).decode_utf8_lossy().into_owned()
}

struct Query(Vec<(String, String)>);

impl Query {
    fn of(query: Option<&str>) -> Self {
        Self(url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect())
    }

    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(key, _)| key == name)
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Whether the request names no subresource, so that it lists objects.
    fn is_listing(&self) -> bool {
        const LISTING: [&str; 8] =
            ["prefix", "delimiter", "marker", "max-keys", "list-type", "start-after", "encoding-type", "x-id"];
        self.0.iter().all(|(key, _)| LISTING.contains(&key.as_str()))
    }
}

/// RFC 3339.
fn time(micros: i64) -> Value {
    jiff::Timestamp::from_microsecond(micros).map_or(Value::Null, |time| json!(time.to_string()))
}

async fn list_buckets(buckets: &Buckets, call: &Call) -> Result<Value, ObjectError> {
    let mut found: Vec<Bucket> = Vec::new();
    loop {
        let after = found.last().map(|bucket| bucket.name.clone()).unwrap_or_default();
        let page = buckets.buckets(call, &after, 1000).await?;
        let last = page.len() < 1000;
        found.extend(page);
        if last {
            break;
        }
    }
    // each field needs the right of the operation that answers it
    let entry = |bucket: &Bucket| {
        let mut entry = json!({
            "name": bucket.name, "createdAt": time(bucket.created), "creationDate": time(bucket.created),
        });
        if buckets.may_list_in(call, Operation::GetBucketVersioning, &bucket.name) {
            entry["versioning"] = json!(bucket.versioning == Versioning::Enabled);
        }
        if buckets.may_list_in(call, Operation::GetBucketTagging, &bucket.name) {
            entry["tags"] = json!(bucket.tags);
        }
        entry
    };
    Ok(json!({"buckets": found.iter().map(entry).collect::<Vec<_>>()}))
}

async fn list(buckets: &Buckets, call: &Call, bucket: &str, query: &Query) -> Result<Value, ObjectError> {
    let prefix = query.get("prefix").unwrap_or_default();
    let marker = query.get("marker").or_else(|| query.get("start-after")).unwrap_or_default();
    let limit = match query.get("max-keys") {
        None => 1000,
        Some(text) => text
            .parse::<u32>()
            .map_err(|_| Error::ParameterInvalid("max-keys must be a whole number, 0 or more".to_owned()))?,
    };
    let delimiter = query.get("delimiter");
    let page = buckets.list(call, ListQuery { bucket, prefix, delimiter, after: marker, limit }).await?;
    let next = page.last().filter(|_| page.more).map(ToOwned::to_owned);
    let (mut objects, mut prefixes) = (Vec::new(), Vec::new());
    for entry in &page.entries {
        match entry {
            Entry::Object(object) => {
                objects.push(object_entry(object, buckets.may_read(call, bucket, &object.key)));
            }
            Entry::Prefix(prefix) => prefixes.push(json!(prefix)),
        }
    }
    Ok(json!({
        "bucket": bucket, "prefix": prefix, "marker": marker, "maxKeys": limit.min(1000), "isTruncated": page.more,
        "nextMarker": next, "objects": objects.clone(), "contents": objects, "commonPrefixes": prefixes,
    }))
}

/// Metadata is shown only to callers who may read the object. The right to list shows no more than S3's own lists.
fn object_entry(object: &ObjectVersion, readable: bool) -> Value {
    let mut entry = json!({
        "key": object.key, "size": object.size, "lastModified": time(object.created), "etag": object.etag,
        "storageClass": "STANDARD",
    });
    if readable {
        entry["contentType"] = json!(object.attributes.content_type);
        entry["metadata"] = json!(object.attributes.meta);
    }
    entry
}

/// Whether the request starts a multipart upload. The codec serves it, and [`begun`] converts the response.
pub(crate) fn begins_upload(request: &Request<Body>) -> bool {
    *request.method() == Method::POST && Query::of(request.uri().query()).has("uploads")
}

/// Converts the codec's response to JSON. [`translated`] converts errors.
pub(crate) async fn begun(response: Response<Body>) -> Response<Body> {
    if !response.status().is_success() {
        return response;
    }
    let document = text_of(response.into_body()).await;
    let field = |name| field(&document, name);
    answer(&json!({"uploadId": field("UploadId"), "bucket": field("Bucket"), "key": field("Key")}))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CompleteRequest {
    parts: Vec<CompletePart>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CompletePart {
    part_number: i64,
    etag: String,
}

async fn complete(
    buckets: &Buckets,
    call: &Call,
    (bucket, key): (&str, &str),
    query: &Query,
    request: Request<Body>,
) -> Result<Value, ObjectError> {
    let id = query.get("uploadId").unwrap_or_default();
    let condition = write_condition_of(request.headers())?;
    let size = request.headers().get("x-amz-mp-object-size").map(|value| value.to_str().ok()?.parse().ok());
    let Some(size) = size.map_or(Some(None), |size: Option<u64>| size.map(Some)) else {
        return Err(Error::ParameterInvalid("x-amz-mp-object-size must be a number of bytes".to_owned()).into());
    };
    let announced = Announced { checksum: checksum_of(request.headers()), size };
    let body = request.into_body().collect().await.map_err(|error| error_of(&error))?.to_bytes();
    let wanted: CompleteRequest = serde_json::from_slice(&body).map_err(|error| {
        Error::ParameterInvalid(format!(
            "the body must be {{\"parts\": [{{\"partNumber\": 1, \"etag\": \"…\"}}]}}: {error}"
        ))
    })?;
    let named = wanted.parts.into_iter().map(|part| NamedPart {
        number: part.part_number,
        etag: part.etag.trim_matches('"').to_owned(),
        checksum: None,
    });
    let named: Vec<_> = named.collect();
    let done = buckets.complete_multipart(call, (bucket, &key.parse()?), id, &named, announced, condition).await?;
    Ok(json!({"bucket": bucket, "key": key, "etag": done.etag}))
}

/// The client's checksum of the whole object.
fn checksum_of(headers: &HeaderMap) -> Option<(Algorithm, String)> {
    headers.iter().find_map(|(name, value)| {
        let algorithm = Algorithm::parse(name.as_str().strip_prefix("x-amz-checksum-")?)?;
        Some((algorithm, value.to_str().ok()?.to_owned()))
    })
}

pub(crate) fn answer(document: &Value) -> Response<Body> {
    respond(StatusCode::OK, HeaderMap::new(), document)
}

/// An S3 error as JSON.
pub(crate) fn error(error: &s3s::S3Error, status: StatusCode, method: &Method) -> Response<Body> {
    let message = error.message().unwrap_or("the request failed");
    let retryable = matches!(status.as_u16(), 503 | 429);
    let kind = match status.as_u16() {
        503 | 429 => "transient_error",
        500.. => "server_error",
        _ => "client_error",
    };
    let mut headers = error.headers().cloned().unwrap_or_default();
    if status == StatusCode::FORBIDDEN && error.code().as_str() == "AccessDenied" {
        headers
            .entry(header::WWW_AUTHENTICATE)
            .or_insert(HeaderValue::from_static("Basic realm=\"zot-artifact-store\""));
    }
    let body = json!({
        "error": message, "message": message, "code": code_of(error.code().as_str(), status), "s3Code": error.code().as_str(), "type": kind,
        "retryable": retryable,
    });
    if *method == Method::HEAD { respond(status, headers, &Value::Null) } else { respond(status, headers, &body) }
}

/// The JSON code for an S3 code and its status.
fn code_of(code: &str, status: StatusCode) -> &'static str {
    match status.as_u16() {
        400 if code == "EntityTooLarge" => "entity_too_large",
        401 => "unauthorized",
        403 => "forbidden",
        404 => "not_found",
        409 => "conflict",
        412 => "precondition_failed",
        413 => "entity_too_large",
        416 => "invalid_range",
        501 => "not_implemented",
        503 => "service_unavailable",
        500.. => "internal_error",
        _ => "bad_request",
    }
}

fn respond(status: StatusCode, headers: HeaderMap, document: &Value) -> Response<Body> {
    let body = if document.is_null() { Body::empty() } else { Body::from(document.to_string()) };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Converts the codec's XML errors to JSON: clients that ask for JSON never see XML.
pub(crate) async fn translated(response: Response<Body>, method: &Method) -> Response<Body> {
    let status = response.status();
    let is_xml = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/xml"));
    if !is_xml || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let (parts, body) = response.into_parts();
    let document = text_of(body).await;
    let code = field(&document, "Code").unwrap_or_default();
    let message = field(&document, "Message").unwrap_or_default();
    let mut translated = error(&crate::error::custom(&code, status, message), status, method);
    for (name, value) in &parts.headers {
        if name != header::CONTENT_TYPE && name != header::CONTENT_LENGTH {
            translated.headers_mut().insert(name.clone(), value.clone());
        }
    }
    translated
}

async fn text_of(body: Body) -> String {
    body.collect().await.map(|body| String::from_utf8_lossy(&body.to_bytes()).into_owned()).unwrap_or_default()
}

/// The text of an element. The codec writes it once, without attributes.
fn field(document: &str, name: &str) -> Option<String> {
    let rest = document.split_once(&format!("<{name}>"))?.1;
    let text = rest.split_once(&format!("</{name}>"))?.0;
    let plain = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&#39;", "'"), ("&amp;", "&")];
    Some(plain.iter().fold(text.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain)))
}
