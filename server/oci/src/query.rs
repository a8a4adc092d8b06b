//! Query parameters of a request, each at most once unless it is a list.

use axum::http::request::Parts;
use zot_domain::{ArtifactError, Error, Result};

/// The decoded parameters, in their order.
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    pub(crate) fn of(parts: &Parts) -> Self {
        let query = parts.uri.query().unwrap_or_default();
        Self(url::form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    /// The one value of a parameter.
    pub(crate) fn one(&self, name: &str) -> Result<Option<&str>, ArtifactError> {
        let mut values = self.all(name);
        let value = values.next();
        match values.next() {
            None => Ok(value),
            Some(_) if name == "n" || name == "last" => {
                Err(ArtifactError::PageInvalid(format!("parameter {name} is given more than once")))
            }
            Some(_) => Err(Error::ParameterInvalid(format!("parameter {name} is given more than once")).into()),
        }
    }

    /// All values of a parameter.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}
