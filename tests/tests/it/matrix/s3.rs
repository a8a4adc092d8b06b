//! The operations of the S3 API, and the actions of STS.

use reqwest::{Method, RequestBuilder};
use zot_tests::client::Reply;
use zot_tests::signed::Signer;

use super::Apis;
use super::caller::{Caller, Credentials};
use super::row::{Access, Needs, Outcome, Row, row};

const OPERATIONS: &str = include_str!("../../../../server/s3/src/ops.rs");
const PLACES: [(&str, &str); 4] = [("team", "b"), ("team", "bc"), ("team", "b/c"), ("public", "b")];
const DELETE: &str = "<Delete><Object><Key>{key}</Key></Object></Delete>";
const TAGS: &str = "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>";
const POLICY: &str = r#"{"Statement": [{"Effect": "Allow", "Principal": {"AWS": "nobody"}, "Action": "s3:GetObject",
    "Resource": "arn:aws:s3:::{bucket}/none"}]}"#;
const PUBLIC_ACCESS: &str =
    "<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls></PublicAccessBlockConfiguration>";
const VERSIONING: &str = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
const PARTS: &str =
    "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part></CompleteMultipartUpload>";
const BUCKET: &str = "/{bucket}";
const OBJECT: &str = "/{bucket}/{key}";
const JSON: (&str, &str) = ("accept", "application/json");

/// What the codec hands over, such as `get_object`.
pub(super) fn served() -> Vec<String> {
    let lines = OPERATIONS.lines().filter(|line| line.starts_with("    ") && line.contains("Input) -> "));
    lines.filter_map(|line| Some(line.trim().split_once('(')?.0.to_owned())).collect()
}

