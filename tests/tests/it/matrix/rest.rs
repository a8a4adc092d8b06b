//! The operations of the REST API. `openapi/table.rs` has the requests, a row for each described operation. This file sends
//! them as each caller.

use zot_tests::client::Reply;

use super::Apis;
use super::caller::{Caller, May};
use crate::openapi::{answers::Description, request_of, rows};

/// Asks everything; what is wrong is told.
pub(super) async fn walk(apis: &Apis, callers: &[Caller]) -> Vec<String> {
    let document = apis.admin.with(None).get(crate::openapi::PATH).await.expect_status(200).json();
    let description = Description::of(document);
    let mut wrong = Vec::new();
    for row in rows() {
        let operation = description.operation(row.operation);
        // needed by whom: the description says that, and the rows whom it denies
        let (needed, looked_at) = description.credentials(operation);
        // what one may oneself is told to everybody, of others to some
        let oneself = row.operation.ends_with("/authorize");
        let restricted = !oneself && row.cases.iter().any(|case| case.status == 403);
        let case = row.cases.iter().find(|case| case.status < 400);
        let case = case.unwrap_or_else(|| panic!("{}: no case in which it succeeds", row.operation));
        for caller in callers.iter().filter(|caller| !matches!(caller.may, May::Everything)) {
            let reply = Reply::to(request_of(&row, case, &caller.client(&apis.admin), placeholder)).await;
            let status = reply.status.as_u16();
            let right = match (needed, looked_at, restricted) {
                (_, true, _) if caller.refused.is_some() => status == 401,
                (true, _, _) if caller.anonymous => status == 401,
                (true, _, true) => status == 403,
                _ => status < 400,
            };
            if !right {
                wrong.push(format!("REST, {} by {}: {reply}", row.operation, caller.name));
            }
        }
    }
    wrong
}

/// What another test kept of an answer is not there: who may not, is not told so.
fn placeholder(value: &str) -> String {
    if value.starts_with('$') { "none".to_owned() } else { value.to_owned() }
}
