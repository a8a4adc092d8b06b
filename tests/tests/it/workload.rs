//! Programs in a cluster with only their ServiceAccount: tokens of a real API server, for a registry client and an AWS SDK.

use reqwest::{Method, StatusCode};
use serde_json::json;
use zot_tests::backend::Backend;
use zot_tests::client::Reply;
use zot_tests::kube::Kube;
use zot_tests::server::{Server, Setup};
use zot_tests::tools::{Home, tool};
use zot_tests::workspace;

const AUDIENCE: &str = "zot-artifact-store";

/// The settings of a server that trusts a cluster from inside it; its own ServiceAccount's token is in `home`.
async fn trusting(kube: &Kube, home: &Home) -> Setup {
    let namespace = kube.namespace().await;
    kube.service_account(&namespace, "store").await;
    let own = kube.token(&namespace, "store", &[kube.issuer()], 3600).await;
    let section = json!({
        "enabled": true, "apiServer": kube.server(), "cacert": kube.ca_file(),
        "tokenFile": home.write("own-token", own),
    });
    let setup = Setup::on(&Backend::SqliteDisk.fresh().await).with_access_control().with_s3_port();
    setup.set("extensions.rbac.kubernetes", section)
}

async fn allow(server: &Server, principal: &str, resource: &str, actions: &[&str]) {
    let policy = json!({"resource": resource, "actions": actions, "principals": [principal]});
    server.client().send(Method::POST, "/api/v1/rbac/policies", &policy).await.expect_status(201);
}

#[tokio::test]
async fn a_pod_pushes_with_oras_and_puts_with_boto3_without_any_secret() {
    let (kube, home) = (Kube::shared().await, Home::new());
    let server = trusting(&kube, &home).await.start().await;
    let namespace = kube.namespace().await;
    kube.service_account(&namespace, "builder").await;
    let token = kube.token(&namespace, "builder", &[AUDIENCE], 3600).await;
    let subject = format!("serviceaccount:{namespace}:builder");
    server.client().with_token(&token).get("/v2/ci/app/tags/list").await.expect_error(403, "DENIED");
    allow(&server, &subject, "ci/*", &["*"]).await;
    let file = home.write("token", &token);
    home.write("note.txt", "from a pod");
    let oras = tool("oras").await;
    let address = server.address();
    let run = |words: String| home.command(&oras).words(&words);
    run(format!("login --plain-http -u serviceaccount --password-stdin {address}")).input(&token).ok().await;
    run(format!("push --plain-http {address}/ci/notes:v1 note.txt:text/plain")).ok().await;
    run(format!("pull --plain-http {address}/ci/notes:v1 -o back")).ok().await;
    assert_eq!(home.read("back/note.txt"), b"from a pod");
    allow(&server, &subject, "pods", &["*"]).await;
    allow(&server, &subject, "pods/*", &["*"]).await;
    for endpoint in [format!("http://{}", server.s3_address()), format!("http://{address}/s3")] {
        let script = workspace().join("tests/clients/python/web_identity.py");
        let run = home.command(tool("python-s3").await).arg(script);
        let run = run.env("AWS_ROLE_ARN", "arn:aws:iam::000000000000:role/self");
        let run = run.env("AWS_WEB_IDENTITY_TOKEN_FILE", &file).env("AWS_DEFAULT_REGION", "us-east-1");
        let run = run.env("AWS_ENDPOINT_URL_S3", &endpoint).env("AWS_ENDPOINT_URL_STS", &endpoint);
        run.env("AWS_EC2_METADATA_DISABLED", "true").env("BUCKET", "pods").env("SUBJECT", &subject).ok().await;
        let admin = server.client();
        admin.delete("/s3/pods/dir/a%20key").await;
        admin.delete("/s3/pods").await;
    }
    assert!(!server.log().contains(&token), "a token in the log");
}

#[tokio::test]
async fn a_serviceaccount_is_who_its_token_says() {
    let (kube, home) = (Kube::shared().await, Home::new());
    let server = trusting(&kube, &home).await.start().await;
    let (one, two) = (kube.namespace().await, kube.namespace().await);
    for (namespace, name) in [(&one, "builder"), (&one, "reader"), (&two, "builder")] {
        kube.service_account(namespace, name).await;
    }
    server.client().push_image("team/app", "v1", vec![1; 100]).await;
    allow(&server, &format!("serviceaccount:{one}:*"), "team/*", &["read"]).await;
    let status = async |namespace: &str, name: &str, audience: &str| {
        let token = kube.token(namespace, name, &[audience], 3600).await;
        server.client().with_token(&token).get("/v2/team/app/manifests/v1").await.status
    };
    assert_eq!(status(&one, "builder", AUDIENCE).await, StatusCode::OK);
    assert_eq!(status(&one, "reader", AUDIENCE).await, StatusCode::OK);
    assert_eq!(status(&two, "builder", AUDIENCE).await, StatusCode::FORBIDDEN, "the same name of another namespace");
    assert_eq!(status(&one, "builder", kube.issuer()).await, StatusCode::UNAUTHORIZED, "meant for the API server");
    // a store that does not trust the cluster, or expects another audience or issuer
    let token = kube.token(&one, "builder", &[AUDIENCE], 3600).await;
    for (key, value) in
        [("enabled", json!(false)), ("audiences", json!(["another"])), ("issuer", json!("https://another.example"))]
    {
        let setup = trusting(&kube, &home).await.set(&format!("extensions.rbac.kubernetes.{key}"), value);
        let other = setup.start().await;
        other.client().with_token(&token).get("/v2/").await.expect_status(401);
    }
    let setup = trusting(&kube, &home).await.set("extensions.rbac.kubernetes.apiServer", "https://127.0.0.1:1");
    setup.start().await.client().with_token(&token).get("/v2/").await.expect_status(503);
    let setup = trusting(&kube, &home).await.set("extensions.rbac.kubernetes.cacert", "/nowhere/ca.crt");
    setup.start().await.client().with_token(&token).get("/v2/").await.expect_status(503);
    let own = home.write("not-a-token", "nothing");
    let setup =
        trusting(&kube, &home).await.set("extensions.rbac.kubernetes.tokenFile", own.to_string_lossy().into_owned());
    assert!(setup.start_refused().await.contains("extensions.rbac.kubernetes.issuer"));
}

