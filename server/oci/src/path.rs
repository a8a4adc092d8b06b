//! Paths under `/v2`. A name never reaches a use case unless it is valid.

use axum::http::Method;
use percent_encoding::percent_decode_str;
use zot_core::Invalid;
use zot_core::digest::Digest;
use zot_core::name::{Reference, RepositoryName};
use zot_domain::observed::Direction;
use zot_domain::{ArtifactError, Error, Result};

/// What a path names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// `/v2/`
    Base,
    /// `/v2/_catalog`
    Catalog,
    /// `/v2/{name}/tags/list`
    Tags(RepositoryName),
    /// `/v2/{name}/referrers/{digest}`
    Referrers(RepositoryName, Digest),
    /// `/v2/{name}/manifests/{reference}`
    Manifest(RepositoryName, Reference),
    /// `/v2/{name}/blobs/{digest}`
    Blob(RepositoryName, Digest),
    /// `/v2/{name}/blobs/uploads/`
    Uploads(RepositoryName),
    /// `/v2/{name}/blobs/uploads/{id}`
    Upload(RepositoryName, String),
}

impl Route {
    /// The template, for metrics. It has no text of the client.
    pub(crate) fn template(&self) -> &'static str {
        match self {
            Self::Base => "/v2/",
            Self::Catalog => "/v2/_catalog",
            Self::Tags(_) => "/v2/{name}/tags/list",
            Self::Referrers(..) => "/v2/{name}/referrers/{digest}",
            Self::Manifest(..) => "/v2/{name}/manifests/{reference}",
            Self::Blob(..) => "/v2/{name}/blobs/{digest}",
            Self::Uploads(_) => "/v2/{name}/blobs/uploads/",
            Self::Upload(..) => "/v2/{name}/blobs/uploads/{id}",
        }
    }

    pub(crate) fn methods(&self) -> &'static str {
        match self {
            Self::Base | Self::Catalog | Self::Tags(_) | Self::Referrers(..) => "GET, HEAD",
            Self::Manifest(..) => "GET, HEAD, PUT, DELETE",
            Self::Blob(..) => "GET, HEAD, DELETE",
            Self::Uploads(_) => "POST",
            Self::Upload(..) => "GET, HEAD, PATCH, PUT, DELETE",
        }
    }

    /// The direction of the transfer, if a method here transfers content.
    pub(crate) fn transfer(&self, method: &Method) -> Option<Direction> {
        match (self, method.as_str()) {
            (Self::Manifest(..) | Self::Blob(..), "GET") => Some(Direction::Download),
            (Self::Manifest(..) | Self::Upload(..), "PUT") | (Self::Uploads(_), "POST") => Some(Direction::Upload),
            _ => None,
        }
    }

    /// The scope of the token protocol that a client needs for a method here.
    pub(crate) fn scope(&self, method: &Method) -> Option<String> {
        let repository = match self {
            Self::Base => return None,
            Self::Catalog => return Some("registry:catalog:*".to_owned()),
            Self::Tags(name)
            | Self::Referrers(name, _)
            | Self::Manifest(name, _)
            | Self::Blob(name, _)
            | Self::Uploads(name)
            | Self::Upload(name, _) => name,
        };
        let actions = match (self, method.as_str()) {
            (Self::Manifest(..) | Self::Blob(..), "DELETE") => "delete",
            (Self::Uploads(_) | Self::Upload(..), _) | (Self::Manifest(..), "PUT") => "pull,push",
            _ => "pull",
        };
        Some(format!("repository:{repository}:{actions}"))
    }
}

/// Reads a path.
///
/// # Errors
/// [`Error::Invalid`] for a name, a tag or a digest, [`ArtifactError::UploadUnknown`];
/// [`Error::NotFound`] for an unknown path.
pub(crate) fn parse(path: &str) -> Result<Route, ArtifactError> {
    let rest = path.strip_prefix("/v2/").unwrap_or_default();
    let raw: Vec<&str> = rest.split('/').collect();
    let segments = raw.iter().map(|segment| decode(segment)).collect::<Result<Vec<_>, _>>()?;
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let name = |parts: &[&str]| parts.join("/").parse::<RepositoryName>();
    match segments.as_slice() {
        [""] if path == "/v2" || path == "/v2/" => Ok(Route::Base),
        ["_catalog"] => Ok(Route::Catalog),
        [head @ .., "tags", "list"] => Ok(Route::Tags(name(head)?)),
        [head @ .., "referrers", digest] => Ok(Route::Referrers(name(head)?, digest.parse()?)),
        [head @ .., "manifests", reference] => Ok(Route::Manifest(name(head)?, reference.parse()?)),
        [head @ .., "blobs", "uploads"] | [head @ .., "blobs", "uploads", ""] => Ok(Route::Uploads(name(head)?)),
        [head @ .., "blobs", "uploads", id] => Ok(Route::Upload(name(head)?, session(id)?)),
        [head @ .., "blobs", digest] => Ok(Route::Blob(name(head)?, digest.parse()?)),
        _ => Err(Error::NotFound("the distribution spec has no such path".to_owned()).into()),
    }
}

