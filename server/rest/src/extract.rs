//! Extractors of the handlers. They refuse bad input with the REST API's errors.

use axum::Json;
use axum::extract::{FromRequest, FromRequestParts, MatchedPath, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use zot_domain::{Call, Error};

use crate::error::{Failed, Result};
use crate::{ALIAS, Rest};

/// The caller's call. Handlers take it before a body, so that wrong credentials are refused first.
pub(crate) struct Caller(pub(crate) Call);

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Failed;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self> {
        let caller = parts.extensions.get::<zot_gateway::Caller>();
        let caller = caller.ok_or_else(|| Error::Internal("a route without authentication".to_owned()))?;
        Ok(Self(caller.call()?))
    }
}

/// The caller may administer policies. Handlers take it before a body, so that nobody else learns what a body lacks.
pub(crate) struct PolicyAdministrator;

impl FromRequestParts<Rest> for PolicyAdministrator {
    type Rejection = Failed;

    async fn from_request_parts(parts: &mut Parts, rest: &Rest) -> Result<Self> {
        let Caller(call) = Caller::from_request_parts(parts, rest).await?;
        rest.access.require_admin(&call)?;
        Ok(Self)
    }
}

/// A JSON object. Its errors name the field.
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = Failed;

    async fn from_request(request: Request, state: &S) -> Result<Self> {
        match Json::<Box<RawValue>>::from_request(request, state).await {
            Ok(Json(document)) => Ok(Self(decoded(document.get())?)),
            Err(rejection) => Err(Error::ParameterInvalid(rejection.body_text()).into()),
        }
    }
}

/// An optional JSON object.
pub(crate) struct MaybeJsonBody<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Default> FromRequest<S> for MaybeJsonBody<T> {
    type Rejection = Failed;

    async fn from_request(request: Request, state: &S) -> Result<Self> {
        let (parts, body) = request.into_parts();
        let read = Bytes::from_request(Request::from_parts(parts.clone(), body), state).await;
        let bytes = read.map_err(|rejection| Error::ParameterInvalid(rejection.body_text()))?;
        if bytes.is_empty() {
            return Ok(Self(T::default()));
        }
        JsonBody::from_request(Request::from_parts(parts, bytes.into()), state).await.map(|JsonBody(body)| Self(body))
    }
}

fn decoded<T: DeserializeOwned>(document: &str) -> zot_domain::Result<T> {
    // serde would also read a struct from a list of its fields
    if !document.trim_start().starts_with('{') {
        return Err(Error::ParameterInvalid("the body must be a JSON object".to_owned()));
    }
    let mut deserializer = serde_json::Deserializer::from_str(document);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let place = if path == "." { String::new() } else { format!("{path}: ") };
        Error::ParameterInvalid(format!("{place}{}", error.inner()))
    })
}

/// The parameters of a query.
pub(crate) struct Query<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Failed;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        match axum::extract::Query::from_request_parts(parts, state).await {
            Ok(axum::extract::Query(query)) => Ok(Self(query)),
            Err(rejection) => Err(Error::ParameterInvalid(rejection.body_text()).into()),
        }
    }
}

/// The prefix of the request's path. Paths of new resources have the same.
pub(crate) struct Prefix(&'static str);

impl<S: Sync> FromRequestParts<S> for Prefix {
    type Rejection = Failed;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self> {
        let path = parts.extensions.get::<MatchedPath>().map_or("", MatchedPath::as_str);
        Ok(Self(if path.starts_with(ALIAS) { ALIAS } else { "" }))
    }
}

impl Prefix {
    /// The response to a request that created a resource at this path.
    pub(crate) fn created(&self, path: &str, body: impl Serialize) -> Response {
        let location = format!("{}{path}", self.0);
        (StatusCode::CREATED, [(header::LOCATION, location)], Json(body)).into_response()
    }
}
