//! Registry tokens: how they are given, and that only ours are taken.

use axum::http::{Method, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hkdf::Hkdf;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use p256::SecretKey;
use p256::pkcs8::{EncodePrivateKey as _, EncodePublicKey as _, LineEnding};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use zot_testing::app::{ADMIN, SERVICE, TestApp};

/// The key that the store derives from its first secret: an attacker does not have it, these tests do, so that a
/// token is refused for the one thing that is wrong with it.
fn store_key(app: &TestApp) -> SecretKey {
    let mut master = [0; 32];
    let hkdf = Hkdf::<Sha256>::new(Some(app.store_id.as_bytes()), ADMIN.1.as_bytes());
    hkdf.expand(b"zot-artifact-store master key", &mut master).unwrap();
    let mut scalar = [0; 32];
    let hkdf = Hkdf::<Sha256>::from_prk(&master).unwrap();
    hkdf.expand(b"zot-artifact-store registry token \0", &mut scalar).unwrap();
    SecretKey::from_slice(&scalar).unwrap()
}

/// The header that the store writes: with the id of its key.
fn header_of(key: &SecretKey) -> Header {
    let public = key.public_key().to_public_key_pem(LineEnding::LF).unwrap();
    Header { kid: Some(hex::encode(&Sha256::digest(public)[..8])), ..Header::new(Algorithm::ES256) }
}

fn signed(key: &SecretKey, header: &Header, claims: &Value) -> String {
    let pem = key.to_pkcs8_pem(LineEnding::LF).unwrap();
    jsonwebtoken::encode(header, claims, &EncodingKey::from_ec_pem(pem.as_bytes()).unwrap()).unwrap()
}

fn now() -> i64 {
    zot_core::ambient::now().as_second()
}

fn claims() -> Value {
    let access = json!([{"type": "repository", "name": "team/app", "actions": ["pull", "push", "delete"]}]);
    json!({
        "iss": SERVICE, "sub": "key:admin", "key": ADMIN.0, "aud": SERVICE, "exp": now() + 300, "nbf": now(), "iat": now(),
        "jti": "x", "access": access,
    })
}

async fn answer(app: &TestApp, token: &str) -> StatusCode {
    let reply = app.anonymous().with_token(token).get("/v2/team/app/tags/list").await;
    if reply.status == StatusCode::UNAUTHORIZED {
        reply.assert(StatusCode::UNAUTHORIZED, "UNAUTHORIZED");
        assert!(reply.header("www-authenticate").contains("error=\"invalid_token\""));
        let open = app.open().with_token(token).get("/v2/").await;
        open.assert(StatusCode::UNAUTHORIZED, "UNAUTHORIZED");
    }
    reply.status
}

#[tokio::test]
async fn a_token_of_ours_is_taken_and_each_lie_in_it_refused() {
    let app = TestApp::new().await;
    app.admin().push_image("team/app", "v1").await;
    let key = store_key(&app);
    let header = header_of(&key);
    assert_eq!(answer(&app, &signed(&key, &header, &claims())).await, StatusCode::OK);
    for (claim, value) in [
        ("exp", json!(now() - 60)),
        ("exp", json!(null)),
        ("exp", json!("never")),
        ("nbf", json!(now() + 120)),
        ("aud", json!("another-service")),
        ("aud", json!(["another-service"])),
        ("aud", json!(null)),
        ("iss", json!("another-issuer")),
        ("key", json!("gone")),
        ("key", json!(null)),
        ("sub", json!(null)),
        ("access", json!("all")),
    ] {
        let mut lying = claims();
        lying[claim] = value.clone();
        assert_eq!(answer(&app, &signed(&key, &header, &lying)).await, StatusCode::UNAUTHORIZED, "{claim} {value}");
    }
    for claim in ["exp", "nbf", "aud", "iss", "sub"] {
        let mut lacking = claims();
        lacking.as_object_mut().unwrap().remove(claim);
        assert_eq!(answer(&app, &signed(&key, &header, &lacking)).await, StatusCode::UNAUTHORIZED, "{claim}");
    }
}

#[tokio::test]
async fn a_foreign_key_is_refused_whatever_the_header_says() {
    let app = TestApp::new().await;
    let foreign = SecretKey::from_slice(&[7; 32]).unwrap();
    let ours = app.admin().token("repository:team/app:pull").await;
    let key_id = jsonwebtoken::decode_header(&ours).unwrap().kid;
    let jwk = json!({"kty": "EC", "crv": "P-256", "alg": "ES256", "x": "", "y": ""});
    let mut header = Header { kid: key_id, ..Header::new(Algorithm::ES256) };
    assert_eq!(answer(&app, &signed(&foreign, &header, &claims())).await, StatusCode::UNAUTHORIZED);
    header.jku = Some("https://127.0.0.1:1/keys".to_owned());
    header.x5u = header.jku.clone();
    assert_eq!(answer(&app, &signed(&foreign, &header, &claims())).await, StatusCode::UNAUTHORIZED);
    let point = foreign.public_key().to_public_key_der().unwrap();
    let (x, y) = point.as_bytes()[point.as_bytes().len() - 64..].split_at(32);
    let mut with_jwk = jwk;
    with_jwk["x"] = json!(URL_SAFE_NO_PAD.encode(x));
    with_jwk["y"] = json!(URL_SAFE_NO_PAD.encode(y));
    header.jwk = Some(serde_json::from_value(with_jwk).unwrap());
    assert_eq!(answer(&app, &signed(&foreign, &header, &claims())).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn another_algorithm_is_refused() {
    let app = TestApp::new().await;
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    for alg in ["none", "None", "nOnE", ""] {
        let head = encode(&json!({"alg": alg, "typ": "JWT"}));
        for signature in ["", "x"] {
            let token = format!("{head}.{}.{signature}", encode(&claims()));
            assert_eq!(answer(&app, &token).await, StatusCode::UNAUTHORIZED, "{alg}");
        }
    }
    let public = store_key(&app).public_key().to_public_key_pem(LineEnding::LF).unwrap();
    let public_der = store_key(&app).public_key().to_public_key_der().unwrap();
    for secret in [public.as_bytes(), public_der.as_bytes(), b""] {
        let header = Header::new(Algorithm::HS256);
        let token = jsonwebtoken::encode(&header, &claims(), &EncodingKey::from_secret(secret)).unwrap();
        assert_eq!(answer(&app, &token).await, StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn a_token_of_a_megabyte_or_a_changed_one_is_refused() {
    let app = TestApp::new().await;
    let ours = app.admin().token("repository:team/app:pull").await;
    let (body, signature) = ours.rsplit_once('.').unwrap();
    for token in [
        "x".repeat(1024 * 1024),
        format!("{}.{}", ours, "x".repeat(1024 * 1024)),
        format!("{body}.{}", "A".repeat(signature.len())),
        format!("{}.{signature}", body.replacen('.', ".A", 1)),
        body.to_owned(),
        format!("{ours}."),
        "...".to_owned(),
        ".".to_owned(),
    ] {
        assert_eq!(answer(&app, &token).await, StatusCode::UNAUTHORIZED, "{}", &token[..token.len().min(80)]);
    }
}

#[tokio::test]
async fn both_ways_to_ask_give_a_token_cut_to_ones_rights() {
    let app = TestApp::new().await;
    app.admin().push_image("team/app", "v1").await;
    let scope = "repository:team/app:pull,push";
    let got = app.reader().token(scope).await;
    let form =
        format!("grant_type=password&service=zot-test&username=reader&password=the%20reader's%20secret&scope={scope}");
    let call = app.anonymous().call(Method::POST, "/auth/token");
    let posted = call.header("content-type", "application/x-www-form-urlencoded").body(form).send().await;
    posted.assert_status(StatusCode::OK);
    let body = posted.json();
    assert_eq!(
        (&body["token_type"], &body["expires_in"], &body["token"]),
        (&json!("Bearer"), &json!(300), &body["access_token"])
    );
    assert_eq!(posted.header("cache-control"), "no-store");
    for token in [got.as_str(), body["token"].as_str().unwrap()] {
        let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
        let payload: Value = serde_json::from_slice(&payload).unwrap();
        assert_eq!(payload["access"], json!([{"type": "repository", "name": "team/app", "actions": ["pull"]}]));
        app.anonymous().with_token(token).get("/v2/team/app/tags/list").await.assert_status(StatusCode::OK);
    }
}

#[tokio::test]
async fn a_request_for_a_token_that_makes_no_sense_is_refused_in_the_dialect() {
    let app = TestApp::new().await;
    for form in [
        "",
        "grant_type=password",
        "grant_type=client_credentials&username=admin&password=x",
        "grant_type=password&username=admin",
        "grant_type=password&grant_type=password",
        "%",
        "\u{0}",
    ] {
        let call = app.anonymous().call(Method::POST, "/auth/token");
        let reply = call.header("content-type", "application/x-www-form-urlencoded").body(form).send().await;
        reply.assert(StatusCode::BAD_REQUEST, "UNSUPPORTED");
    }
    for content_type in ["application/json", "text/plain", ""] {
        let call = app.anonymous().call(Method::POST, "/auth/token").header("content-type", content_type);
        call.body("{}").send().await.assert(StatusCode::BAD_REQUEST, "UNSUPPORTED");
    }
    let call = app.anonymous().call(Method::POST, "/auth/token");
    let call = call.header("content-type", "application/x-www-form-urlencoded");
    let wrong = call.body("grant_type=password&username=admin&password=x").send().await;
    wrong.assert(StatusCode::UNAUTHORIZED, "UNAUTHORIZED");
    let many = format!("/auth/token?{}", "scope=repository:a1/b:pull&".repeat(65));
    app.admin().get(&many).await.assert(StatusCode::BAD_REQUEST, "UNSUPPORTED");
}

#[tokio::test]
async fn a_token_lists_the_catalog_only_where_it_says_so() {
    let app = TestApp::new().await;
    let catalog = app.reader().token("registry:catalog:*").await;
    app.anonymous().with_token(&catalog).get("/v2/_catalog").await.assert_status(StatusCode::OK);
    let nothing = app.admin().token("").await;
    for path in ["/v2/_catalog", "/v2/team/app/tags/list"] {
        app.anonymous().with_token(&nothing).get(path).await.assert(StatusCode::UNAUTHORIZED, "UNAUTHORIZED");
    }
    app.anonymous().with_token(&nothing).get("/v2/").await.assert_status(StatusCode::OK);
}
