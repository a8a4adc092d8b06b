//! Pages of names: `n`, `last`, and the `Link` to the next one (distribution-spec, *Listing Tags*; RFC 8288).

use axum::http::request::Parts;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use zot_domain::artifact::list::PAGE_MAX;
use zot_domain::{ArtifactError, Result};

use super::query::Parameters;
use super::value;

/// Characters that must be encoded in a query value. The others stay readable.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

#[derive(Debug)]
pub(crate) struct PageRequest {
    /// Entries, at most [`PAGE_MAX`].
    pub size: u32,
    /// The page starts after this name, which need not exist.
    pub last: String,
}

impl PageRequest {
    pub(crate) fn of(parts: &Parts) -> Result<Self, ArtifactError> {
        let parameters = Parameters::of(parts);
        let size = parameters.one("n")?.map_or(Ok(PAGE_MAX), size)?;
        let last = parameters.one("last")?.unwrap_or_default();
        if last.contains('\0') || last.len() > 1024 {
            return Err(ArtifactError::PageInvalid("the parameter last is not a valid name".to_owned()));
        }
        Ok(Self { size, last: last.to_owned() })
    }

    /// Adds the link to the next page.
    pub(crate) fn link(&self, response: &mut Response, path: &str, last: &str) {
        let last = utf8_percent_encode(last, QUERY);
        let link = format!("<{path}?last={last}&n={}>; rel=\"next\"", self.size);
        response.headers_mut().insert(header::LINK, value(&link));
    }
}

/// Accepts any whole number. A page is never longer than [`PAGE_MAX`].
fn size(text: &str) -> Result<u32, ArtifactError> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !digits {
        return Err(ArtifactError::PageInvalid("parameter n must be a whole number, 0 or more".to_owned()));
    }
    Ok(text.parse::<u32>().map_or(PAGE_MAX, |n| n.min(PAGE_MAX)))
}

/// `application/json`, without parameters.
pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");

#[cfg(test)]
mod tests {
    use super::*;

    fn page(query: &str) -> Result<PageRequest, ArtifactError> {
        let request = axum::http::Request::builder().uri(format!("/v2/x/tags/list?{query}")).body(()).unwrap();
        PageRequest::of(&request.into_parts().0)
    }

    #[test]
    fn sizes_are_bounded_or_refused() {
        assert_eq!(page("").unwrap().size, PAGE_MAX);
        for (n, size) in [
            ("0", 0),
            ("5", 5),
            ("1000000000", PAGE_MAX),
            ("9223372036854775808", PAGE_MAX),
            (&"9".repeat(99), PAGE_MAX),
        ] {
            assert_eq!(page(&format!("n={n}")).unwrap().size, size, "{n}");
        }
        for bad in ["n=-1", "n=", "n=ten", "n=1.5", "n=%2B1", "n=1&n=2", "last=a&last=b", "last=%00"] {
            assert!(matches!(page(bad), Err(ArtifactError::PageInvalid(_))), "{bad}");
        }
    }
}