/// Another cluster than the one around the server: its names have the issuer's in front.
#[tokio::test]
async fn another_cluster_is_an_issuer_like_others() {
    let kube = Kube::shared().await;
    let issuer = json!({
        "name": "edge", "kind": "kubernetes", "issuer": kube.issuer(), "audiences": [AUDIENCE], "cacert": kube.ca_file(),
    });
    let setup = Setup::on(&Backend::SqliteDisk.fresh().await).with_access_control();
    let server = setup.set("extensions.rbac.issuers", json!([issuer])).start().await;
    let namespace = kube.namespace().await;
    kube.service_account(&namespace, "builder").await;
    let client = server.client().with_token(&kube.token(&namespace, "builder", &[AUDIENCE], 3600).await);
    let oneself = client.get("/api/v1/rbac/permissions").await.expect_status(200).json();
    let subject = format!("serviceaccount:edge:{namespace}:builder");
    assert_eq!(oneself["subject"], subject, "{oneself:#}");
    server.client().push_image("team/app", "v1", vec![1; 100]).await;
    client.get("/v2/team/app/manifests/v1").await.expect_error(403, "DENIED");
    allow(&server, &subject, "team/*", &["read"]).await;
    client.get("/v2/team/app/manifests/v1").await.expect_status(200);
}

#[tokio::test]
async fn temporary_credentials_are_as_long_and_as_wide_as_they_say() {
    let (kube, home) = (Kube::shared().await, Home::new());
    let setup = trusting(&kube, &home).await.set("auth.sessionMaxDuration", "20m");
    let server = setup.start().await;
    let namespace = kube.namespace().await;
    kube.service_account(&namespace, "builder").await;
    let token = kube.token(&namespace, "builder", &[AUDIENCE], 3600).await;
    let assume = async |changes: &[(&'static str, &str)]| {
        let mut form = std::collections::BTreeMap::from([
            ("Action", "AssumeRoleWithWebIdentity"),
            ("Version", "2011-06-15"),
            ("RoleArn", "arn:aws:iam::000000000000:role/self"),
            ("RoleSessionName", "test"),
            ("WebIdentityToken", token.as_str()),
        ]);
        for (name, value) in changes {
            if value.is_empty() {
                form.remove(name);
            } else {
                form.insert(name, value);
            }
        }
        Reply::to(server.client().with(None).request(Method::POST, "/s3/").form(&form)).await
    };
    let given = assume(&[]).await.expect_status(200);
    assert!(given.to_string().contains("<AccessKeyId>ASIA"), "{given}");
    assert!(given.to_string().contains(&format!("serviceaccount:{namespace}:builder")), "{given}");
    assume(&[("DurationSeconds", "1200")]).await.expect_status(200);
    let with_a_line = format!(" {token}\n");
    assume(&[("WebIdentityToken", &with_a_line)]).await.expect_status(200);
    for (changes, status, code) in [
        (&[("DurationSeconds", "1201")][..], 400, "ValidationError"),
        (&[("DurationSeconds", "60")], 400, "ValidationError"),
        (&[("DurationSeconds", "soon")], 400, "ValidationError"),
        (&[("RoleArn", "arn:aws:iam::000000000000:role/admin")], 403, "AccessDenied"),
        (&[("RoleArn", "admin")], 400, "ValidationError"),
        (&[("RoleArn", "")], 400, "ValidationError"),
        (&[("RoleSessionName", "a b")], 400, "ValidationError"),
        (&[("WebIdentityToken", "")], 400, "ValidationError"),
        (&[("WebIdentityToken", "eyJhbGciOiJub25lIn0.e30.")], 400, "InvalidIdentityToken"),
        (&[("Policy", "{}")], 400, "ValidationError"),
        (&[("policy", "{}")], 400, "ValidationError"),
        (&[("PolicyArns.member.2.arn", "arn:aws:iam::aws:policy/ReadOnlyAccess")], 400, "ValidationError"),
        (&[("Tags.member.1.Key", "team")], 400, "ValidationError"),
        (&[("SourceIdentity", "me")], 400, "ValidationError"),
        (&[("Version", "2000-01-01")], 400, "ValidationError"),
        (&[("Action", "AssumeRole")], 400, "InvalidAction"),
        (&[("Action", "")], 400, "MissingAction"),
        (&[("Action", "GetCallerIdentity")], 403, "MissingAuthenticationToken"),
    ] {
        let reply = assume(changes).await.expect_status(status);
        assert!(reply.to_string().contains(&format!("<Code>{code}</Code>")), "{changes:?}: {reply}");
    }
}
