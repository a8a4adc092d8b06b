//! The REST API matches its description. Every operation of `/api/v1/openapi.json` is requested for its successes and its
//! errors, and each answer is checked against the schema. `openapi/table.rs` has the requests.

#![expect(clippy::panic, reason = "a test that fails says what was asked and answered")]

mod accounts;
pub(crate) mod answers;
pub(crate) mod table;

use std::collections::{BTreeMap, BTreeSet};

use reqwest::{Method, RequestBuilder, Url};
use serde_json::Value;
use zot_tests::backend::Backend;
use zot_tests::client::{Client, Credentials, Reply};
use zot_tests::server::{READER, Server, Setup};
use zot_tests::tools::{Home, tool};

use self::answers::Description;
use self::table::{Body, Case, Row, Who};

crate::on_both_backends!(every_operation_answers_as_it_is_described);

pub(crate) const PATH: &str = "/api/v1/openapi.json";
const WRONG: Credentials = Credentials { id: "test-nobody", secret: "wrong" };

#[tokio::test]
async fn a_validator_takes_the_description_for_openapi() {
    let server = Server::guarded(Backend::SqliteDisk).await;
    let document = server.client().with(None).get(PATH).await.expect_status(200);
    let home = Home::new();
    home.write("openapi.json", &document.body);
    let printed = home.command(tool("python-openapi").await).words("-m openapi_spec_validator openapi.json").ok().await;
    assert!(printed.stdout.contains("OK"), "{printed}");
}

async fn every_operation_answers_as_it_is_described(backend: Backend) {
    // so many wrong credentials would be too many
    let setup = Setup::on(&backend.fresh().await).with_access_control().set("auth.failuresPerMinute", 0);
    let server = setup.start().await;
    let admin = server.client();
    let document = admin.with(None).get(PATH).await.expect_status(200).json();
    let description = Description::of(document);
    let rows = rows();
    assert_same_operations(&description, &rows);
    table::prepare(&admin).await;
    let mut walk = Walk { admin, description, kept: BTreeMap::new() };
    for row in &rows {
        walk.row(row).await;
    }
}

/// What is asked of each operation.
pub(crate) fn rows() -> Vec<Row> {
    [table::rows(), accounts::rows()].concat()
}

/// The request of a case; `value` gives what stands in its path.
pub(crate) fn request_of(row: &Row, case: &Case, client: &Client, value: impl Fn(&str) -> String) -> RequestBuilder {
    let (method, template) = row.operation.split_once(' ').expect("method and path");
    let path = case
        .values
        .iter()
        .fold(template.to_owned(), |path, (name, written)| path.replace(&format!("{{{name}}}"), &value(written)));
    assert!(!path.contains('{'), "{}: a case lacks a value for its path: {path}", row.operation);
    let method = Method::from_bytes(method.as_bytes()).expect("a method");
    let request = client.request(method, &format!("{path}{}", case.query));
    match &case.body {
        Body::None => request,
        Body::Form(pairs) => {
            let form = Url::parse_with_params("http://form", pairs).expect("a form");
            let form = form.query().unwrap_or_default().to_owned();
            request.header("content-type", "application/x-www-form-urlencoded").body(form)
        }
        Body::Json(body) => request.json(body),
    }
}

/// Each has its row, and no row is left of one that is gone.
fn assert_same_operations(description: &Description, rows: &[Row]) {
    let described = description.operations();
    let walked: BTreeSet<String> = rows.iter().map(|row| row.operation.to_owned()).collect();
    assert_eq!(walked.len(), rows.len(), "tests/tests/it/openapi/table.rs has two rows of one operation");
    let missing: Vec<_> = described.difference(&walked).collect();
    assert!(
        missing.is_empty(),
        "nobody asks for {missing:?}: add a row to rows() in tests/tests/it/openapi/table.rs, such as\n  \
         row(\"{}\", vec![admin().gives(200), reader().gives(403)]),\nwith a case for each answer below 500 that is \
         described; what cannot be provoked is named by .rare(&[409]). Credentials that are absent or wrong are tried \
         by themselves.",
        missing[0]
    );
    let gone: Vec<_> = walked.difference(&described).collect();
    assert!(gone.is_empty(), "the description has no {gone:?} any more: remove the rows");
}

struct Walk {
    admin: Client,
    description: Description,
    /// What cases kept of their answers, by name.
    kept: BTreeMap<String, String>,
}

impl Walk {
    async fn row(&mut self, row: &Row) {
        let operation = self.description.operation(row.operation).clone();
        // 429 comes after many wrong credentials: `access_keys.rs`
        let mut seen: BTreeSet<u16> = row.rare.iter().copied().chain([429]).collect();
        let first = row.cases.iter().find(|case| case.status < 400);
        let first = first.unwrap_or_else(|| panic!("{}: no case in which it succeeds", row.operation));
        for (who, status) in self.description.refused_callers(&operation) {
            let case = Case { who, status, keep: Vec::new(), ..first.clone() };
            seen.insert(self.case(row, &operation, &case).await);
        }
        for case in &row.cases {
            seen.insert(self.case(row, &operation, case).await);
        }
        let described = Description::statuses(&operation);
        let unseen: Vec<_> = described.iter().filter(|status| **status < 500 && !seen.contains(status)).collect();
        assert!(unseen.is_empty(), "{}: no case gives {unseen:?}, which is described", row.operation);
    }

    /// Asks, and holds the answer against its description.
    async fn case(&mut self, row: &Row, operation: &Value, case: &Case) -> u16 {
        if let (Body::Json(body), true) = (&case.body, case.status < 300) {
            self.description.check_request(row.operation, operation, body);
        }
        let request = request_of(row, case, &self.client(case.who), |value| self.recalled(value));
        let reply = Reply::to(request).await.expect_status(case.status);
        self.description.check(operation, &reply);
        for (name, pointer) in &case.keep {
            let value = reply.json().pointer(pointer).and_then(Value::as_str).map(str::to_owned);
            self.kept.insert((*name).to_owned(), value.unwrap_or_else(|| panic!("no {pointer}: {reply}")));
        }
        case.status
    }

    fn client(&self, who: Who) -> Client {
        match who {
            Who::Admin => self.admin.clone(),
            Who::Reader => self.admin.with(Some(READER)),
            Who::Nobody => self.admin.with(None),
            Who::Wrong => self.admin.with(Some(WRONG)),
        }
    }

    /// `$name` is what a case kept under that name.
    fn recalled(&self, value: &str) -> String {
        match value.strip_prefix('$') {
            Some(name) => self.kept.get(name).unwrap_or_else(|| panic!("nothing is kept as {name}")).clone(),
            None => value.to_owned(),
        }
    }
}
