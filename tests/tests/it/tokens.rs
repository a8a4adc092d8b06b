//! Tokens of a trusted issuer with one wrong claim, and tokens that only look odd. The test has its own issuer, because real
//! ones (`oidc.rs`, `workload.rs`) issue only correct tokens.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use zot_tests::backend::Backend;
use zot_tests::client::{Client, Reply};
use zot_tests::issuer::{Issuer, signed_with_secret};
use zot_tests::server::{Server, Setup};

const ONESELF: &str = "/api/v1/rbac/permissions";

/// A server that trusts an issuer, and another issuer that it does not know.
struct Store {
    ours: Issuer,
    theirs: Issuer,
    server: Server,
}

impl Store {
    async fn start() -> Self {
        let ours = Issuer::start("https://sso.example.com", "store").await;
        let theirs = Issuer::start("https://sso.example.com", "store").await;
        let setup = Setup::on(&Backend::SqliteDisk.fresh().await).with_access_control();
        let setup = setup.set("extensions.rbac.issuers", json!([ours.settings()])).set("auth.failuresPerMinute", 0);
        Self { ours, theirs, server: setup.start().await }
    }

    fn with(&self, token: &str) -> Client {
        self.server.client().with_token(token)
    }

    fn header(&self, changes: &Value) -> Value {
        let mut header = self.ours.header();
        for (name, value) in changes.as_object().expect("changes") {
            header[name] = value.clone();
        }
        header.as_object_mut().expect("a header").retain(|_, value| !value.is_null());
        header
    }

    /// On every API.
    async fn assert_refused(&self, why: &str, token: &str) {
        for path in ["/v2/", "/v2/_catalog", ONESELF, "/auth/token", "/s3/"] {
            let reply = self.with(token).get(path).await;
            assert!([400, 401, 403, 431].contains(&reply.status.as_u16()), "{why}: {reply}");
        }
        let basic = self.server.client().with_key("anybody", token).get("/v2/").await;
        assert!([401, 431].contains(&basic.status.as_u16()), "{why}, as a password: {basic}");
    }

    async fn oneself(&self, token: &str) -> Value {
        self.with(token).get(ONESELF).await.expect_status(200).json()
    }
}

#[tokio::test]
async fn a_header_chooses_neither_algorithm_nor_key() {
    let store = Store::start().await;
    let (ours, theirs) = (&store.ours, &store.theirs);
    let claims = ours.claims("alice", &json!({"roles": ["admin"]}));
    let text = claims.to_string();
    store.with(&ours.signed(&store.header(&json!({})), &text)).get("/v2/").await.expect_status(200);
    let encoded = |value: &str| BASE64_URL_SAFE_NO_PAD.encode(value);
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        for header in [store.header(&json!({"alg": alg})), json!({"alg": alg})] {
            let message = format!("{}.{}", encoded(&header.to_string()), encoded(&text));
            store.assert_refused(alg, &format!("{message}.")).await;
            store.assert_refused(alg, &format!("{message}.{}", encoded("signature"))).await;
        }
    }
    let public = ours.public_key();
    for secret in [public.as_bytes(), public.trim().as_bytes(), b"", ours.kid().as_bytes()] {
        for alg in ["HS256", "HS384", "HS512"] {
            let token = signed_with_secret(&store.header(&json!({"alg": alg})), &claims, secret);
            store.assert_refused("signed with what is public", &token).await;
        }
    }
    for alg in ["RS384", "RS512", "PS256", "ES256", "EdDSA", "RS1", "rs256"] {
        store.assert_refused(alg, &ours.signed(&store.header(&json!({"alg": alg})), &text)).await;
    }
    // signed with another key, and the header says where that one is
    let asked = theirs.times_asked();
    let jwk: Value = reqwest::get(theirs.keys_url()).await.expect("keys").json().await.expect("keys");
    for header in [
        json!({}),
        json!({"kid": theirs.kid()}),
        json!({"jwk": jwk["keys"][0]}),
        json!({"jwk": jwk["keys"][0], "kid": theirs.kid()}),
        json!({"jku": theirs.keys_url(), "kid": theirs.kid()}),
        json!({"x5u": theirs.keys_url(), "kid": theirs.kid()}),
        json!({"x5c": [theirs.public_key()], "kid": theirs.kid()}),
        json!({"kid": theirs.keys_url()}),
    ] {
        store.assert_refused(&header.to_string(), &theirs.signed(&store.header(&header), &text)).await;
    }
    assert_eq!(theirs.times_asked(), asked + 1, "a header made the server ask elsewhere");
    for kid in
        [json!(null), json!(""), json!(7), json!("../../../etc/passwd"), json!("x' OR '1'='1"), json!("k".repeat(9000))]
    {
        store.assert_refused(&kid.to_string(), &ours.signed(&store.header(&json!({"kid": kid})), &text)).await;
    }
    for extension in [json!(["exp"]), json!(["b64"]), json!("b64"), json!({})] {
        let header = store.header(&json!({"crit": extension, "b64": false}));
        store.assert_refused("crit", &ours.signed(&header, &text)).await;
    }
}