/// Clients may encode the colon of a digest. An encoded slash or NUL is never part of a name.
fn decode(segment: &str) -> Result<String, ArtifactError> {
    let refuse = || Invalid::Repository(format!("{:?}", segment.chars().take(64).collect::<String>()));
    let decoded = percent_decode_str(segment).decode_utf8().map_err(|_| refuse())?;
    if decoded.contains(['/', '\\', '\0']) { Err(refuse().into()) } else { Ok(decoded.into_owned()) }
}

fn session(id: &str) -> Result<String, ArtifactError> {
    let id = uuid::Uuid::try_parse(id).map_err(|_| ArtifactError::UploadUnknown)?;
    Ok(id.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

    #[test]
    fn paths_of_the_spec() {
        assert_eq!(parse("/v2").unwrap(), Route::Base);
        assert_eq!(parse("/v2/").unwrap(), Route::Base);
        assert_eq!(parse("/v2/_catalog").unwrap(), Route::Catalog);
        for (path, template) in [
            ("/v2/team/app/tags/list".to_owned(), "/v2/{name}/tags/list"),
            (format!("/v2/team/app/referrers/{DIGEST}"), "/v2/{name}/referrers/{digest}"),
            ("/v2/team/app/manifests/v1".to_owned(), "/v2/{name}/manifests/{reference}"),
            (format!("/v2/team/app/manifests/{}", DIGEST.replace(':', "%3A")), "/v2/{name}/manifests/{reference}"),
            (format!("/v2/team/app/blobs/{DIGEST}"), "/v2/{name}/blobs/{digest}"),
            ("/v2/team/app/blobs/uploads".to_owned(), "/v2/{name}/blobs/uploads/"),
            ("/v2/team/app/blobs/uploads/".to_owned(), "/v2/{name}/blobs/uploads/"),
            (format!("/v2/blobs/uploads/blobs/uploads/{}", uuid::Uuid::nil()), "/v2/{name}/blobs/uploads/{id}"),
        ] {
            assert_eq!(parse(&path).unwrap().template(), template, "{path}");
        }
    }

    #[test]
    fn names_that_hide_something_are_refused() {
        for name in [
            "..",
            "%2e%2e/app",
            "team%2Fapp",
            "team%00",
            "team//app",
            "team/%2e%2e%2fapp",
            "Team",
            "%ff",
            "a\\b",
            "_catalog",
        ] {
            let path = format!("/v2/{name}/manifests/v1");
            assert!(
                matches!(parse(&path), Err(ArtifactError::Common(Error::Invalid(Invalid::Repository(_))))),
                "{path}"
            );
        }
        assert!(matches!(
            parse("/v2/team/app/blobs/uploads/../../x"),
            Err(ArtifactError::Common(Error::NotFound(_) | Error::Invalid(Invalid::Repository(_))))
        ));
        assert!(matches!(parse("/v2/team/app/blobs/uploads/1234"), Err(ArtifactError::UploadUnknown)));
        assert!(matches!(
            parse("/v2/team/app/manifests/-x"),
            Err(ArtifactError::Common(Error::Invalid(Invalid::Tag(_))))
        ));
        assert!(matches!(
            parse("/v2/team/app/blobs/sha256:abc"),
            Err(ArtifactError::Common(Error::Invalid(Invalid::Digest(_))))
        ));
        assert!(matches!(parse("/v2/team/app"), Err(ArtifactError::Common(Error::NotFound(_)))));
        assert!(matches!(parse("/v2//"), Err(ArtifactError::Common(Error::NotFound(_)))));
    }

    #[test]
    fn a_scope_is_what_the_method_needs() {
        let scope = |path: &str, method| parse(path).unwrap().scope(&method);
        assert_eq!(scope("/v2/team/app/manifests/v1", Method::GET).unwrap(), "repository:team/app:pull");
        assert_eq!(scope("/v2/team/app/manifests/v1", Method::PUT).unwrap(), "repository:team/app:pull,push");
        assert_eq!(scope("/v2/team/app/manifests/v1", Method::DELETE).unwrap(), "repository:team/app:delete");
        assert_eq!(scope("/v2/team/app/blobs/uploads/", Method::POST).unwrap(), "repository:team/app:pull,push");
        assert_eq!(scope("/v2/_catalog", Method::GET).unwrap(), "registry:catalog:*");
        assert_eq!(scope("/v2/", Method::GET), None);
    }
}