/// What is removed comes last.
pub(super) fn rows() -> Vec<Row> {
    let (get, put) = (|| Method::GET, || Method::PUT);
    let (read, write) = (Needs::Object(Access::Read), Needs::Object(Access::Write));
    let (list, change) = (Needs::Bucket(Access::Read), Needs::Bucket(Access::Write));
    let object_of = |route, query, gives| row(route, get(), OBJECT, read, gives).query(query);
    let bucket_has = |route, query, gives| row(route, get(), BUCKET, list, gives).query(query);
    vec![
        row("list_buckets", get(), "/", Needs::Listing, 200),
        row("list_buckets", get(), "/", Needs::Listing, 200).header(JSON.0, JSON.1),
        row("head_bucket", Method::HEAD, BUCKET, list, 200),
        row("list_objects", get(), BUCKET, list, 200),
        row("list_objects", get(), BUCKET, list, 200).header(JSON.0, JSON.1),
        bucket_has("list_objects_v2", "list-type=2", 200),
        bucket_has("list_objects_v2", "list-type=2", 200).header(JSON.0, JSON.1),
        bucket_has("list_objects_v2", "list-type=2&prefix=b", 200),
        bucket_has("list_object_versions", "versions=", 200),
        bucket_has("list_multipart_uploads", "uploads=", 200),
        bucket_has("get_bucket_location", "location=", 200),
        bucket_has("get_bucket_versioning", "versioning=", 200),
        bucket_has("get_bucket_tagging", "tagging=", 404),
        bucket_has("get_bucket_policy", "policy=", 404),
        bucket_has("get_bucket_policy_status", "policyStatus=", 404),
        bucket_has("get_public_access_block", "publicAccessBlock=", 404),
        bucket_has("get_bucket_acl", "acl=", 200),
        bucket_has("get_bucket_lifecycle_configuration", "lifecycle=", 404),
        bucket_has("get_bucket_cors", "cors=", 404),
        bucket_has("get_bucket_encryption", "encryption=", 404),
        bucket_has("get_bucket_website", "website=", 404),
        bucket_has("get_bucket_logging", "logging=", 200),
        bucket_has("get_bucket_request_payment", "requestPayment=", 200),
        bucket_has("get_bucket_accelerate_configuration", "accelerate=", 200),
        bucket_has("get_bucket_replication", "replication=", 404),
        bucket_has("get_bucket_notification_configuration", "notification=", 200),
        bucket_has("get_bucket_ownership_controls", "ownershipControls=", 404),
        bucket_has("get_object_lock_configuration", "object-lock=", 404),
        object_of("get_object", "", 200),
        object_of("get_object", "versionId=null", 200),
        row("get_object", get(), "/{bucket}/{key}/none", Needs::Bucket(Access::Read), 404),
        row("head_object", Method::HEAD, OBJECT, read, 200),
        object_of("get_object_attributes", "attributes=", 200).header("x-amz-object-attributes", "ETag"),
        object_of("get_object_tagging", "tagging=", 200),
        object_of("get_object_acl", "acl=", 200),
        row("create_bucket", put(), BUCKET, change, 409),
        row("put_bucket_versioning", put(), BUCKET, change, 200).query("versioning=").body(VERSIONING),
        row("put_bucket_tagging", put(), BUCKET, change, 200).query("tagging=").body(TAGS),
        row("delete_bucket_tagging", Method::DELETE, BUCKET, change, 204).query("tagging="),
        row("put_bucket_policy", put(), BUCKET, change, 204).query("policy=").body(POLICY),
        row("delete_bucket_policy", Method::DELETE, BUCKET, change, 204).query("policy="),
        row("put_public_access_block", put(), BUCKET, change, 200).query("publicAccessBlock=").body(PUBLIC_ACCESS),
        row("delete_public_access_block", Method::DELETE, BUCKET, change, 204).query("publicAccessBlock="),
        row("put_object", put(), OBJECT, write, 200).body("changed"),
        row("copy_object", put(), OBJECT, write, 200)
            .header("x-amz-copy-source", "/{bucket}/{key}")
            .header("x-amz-metadata-directive", "REPLACE"),
        row("put_object_tagging", put(), OBJECT, write, 200).query("tagging=").body(TAGS),
        row("delete_object_tagging", Method::DELETE, OBJECT, write, 204).query("tagging="),
        row("create_multipart_upload", Method::POST, OBJECT, write, 200).query("uploads="),
        row("create_multipart_upload", Method::POST, OBJECT, write, 200).query("uploads=").header(JSON.0, JSON.1),
        row("upload_part", put(), OBJECT, write, 200).query("partNumber=1&uploadId={upload}").body("part"),
        row("upload_part_copy", put(), OBJECT, write, 200)
            .query("partNumber=2&uploadId={upload}")
            .header("x-amz-copy-source", "/{bucket}/{key}"),
        row("list_parts", get(), OBJECT, write, 200).query("uploadId={upload}"),
        row("complete_multipart_upload", Method::POST, OBJECT, write, 200).query("uploadId={upload}").body(PARTS),
        row("abort_multipart_upload", Method::DELETE, OBJECT, write, 204).query("uploadId={other}"),
        row("delete_objects", Method::POST, BUCKET, write, 200).query("delete=").body(DELETE),
        row("delete_object", Method::DELETE, OBJECT, write, 204),
        row("delete_bucket", Method::DELETE, BUCKET, change, 409),
    ]
}