#[tokio::test]
async fn claims_that_are_wrong_in_one_thing_are_refused() {
    let store = Store::start().await;
    let now = jiff::Timestamp::now().as_second();
    for changes in [
        json!({"aud": null}),
        json!({"aud": ""}),
        json!({"aud": []}),
        json!({"aud": 7}),
        json!({"aud": {"store": "store"}}),
        json!({"aud": ["account", "another"]}),
        json!({"aud": "Store"}),
        json!({"aud": "store "}),
        json!({"aud": [["store"]]}),
        json!({"aud": "another", "azp": "store"}),
        json!({"iss": null}),
        json!({"iss": "https://sso.example.com/"}),
        json!({"iss": "HTTPS://sso.example.com"}),
        json!({"iss": ["https://sso.example.com"]}),
        json!({"iss": "https://sso.example.com.evil.example"}),
        json!({"exp": null}),
        json!({"exp": now - 60}),
        json!({"exp": -1}),
        json!({"exp": 0}),
        json!({"exp": (now + 60).to_string()}),
        json!({"exp": [now + 60]}),
        json!({"nbf": now + 600}),
        json!({"nbf": "later"}),
        json!({"sub": null}),
        json!({"sub": ["id"]}),
        json!({"typ": "ID"}),
        json!({"typ": "Refresh"}),
        json!({"typ": "Offline"}),
        json!({"typ": ["Bearer"]}),
        json!({"cnf": {"jkt": "thumbprint"}}),
    ] {
        store.assert_refused(&changes.to_string(), &store.ours.token("alice", &changes)).await;
    }
    let good = store.ours.claims("alice", &json!({})).to_string();
    let rest = &good[1..];
    for claims in [
        String::new(),
        "null".to_owned(),
        "[]".to_owned(),
        format!("[{good}]"),
        format!("{good}{good}"),
        format!("{{\"groups\": {}{}, {rest}", "[".repeat(10_000), "]".repeat(10_000)),
        format!("\u{feff}{good}"),
    ] {
        let why = claims.chars().take(60).collect::<String>();
        store.assert_refused(&why, &store.ours.signed(&store.ours.header(), &claims)).await;
    }
    // RFC 7519, 4: each claim once. Who reads the first and who reads the last would see another token.
    for twice in [
        r#""name": "root""#,
        r#""sub": "id-of-root""#,
        r#""aud": "another""#,
        r#""exp": 9999999999"#,
        r#""roles": ["admin"]"#,
    ] {
        let claims = format!("{{{twice}, \"roles\": [], {rest}");
        store.assert_refused(twice, &store.ours.signed(&store.ours.header(), &claims)).await;
    }
}

#[tokio::test]
async fn what_only_looks_odd_is_taken() {
    let store = Store::start().await;
    let now = jiff::Timestamp::now().as_second();
    for changes in [
        json!({"aud": ["account", "store"]}),
        json!({"exp": now - 10}), // within what clocks may differ by
        json!({"nbf": now + 10}),
        json!({"exp": i64::MAX}),
        json!({"exp": 1e15}),
        json!({"iat": null}),
        json!({"typ": "Bearer", "scope": "openid", "azp": "another"}),
        json!({"groups": {"nested": {"deep": ["x"]}}, "roles": 7}),
        json!({"kubernetes.io": {"namespace": "ci", "serviceaccount": {"name": "builder"}}}),
    ] {
        let oneself = store.oneself(&store.ours.token("alice", &changes)).await;
        assert_eq!(oneself["subject"], "user:alice", "{changes}: {oneself}");
        assert_eq!(oneself["roles"], json!([]), "{changes}: {oneself}");
    }
    let many: Vec<String> = (0..2_000).map(|number| format!("group-{number}")).collect();
    let oneself = store.oneself(&store.ours.token("alice", &json!({"groups": many}))).await;
    assert_eq!(oneself["groups"].as_array().map(Vec::len), Some(2_000));
    // ten thousand do not go into a header, and that is said
    let many: Vec<String> = (0..10_000).map(|number| format!("group-{number}")).collect();
    store.assert_refused("10,000 groups", &store.ours.token("alice", &json!({"groups": many}))).await;
    let names = [
        "role:admin",
        "user:test-admin",
        "anonymous",
        "*",
        "../x",
        "a b",
        "<script>alert(1)</script>",
        "\u{202e}nimda",
        "a:b:c",
    ];
    for name in names {
        let reply = store.with(&store.ours.token(name, &json!({}))).get(ONESELF).await;
        if reply.status == 200 {
            let oneself = reply.json();
            assert_eq!(oneself["subject"], format!("user:{name}"), "{oneself}");
            assert_eq!(oneself["roles"], json!([]), "{oneself}");
        } else {
            reply.expect_status(401);
        }
        let reply =
            Reply::to(store.with(&store.ours.token(name, &json!({}))).request(reqwest::Method::PUT, "/s3/bucket"))
                .await;
        assert!([401, 403].contains(&reply.status.as_u16()), "{name}: {reply}");
    }
}
