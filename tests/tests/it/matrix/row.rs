//! A route, what it needs, and the answer that a caller should get.

use reqwest::Method;

use super::caller::{Caller, May, PUBLIC};

/// What a route does with what it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

/// What a caller needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needs {
    /// To be somebody.
    Login,
    /// Nothing: what one may not see is left out.
    Listing,
    /// A right on the repository or object.
    Object(Access),
    /// A right on the bucket.
    Bucket(Access),
}

/// A request to one route.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// As the server's table of routes has it.
    pub(super) route: &'static str,
    pub(super) method: Method,
    /// With names in braces, which the API's own file fills.
    pub(super) path: &'static str,
    /// In order, each name with a `=`.
    pub(super) query: &'static str,
    pub(super) headers: Vec<(&'static str, &'static str)>,
    pub(super) body: &'static str,
    pub(super) needs: Needs,
    /// The status for whoever may.
    pub(super) gives: u16,
}

/// What came or should come of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    /// The credentials are not taken.
    Refused,
    /// There are none, and some are needed.
    Asked,
    /// It is known who asks, and they may not.
    Denied,
    /// The caller may, and the token may not.
    OutOfScope,
}

pub(super) fn row(route: &'static str, method: Method, path: &'static str, needs: Needs, gives: u16) -> Row {
    Row { route, method, path, query: "", headers: Vec::new(), body: "", needs, gives }
}

impl Row {
    pub(super) fn query(mut self, query: &'static str) -> Self {
        self.query = query;
        self
    }

    pub(super) fn header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(super) fn body(mut self, body: &'static str) -> Self {
        self.body = body;
        self
    }

    /// Whether a list has what its reader may not see.
    pub(super) fn tells_too_much(&self, caller: &Caller, body: &[u8], hidden: &str) -> bool {
        let sees_all = matches!(caller.may, May::Everything | May::Names);
        self.needs == Needs::Listing && !sees_all && String::from_utf8_lossy(body).contains(hidden)
    }

    /// What a caller should get at a place, such as `team/b`.
    pub(super) fn outcome(&self, caller: &Caller, place: &str) -> Outcome {
        let has = |what: Access, objects: bool| match caller.may {
            May::Everything => true,
            May::Nothing | May::Names => false,
            May::This(at, most) => objects && at == place && (what == Access::Read || most == Access::Write),
        };
        let public = place == PUBLIC && self.needs == Needs::Object(Access::Read);
        let may = public
            || match self.needs {
                Needs::Login => !caller.anonymous,
                Needs::Listing => true,
                Needs::Object(what) => has(what, true),
                Needs::Bucket(what) => has(what, false),
            };
        match (may, caller) {
            (_, Caller { refused: Some(_), .. }) => Outcome::Refused,
            (true, _) => Outcome::Done,
            (false, Caller { anonymous: true, .. }) => Outcome::Asked,
            (false, Caller { registry, .. }) => registry.unwrap_or(Outcome::Denied),
        }
    }
}