/// An object, and what stands for the names of a path.
struct Place {
    name: String,
    values: [(&'static str, String); 5],
}

impl Place {
    async fn fill(apis: &Apis, (bucket, key): (&str, &str)) -> Self {
        let send = async |method, path: &str, body: &'static str| {
            Reply::to(apis.s3.request(method, &format!("{}/{bucket}{path}", apis.prefix)).body(body)).await
        };
        let made = send(Method::PUT, "", "").await;
        assert!([200, 409].contains(&made.status.as_u16()), "{made}");
        send(Method::PUT, &format!("/{key}"), "content").await.expect_status(200);
        send(Method::PUT, "/kept", "so that the bucket is never empty").await.expect_status(200);
        let session = async || {
            let begun = send(Method::POST, &format!("/{key}?uploads"), "").await.expect_status(200);
            element(&begun, "UploadId").unwrap_or_else(|| panic!("no upload: {begun}"))
        };
        let (upload, other) = (session().await, session().await);
        let part =
            send(Method::PUT, &format!("/{key}?partNumber=1&uploadId={upload}"), "part").await.expect_status(200);
        let etag = part.header("etag").to_owned();
        let values = [
            ("{bucket}", bucket.to_owned()),
            ("{key}", key.to_owned()),
            ("{upload}", upload),
            ("{other}", other),
            ("{etag}", etag),
        ];
        Self { name: format!("{bucket}/{key}"), values }
    }

    fn filled(&self, text: &str) -> String {
        self.values.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
    }
}

/// Asks everything; what is wrong is told.
pub(super) async fn walk(apis: &Apis, callers: &[Caller]) -> Vec<String> {
    let mut wrong = Vec::new();
    let sessions = sessions(apis, callers).await;
    for whole in callers.iter().chain(&sessions) {
        let caller = &whole.beyond_repositories();
        let mut places = Vec::new();
        for place in PLACES {
            places.push(Place::fill(apis, place).await);
        }
        for place in &places {
            for row in rows() {
                for request in requests(apis, caller, place, &row) {
                    wrong.extend(check(caller, place, &row, &Reply::to(request).await));
                }
            }
        }
        if !matches!(caller.credentials, Credentials::Session { .. }) {
            wrong.extend(sts(apis, whole).await);
        }
    }
    wrong
}

/// With an access key it is asked twice: by Basic, and signed.
fn requests(apis: &Apis, caller: &Caller, place: &Place, row: &Row) -> Vec<RequestBuilder> {
    let (path, query, body) = (place.filled(row.path), place.filled(row.query), place.filled(row.body));
    let mut headers: Vec<(&'static str, String)> =
        row.headers.iter().map(|(name, value)| (*name, place.filled(value))).collect();
    let mut requests = Vec::new();
    if !matches!(caller.credentials, Credentials::Session { .. }) {
        let plain = caller.client(&apis.s3).request(row.method.clone(), &format!("{}{path}?{query}", apis.prefix));
        requests.push(headers.iter().fold(plain, |request, (name, value)| request.header(*name, value)));
    }
    if let Some(signer) = signer(apis, caller) {
        if let Credentials::Session { token, .. } = &caller.credentials {
            headers.push(("x-amz-security-token", token.clone()));
        }
        requests.push(signer.request_with(row.method.clone(), &path, &query, &headers));
    }
    requests.into_iter().map(|request| request.body(body.clone())).collect()
}

fn signer(apis: &Apis, caller: &Caller) -> Option<Signer> {
    let (Credentials::Key { id, secret } | Credentials::Session { id, secret, .. }) = &caller.credentials else {
        return None;
    };
    let endpoint = format!("http://{}{}", apis.s3.address(), apis.prefix);
    Some(Signer { endpoint, access_key: id.clone(), secret_key: secret.clone() })
}

fn check(caller: &Caller, place: &Place, row: &Row, reply: &Reply) -> Option<String> {
    let head = row.method == Method::HEAD;
    let json = row.headers.contains(&JSON); // which has fewer codes
    let is = |code: &str| head || json || element(reply, "Code").as_deref() == Some(code);
    let expected = row.outcome(caller, &place.name);
    let right = match expected {
        Outcome::Done => {
            reply.status == row.gives
                && element(reply, "Code").as_deref() != Some("AccessDenied")
                && !row.tells_too_much(caller, &reply.body, ">team<")
        }
        Outcome::Refused => {
            let code = caller.refused.unwrap_or_default();
            // there is no signature to be wrong
            let basic = code == "SignatureDoesNotMatch" && is("InvalidAccessKeyId")
                // and whoever has the secret is told that its time is over
                || matches!(caller.credentials, Credentials::Key { .. }) && code == "InvalidAccessKeyId" && is("ExpiredToken");
            [400, 401, 403].contains(&reply.status.as_u16()) && (is(code) || basic)
        }
        // a batch says of each object whether it was removed
        Outcome::Denied | Outcome::OutOfScope if row.route == "delete_objects" => is("AccessDenied"),
        Outcome::Asked | Outcome::Denied | Outcome::OutOfScope => reply.status == 403 && is("AccessDenied"),
    };
    (!right).then(|| format!("S3, {} of {} by {}: not {expected:?}: {reply}", row.route, place.name, caller.name))
}

/// The actions of STS: temporary credentials for a token, and who one is.
async fn sts(apis: &Apis, caller: &Caller) -> Vec<String> {
    let mut wrong = Vec::new();
    if let Credentials::Token(token) = &caller.credentials {
        let reply = assume_role(apis, token).await;
        let expired = caller.refused == Some("ExpiredToken");
        let right = match caller.refused.is_some() || caller.registry.is_some() {
            true if expired => failed(&reply, 400, "ExpiredTokenException"),
            true => failed(&reply, 400, "InvalidIdentityToken"),
            false => reply.status == 200,
        };
        if !right {
            wrong.push(format!("STS, AssumeRoleWithWebIdentity by {}: {reply}", caller.name));
        }
    }
    let form = "Action=GetCallerIdentity&Version=2011-06-15";
    let request = match signer(apis, caller) {
        Some(signer) => signer.action(form),
        None => action(apis, form, caller),
    };
    let reply = Reply::to(request).await;
    let right = match caller.refused {
        Some(_) => [400, 403].contains(&reply.status.as_u16()),
        None if caller.anonymous => failed(&reply, 403, "MissingAuthenticationToken"),
        None => reply.status == 200,
    };
    if !right {
        wrong.push(format!("STS, GetCallerIdentity by {}: {reply}", caller.name));
    }
    wrong
}

fn action(apis: &Apis, form: &str, caller: &Caller) -> RequestBuilder {
    let request = caller.client(&apis.s3).request(Method::POST, &format!("{}/", apis.prefix));
    request.header("content-type", "application/x-www-form-urlencoded").body(form.to_owned())
}

/// Asks for temporary credentials.
async fn assume_role(apis: &Apis, token: &str) -> Reply {
    let role = "RoleArn=arn:aws:iam::000000000000:role/self&RoleSessionName=test&Version=2011-06-15";
    let form = format!("Action=AssumeRoleWithWebIdentity&{role}&WebIdentityToken={token}");
    let request = apis.s3.with(None).request(Method::POST, &format!("{}/", apis.prefix));
    Reply::to(request.header("content-type", "application/x-www-form-urlencoded").body(form)).await
}

/// The same people with temporary credentials for their tokens.
async fn sessions(apis: &Apis, callers: &[Caller]) -> Vec<Caller> {
    let mut sessions = Vec::new();
    for caller in callers.iter().filter(|caller| caller.refused.is_none() && caller.registry.is_none()) {
        let Credentials::Token(token) = &caller.credentials else { continue };
        let reply = assume_role(apis, token).await.expect_status(200);
        let field = |name: &str| element(&reply, name).unwrap_or_else(|| panic!("no {name}: {reply}"));
        let (id, secret) = (field("AccessKeyId"), field("SecretAccessKey"));
        sessions.push(caller.with(Credentials::Session { id, secret, token: field("SessionToken") }));
    }
    sessions
}

fn failed(reply: &Reply, status: u16, code: &str) -> bool {
    reply.status == status && element(reply, "Code").as_deref() == Some(code)
}

/// The text of the first element of that name.
fn element(reply: &Reply, name: &str) -> Option<String> {
    let body = String::from_utf8_lossy(&reply.body).into_owned();
    let (_, rest) = body.split_once(&format!("<{name}>"))?;
    Some(rest.split_once("</")?.0.to_owned())
}
