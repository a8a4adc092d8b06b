//! The requests for each operation. A row has a case for each described answer below 500. Cases run in this order, in a
//! store that [`prepare`] fills. The first successful case is also sent without credentials and with wrong ones.

use reqwest::Method;
use serde_json::{Value, json};
use zot_tests::client::{Client, Reply};
use zot_tests::server::ADMIN;

/// An operation, and what is asked of it.
#[derive(Clone)]
pub(crate) struct Row {
    /// Method and path, as they are described.
    pub(crate) operation: &'static str,
    pub(crate) cases: Vec<Case>,
    /// What is described and cannot be provoked from outside.
    pub(crate) rare: &'static [u16],
}

/// Who asks.
#[derive(Clone, Copy)]
pub(crate) enum Who {
    Admin,
    Reader,
    Nobody,
    /// Somebody with credentials that are none.
    Wrong,
}

/// What is sent.
#[derive(Clone)]
pub(crate) enum Body {
    None,
    Json(Value),
    Form(Vec<(&'static str, &'static str)>),
}

/// A request, and the status of its answer.
#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) who: Who,
    /// What stands in the path, by name.
    pub(crate) values: Vec<(&'static str, &'static str)>,
    /// With its `?`.
    pub(crate) query: String,
    pub(crate) body: Body,
    pub(crate) status: u16,
    /// A name, and where in the answer it finds its value: later cases have it as `$name` in their paths.
    pub(crate) keep: Vec<(&'static str, &'static str)>,
}

pub(super) fn row(operation: &'static str, cases: Vec<Case>) -> Row {
    Row { operation, cases, rare: &[] }
}

fn case(who: Who) -> Case {
    Case { who, values: Vec::new(), query: String::new(), body: Body::None, status: 200, keep: Vec::new() }
}

pub(super) fn admin() -> Case {
    case(Who::Admin)
}

pub(super) fn reader() -> Case {
    case(Who::Reader)
}

pub(super) fn nobody() -> Case {
    case(Who::Nobody)
}

impl Row {
    pub(super) fn rare(mut self, statuses: &'static [u16]) -> Self {
        self.rare = statuses;
        self
    }
}

impl Case {
    pub(super) fn with(mut self, name: &'static str, value: &'static str) -> Self {
        self.values.push((name, value));
        self
    }

    pub(super) fn query(mut self, query: &str) -> Self {
        query.clone_into(&mut self.query);
        self
    }

    pub(super) fn json(mut self, body: Value) -> Self {
        self.body = Body::Json(body);
        self
    }

    pub(super) fn form(mut self, pairs: &[(&'static str, &'static str)]) -> Self {
        self.body = Body::Form(pairs.to_vec());
        self
    }

    pub(super) fn gives(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    pub(super) fn keep(mut self, name: &'static str, pointer: &'static str) -> Self {
        self.keep.push((name, pointer));
        self
    }
}

/// Fills the store that is walked through.
pub(crate) async fn prepare(admin: &Client) {
    for path in ["/s3/team", "/s3/team/dir/a%20key"] {
        Reply::to(admin.request(Method::PUT, path).body("")).await.expect_status(200);
    }
    let closed = json!({
        "id": "closed", "resource": "team/closed", "actions": ["*"], "effect": "deny", "principals": ["role:viewer"],
    });
    Reply::to(admin.request(Method::POST, "/api/v1/rbac/policies").json(&closed)).await.expect_status(201);
}

pub(super) fn rows() -> Vec<Row> {
    let policy = json!({"id": "walked", "resource": "walked/*", "actions": ["read"], "conditions": {"tls": "true"}});
    let wrong = json!({"id": "wrong", "resource": "walked/*", "actions": []});
    let mine = json!({"resource": "team/app", "action": "read"});
    let others = json!({"userId": "bob", "roles": ["viewer"], "resource": "team/app", "action": "read"});
    let absent = json!({"userId": "account:none", "resource": "team/app", "action": "read"});
    let impossible = json!({"resource": "team/app", "action": "fly"});
    let (login, stranger) =
        ([("username", ADMIN.id), ("password", ADMIN.secret)], [("username", "nobody"), ("password", "x")]);
    let password = |more: &[(&'static str, &'static str)]| [&[("grant_type", "password")], more].concat();
    vec![
        row("GET /api/v1/openapi.json", vec![nobody()]),
        row("GET /health", vec![nobody()]),
        row("GET /health/live", vec![nobody()]),
        row("GET /health/ready", vec![nobody()]),
        row("GET /metrics", vec![nobody()]),
        row(
            "GET /auth/token",
            vec![
                nobody(),
                reader().query("?service=zot&scope=repository:team/app:pull&scope=registry:catalog:*"),
                reader().query(&format!("?{}", "scope=a&".repeat(65))).gives(400),
            ],
        ),
        row(
            "POST /auth/token",
            vec![
                nobody().form(&password(&login)),
                nobody().form(&password(&stranger)).gives(401),
                nobody().form(&login).gives(400),
            ],
        ),
        row(
            "GET /api/v1/artifacts/{bucket}/{key}",
            vec![
                reader().with("bucket", "team").with("key", "dir/a%20key").query("?versionId=null"),
                reader().with("bucket", "team").with("key", "none").gives(404),
                reader().with("bucket", "team").with("key", "closed").gives(403),
                reader().with("bucket", "team").with("key", "a%00b").gives(400),
            ],
        )
        .rare(&[409]),
        row(
            "POST /rbac/policies",
            vec![
                admin().json(policy.clone()).gives(201),
                admin()
                    .json(json!({"resource": "walked/*", "actions": ["*"], "effect": "deny"}))
                    .gives(201)
                    .keep("made", "/id"),
                admin().json(policy.clone()).gives(409),
                admin().json(wrong.clone()).gives(400),
                reader().json(policy.clone()).gives(403),
            ],
        ),
        row("GET /rbac/policies", vec![admin(), reader().gives(403)]),
        row(
            "GET /rbac/policies/{id}",
            vec![
                admin().with("id", "$made"),
                admin().with("id", "none").gives(404),
                reader().with("id", "walked").gives(403),
            ],
        ),
        row(
            "PUT /rbac/policies/{id}",
            vec![
                admin().with("id", "walked").json(policy.clone()),
                admin().with("id", "none").json(policy.clone()).gives(404),
                admin().with("id", "walked").json(wrong).gives(400),
                reader().with("id", "walked").json(policy).gives(403),
            ],
        ),
        row(
            "DELETE /rbac/policies/{id}",
            vec![
                reader().with("id", "walked").gives(403),
                admin().with("id", "walked").gives(204),
                admin().with("id", "walked").gives(404),
            ],
        ),
        row(
            "POST /rbac/authorize",
            vec![
                reader().json(mine),
                admin().json(others.clone()),
                reader().json(others).gives(403),
                admin().json(absent).gives(404),
                reader().json(impossible).gives(400),
            ],
        ),
        row("GET /rbac/permissions", vec![reader(), admin()]),
        row(
            "GET /rbac/audit",
            vec![
                admin().query("?limit=2&outcome=denied&startTime=2020-01-01T00:00:00Z"),
                admin(),
                admin().query("?limit=0").gives(400),
                reader().gives(403),
            ],
        ),
        row(
            "GET /rbac/audit/export",
            vec![admin().query("?action=read"), admin().query("?limit=1").gives(400), reader().gives(403)],
        ),
    ]
}
