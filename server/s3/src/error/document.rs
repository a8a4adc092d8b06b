//! Error documents: the codec writes code and message, and this adds the other elements that S3's errors have.
//!
//! Source: S3 API reference, *Error responses*.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, Response, header};
use http_body_util::BodyExt as _;
use percent_encoding::percent_decode_str;
use quick_xml::escape::{partial_escape, unescape};
use s3s::S3Error;
use url::form_urlencoded;

use crate::request::{by_path, host_of};

/// Carries elements from an operation to [`completed`]. It never leaves the server.
const ELEMENTS: HeaderName = HeaderName::from_static("x-zot-error-elements");
/// AWS names the host that answered. Clients only log it.
const HOST_ID: &str = "zot-artifact-store";
/// Conditions of a request, of which one was not met.
const CONDITIONS: [&str; 4] = ["If-Match", "If-None-Match", "If-Unmodified-Since", "If-Modified-Since"];

/// An error with elements of its own, such as `ArgumentName`.
pub(crate) fn with_elements(mut error: S3Error, elements: &[(&str, &str)]) -> S3Error {
    let text = form_urlencoded::Serializer::new(String::new()).extend_pairs(elements).finish();
    // these replace all headers of the codec
    let mut headers = error.headers().cloned().unwrap_or_else(|| {
        [(header::CONTENT_TYPE, HeaderValue::from_static("application/xml"))].into_iter().collect::<HeaderMap>()
    });
    if let Ok(text) = HeaderValue::from_str(&text) {
        headers.insert(ELEMENTS, text);
    }
    error.set_headers(headers);
    error
}

/// `InvalidArgument`, which names the argument.
pub(crate) fn invalid_argument(name: &str, value: &str, message: &'static str) -> S3Error {
    with_elements(s3s::s3_error!(InvalidArgument, "{message}"), &[("ArgumentName", name), ("ArgumentValue", value)])
}

/// What a request names, for its error document.
pub(crate) struct Named {
    /// `/bucket/key`, decoded.
    resource: String,
    method: String,
    upload_id: Option<String>,
    condition: Option<&'static str>,
}

impl Named {
    pub(crate) fn of(request: &Request<Body>, prefix: &str, domain: Option<&str>) -> Self {
        let path = request.uri().path();
        let path = by_path(domain, host_of(request), path.strip_prefix(prefix).unwrap_or(path));
        let mut pairs = form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes());
        let upload_id = pairs.find(|(name, _)| name == "uploadId").map(|(_, value)| value.into_owned());
        let has = |name: &&str| {
            request.headers().contains_key(*name) || request.headers().contains_key(format!("x-amz-copy-source-{name}"))
        };
        Self {
            resource: percent_decode_str(&path).decode_utf8_lossy().into_owned(),
            method: request.method().to_string(),
            upload_id,
            condition: CONDITIONS.into_iter().find(has),
        }
    }

    fn bucket(&self) -> &str {
        self.resource.trim_start_matches('/').split('/').next().unwrap_or_default()
    }

    /// Elements that follow from the code.
    fn elements(&self, code: &str) -> Vec<(&str, &str)> {
        match code {
            "NoSuchUpload" => self.upload_id.iter().map(|id| ("UploadId", id.as_str())).collect(),
            "PreconditionFailed" => self.condition.iter().map(|condition| ("Condition", *condition)).collect(),
            "MethodNotAllowed" => vec![("Method", &self.method)],
            code if code.starts_with("NoSuch") || code.ends_with("NotFoundError") || code == "InvalidBucketName" => {
                vec![("BucketName", self.bucket())]
            }
            _ => Vec::new(),
        }
    }
}

/// The response; if it is an error in XML, with all elements.
pub(crate) async fn completed(mut response: Response<Body>, named: &Named, request_id: &str) -> Response<Body> {
    let own = response.headers_mut().remove(ELEMENTS);
    let status = response.status();
    let is_xml = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/xml"));
    if !is_xml || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let written = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let written = String::from_utf8_lossy(&written).into_owned();
    let Some(begin) = written.strip_suffix("</Error>") else {
        return Response::from_parts(parts, Body::from(written));
    };
    let (code, message) = (element(&written, "Code").unwrap_or_default(), element(&written, "Message"));
    let mut elements: Vec<(String, String)> =
        own.map(|own| form_urlencoded::parse(own.as_bytes()).into_owned().collect()).unwrap_or_default();
    if elements.is_empty() {
        elements = named.elements(&code).into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    }
    elements.extend(message.as_deref().and_then(|message| argument_in(&code, message)).into_iter().flatten());
    if message.is_none() {
        elements.insert(0, ("Message".to_owned(), default_message(&code)));
    }
    for (name, value) in [("Resource", named.resource.as_str()), ("RequestId", request_id), ("HostId", HOST_ID)] {
        elements.push((name.to_owned(), value.to_owned()));
    }
    let elements =
        elements.iter().map(|(name, value)| format!("<{name}>{}</{name}>", partial_escape(printable(value))));
    let document = format!("{begin}{}</Error>", elements.collect::<String>());
    parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(document.len()));
    Response::from_parts(parts, Body::from(document))
}

/// Replaces what XML cannot show.
fn printable(text: &str) -> String {
    let shown = |c: char| matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{FFFD}' | '\u{10000}'..);
    text.chars().map(|c| if shown(c) { c } else { char::REPLACEMENT_CHARACTER }).collect()
}

/// The text of an element. The codec writes it once, without attributes.
fn element(document: &str, name: &str) -> Option<String> {
    let rest = document.split_once(&format!("<{name}>"))?.1;
    let text = rest.split_once(&format!("</{name}>"))?.0;
    unescape(text).ok().map(std::borrow::Cow::into_owned)
}

/// The argument that the codec names only in its message: `invalid query: max-keys: x`, `invalid header: range: "x"`.
fn argument_in(code: &str, message: &str) -> Option<[(String, String); 2]> {
    let rest = message.strip_prefix("invalid query: ").or_else(|| message.strip_prefix("invalid header: "))?;
    let (name, value) = rest.split_once(": ").filter(|_| code == "InvalidArgument")?;
    let value = value.trim_matches('"');
    Some([("ArgumentName".to_owned(), name.to_owned()), ("ArgumentValue".to_owned(), value.to_owned())])
}

/// The codec has no message for some codes.
fn default_message(code: &str) -> String {
    match code {
        "MalformedXML" => {
            "The XML you provided was not well-formed or did not validate against our published schema".to_owned()
        }
        "MissingRequestBodyError" => "Request Body is empty".to_owned(),
        "MissingContentLength" => "You must provide the Content-Length HTTP header.".to_owned(),
        "InvalidURI" => "Couldn't parse the specified URI.".to_owned(),
        "IncompleteBody" => "The body is shorter or longer than Content-Length says".to_owned(),
        code => format!("The request was refused: {code}"),
    }
}
