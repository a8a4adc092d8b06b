//! The routes of the OCI API.

use reqwest::Method;
use zot_tests::client::{IMAGE_MANIFEST, Reply, digest};

use super::Apis;
use super::caller::Caller;
use super::row::{Access, Needs, Outcome, Row, row};

const DISPATCH: &str = include_str!("../../../../server/oci/src/lib.rs");
const PLACES: [&str; 4] = ["team/b", "team/bc", "team/b/c", "public/b"];

/// What the server dispatches, such as `Tags GET`.
pub(super) fn served() -> Vec<String> {
    let arms = DISPATCH.lines().filter_map(|line| line.trim().strip_prefix("(Route::")?.split_once(") => "));
    let routes = arms.flat_map(|(pattern, _)| {
        let name: String = pattern.chars().take_while(char::is_ascii_alphanumeric).collect();
        let methods = pattern.split('"').skip(1).step_by(2);
        methods.map(move |method| format!("{name} {method}")).collect::<Vec<_>>()
    });
    routes.collect()
}

/// What is removed comes last.
pub(super) fn rows() -> Vec<Row> {
    let (read, write) = (Needs::Object(Access::Read), Needs::Object(Access::Write));
    let (get, head) = (Method::GET, Method::HEAD);
    vec![
        row("Base GET", get.clone(), "/v2/", Needs::Login, 200),
        row("Base HEAD", head.clone(), "/v2/", Needs::Login, 200),
        row("Catalog GET", get.clone(), "/v2/_catalog", Needs::Listing, 200),
        row("Catalog HEAD", head.clone(), "/v2/_catalog", Needs::Listing, 200),
        row("Tags GET", get.clone(), "/v2/{name}/tags/list", read, 200),
        row("Tags HEAD", head.clone(), "/v2/{name}/tags/list", read, 200),
        row("Referrers GET", get.clone(), "/v2/{name}/referrers/{manifest}", read, 200),
        row("Referrers HEAD", head.clone(), "/v2/{name}/referrers/{manifest}", read, 200),
        row("Manifest GET", get.clone(), "/v2/{name}/manifests/v1", read, 200),
        row("Manifest GET", get.clone(), "/v2/{name}/manifests/{manifest}", read, 200),
        row("Manifest GET", get.clone(), "/v2/{name}/manifests/none", read, 404),
        row("Manifest HEAD", head.clone(), "/v2/{name}/manifests/v1", read, 200),
        row("Blob GET", get.clone(), "/v2/{name}/blobs/{blob}", read, 200),
        row("Blob HEAD", head.clone(), "/v2/{name}/blobs/{blob}", read, 200),
        row("Manifest PUT", Method::PUT, "/v2/{name}/manifests/v1", write, 201).header("content-type", IMAGE_MANIFEST),
        row("Manifest PUT", Method::PUT, "/v2/{name}/manifests/v2", write, 201).header("content-type", IMAGE_MANIFEST),
        row("Uploads POST", Method::POST, "/v2/{name}/blobs/uploads/", write, 202),
        row("Upload GET", get, "/v2/{name}/blobs/uploads/{upload}", write, 204),
        row("Upload HEAD", head, "/v2/{name}/blobs/uploads/{upload}", write, 204),
        row("Upload PATCH", Method::PATCH, "/v2/{name}/blobs/uploads/{upload}", write, 202).body("{}"),
        row("Upload PUT", Method::PUT, "/v2/{name}/blobs/uploads/{upload}", write, 201).query("digest={blob}"),
        row("Upload DELETE", Method::DELETE, "/v2/{name}/blobs/uploads/{other}", write, 204),
        row("Manifest DELETE", Method::DELETE, "/v2/{name}/manifests/v1", write, 202),
        row("Manifest DELETE", Method::DELETE, "/v2/{name}/manifests/{manifest}", write, 202),
        row("Blob DELETE", Method::DELETE, "/v2/{name}/blobs/{layer}", write, 202),
    ]
}

/// A repository that is filled, and what stands for the names of a path.
struct Place {
    name: &'static str,
    values: Vec<(&'static str, String)>,
    manifest: Vec<u8>,
}

impl Place {
    /// Sessions are those of whoever begins them: of the caller, if they may.
    async fn fill(apis: &Apis, name: &'static str, caller: &Caller) -> Self {
        let admin = &apis.admin;
        let begin = row("Uploads POST", Method::POST, "", Needs::Object(Access::Write), 202);
        let may = begin.outcome(caller, name) == Outcome::Done;
        let writer = if may { caller.client(admin) } else { admin.clone() };
        let pushed = admin.push_image(name, "v1", name).await;
        let manifest = admin.get_manifest(name, "v1").await.expect_status(200).body.to_vec();
        let blob = digest(b"{}");
        let session = async || {
            let location = writer.begin_upload(name).await;
            location.rsplit('/').next().expect("a session").to_owned()
        };
        let (upload, other) = (session().await, session().await);
        let values = vec![
            ("{name}", name.to_owned()),
            ("{manifest}", pushed),
            ("{blob}", blob),
            ("{layer}", digest(name.as_bytes())),
            ("{upload}", upload),
            ("{other}", other),
        ];
        Self { name, values, manifest }
    }

    fn filled(&self, text: &str) -> String {
        self.values.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
    }
}

/// Asks everything; what is wrong is told.
pub(super) async fn walk(apis: &Apis, callers: &[Caller]) -> Vec<String> {
    let mut wrong = Vec::new();
    for caller in callers {
        // after whoever changed something
        let mut places = Vec::new();
        for name in PLACES {
            places.push(Place::fill(apis, name, caller).await);
        }
        for place in &places {
            for row in rows() {
                wrong.extend(ask(apis, caller, place, &row).await);
            }
        }
    }
    wrong
}

async fn ask(apis: &Apis, caller: &Caller, place: &Place, row: &Row) -> Option<String> {
    let path = format!("{}?{}", place.filled(row.path), place.filled(row.query));
    let request = caller.client(&apis.admin).request(row.method.clone(), &path);
    let request = row.headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let body = if row.route == "Manifest PUT" { place.manifest.clone() } else { row.body.as_bytes().to_vec() };
    let reply = Reply::to(request.body(body)).await;
    let expected = row.outcome(caller, place.name);
    let right = match expected {
        Outcome::Done => reply.status == row.gives && !row.tells_too_much(caller, &reply.body, "team/bc"),
        Outcome::Refused | Outcome::Asked => is(&reply, row, 401, "UNAUTHORIZED") && challenge(&reply).is_some(),
        Outcome::Denied => is(&reply, row, 403, "DENIED"),
        Outcome::OutOfScope => {
            is(&reply, row, 401, "UNAUTHORIZED")
                && challenge(&reply).is_some_and(|challenge| challenge.contains("insufficient_scope"))
        }
    };
    (!right).then(|| format!("OCI, {} of {} by {}: not {expected:?}: {reply}", row.route, place.name, caller.name))
}

/// Status and code; HEAD has no body.
fn is(reply: &Reply, row: &Row, status: u16, code: &str) -> bool {
    reply.status == status && (row.method == Method::HEAD || reply.json()["errors"][0]["code"] == code)
}

fn challenge(reply: &Reply) -> Option<&str> {
    reply.headers.get("www-authenticate")?.to_str().ok()
}
