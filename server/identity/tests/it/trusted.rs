//! Tokens of trusted issuers: which are accepted, which are refused, and how the issuer's keys are followed.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue, header};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};
use zot_identity::issuer_of;

use crate::fixture::{BY_AZP, CLUSTER, Fixture, HOME, basic, error_of};
use crate::issuer::{SigningKey, changed, signed};

/// A store does not ask an issuer for unknown keys more often than each three seconds.
const PAUSE: Duration = Duration::from_millis(3200);

#[tokio::test]
async fn a_token_names_a_principal() {
    let store = Fixture::new().await;
    let roles = json!({"roles": ["viewer"], "https://acme.example/roles": "ops", "groups": ["/team"], "level": 3});
    let token = store.issuer.token("alice", &roles);
    let names = ["group:/team", "group:team", "role:ops", "role:viewer", "user:alice", "userid:id-of-alice"];
    for value in [format!("Bearer {token}"), format!("bearer  {token} "), basic("anybody", &token)] {
        let principal = store.authorized(&value).await.unwrap();
        assert_eq!(
            (principal.subject.as_str(), principal.names()),
            ("user:alice", names.map(str::to_owned).as_slice())
        );
        assert_eq!(principal.claims["level"], ["3"]);
        assert_eq!(principal.claims["username"], ["alice"]);
    }
    assert_eq!(store.identity.examined(&format!("{token}\n")).await.unwrap().subject, "user:alice");
    assert_eq!(store.issuer.times_asked(), 1, "keys are kept");
    assert_eq!(issuer_of(&token).unwrap(), store.issuer.url());
    assert_eq!(
        store.identity.issuers().map(|issuer| issuer.name.as_str()).collect::<Vec<_>>(),
        ["sso", "cluster", "azp"]
    );
}

#[tokio::test]
async fn a_header_chooses_neither_algorithm_nor_key() {
    let store = Fixture::new().await;
    let issuer = &store.issuer;
    let claims = issuer.claims("alice", &json!({})).to_string();
    let other = SigningKey::new("other", 2);
    let of = |changes: Value| changed(issuer.header(), &changes);
    let mut tokens = Vec::new();
    for alg in ["none", "None", "", "RS256", "PS256", "ES384", "EdDSA", "HS256"] {
        tokens.push(issuer.key.sign(&of(json!({"alg": alg})), &claims));
    }
    for secret in [issuer.key.public_key().as_bytes(), issuer.key.kid.as_bytes(), b""] {
        tokens.push(signed(&of(json!({"alg": "HS256"})), &claims, &EncodingKey::from_secret(secret), Algorithm::HS256));
    }
    for kid in [json!(null), json!(""), json!("other"), json!("../../etc/passwd"), json!(7)] {
        tokens.push(issuer.key.sign(&of(json!({"kid": kid})), &claims));
    }
    for crit in [json!(["exp"]), json!(["b64"]), json!("b64")] {
        tokens.push(issuer.key.sign(&of(json!({"crit": crit})), &claims));
    }
    for header in [json!({}), json!({"jwk": other.jwk()}), json!({"kid": "other", "jku": issuer.keys_url()})] {
        tokens.push(other.sign(&of(header), &claims));
    }
    let unsigned = BASE64_URL_SAFE_NO_PAD.encode(of(json!({"alg": "none"})).to_string());
    tokens.push(format!("{unsigned}.{}.", BASE64_URL_SAFE_NO_PAD.encode(&claims)));
    tokens.extend(["a.b.c", "..", "", "eyJ"].map(str::to_owned));
    for token in tokens {
        assert_eq!(error_of(store.bearer(&token).await), "invalid", "{token}");
    }
    store.bearer(&issuer.key.sign(&issuer.header(), &claims)).await.unwrap();
}

#[tokio::test]
async fn one_wrong_claim_is_enough() {
    let store = Fixture::new().await;
    let now = zot_core::ambient::now().as_second();
    for (changes, expected) in [
        (json!({"aud": null}), "invalid"),
        (json!({"aud": []}), "invalid"),
        (json!({"aud": "Store"}), "invalid"),
        (json!({"aud": "another", "azp": "store"}), "invalid"),
        (json!({"iss": null}), "invalid"),
        (json!({"iss": ["https://azp.example"]}), "invalid"),
        (json!({"iss": format!("{}/", store.issuer.url())}), "invalid"),
        (json!({"exp": null}), "invalid"),
        (json!({"exp": now - 60}), "expired"),
        (json!({"exp": (now + 60).to_string()}), "invalid"),
        (json!({"nbf": now + 600}), "invalid"),
        (json!({"sub": null}), "invalid"),
        (json!({"typ": "ID"}), "invalid"),
        (json!({"typ": "Refresh"}), "invalid"),
        (json!({"cnf": {"jkt": "thumbprint"}}), "invalid"),
        (json!({"name": "n".repeat(300)}), "invalid"),
        (json!({"name": "partner:bob", "sub": "partner:bob"}), "invalid"), // names of another issuer
        (json!({"aud": ["account", "store"]}), ""),
        (json!({"exp": now - 10}), ""), // within what clocks may differ by
        (json!({"nbf": now + 10}), ""),
        (json!({"exp": 1e15}), ""),
        (json!({"iat": null}), ""),
        (json!({"typ": "Bearer"}), ""),
        (json!({"groups": {"nested": ["x"]}, "roles": 7}), ""),
    ] {
        assert_eq!(error_of(store.bearer(&store.issuer.token("alice", &changes)).await), expected, "{changes}");
    }
    let claims = store.issuer.claims("alice", &json!({})).to_string();
    for claims in ["", "null", "[]", &format!("{claims}{claims}"), &format!("{{\"sub\": \"root\", {}", &claims[1..])] {
        let token = store.issuer.key.sign(&store.issuer.header(), claims);
        assert_eq!(error_of(store.bearer(&token).await), "invalid", "{claims}");
    }
}

#[tokio::test]
async fn an_issuer_may_name_the_audience_in_azp() {
    let store = Fixture::new().await;
    let claims = json!({"iss": BY_AZP, "aud": "account", "azp": "store"});
    let principal = store.bearer(&store.issuer.token("bob", &claims)).await.unwrap();
    assert_eq!(principal.names(), ["user:partner:bob", "userid:partner:id-of-bob"]);
    let claims = json!({"iss": BY_AZP, "aud": "account", "azp": "another"});
    assert_eq!(error_of(store.bearer(&store.issuer.token("bob", &claims)).await), "invalid");
}

#[tokio::test]
async fn a_cluster_names_service_accounts() {
    let store = Fixture::new().await;
    let about = json!({"namespace": "ci", "serviceaccount": {"name": "builder"}});
    let sub = "system:serviceaccount:ci:builder";
    let token = |sub: &str, about: &Value| {
        store.issuer.token("x", &json!({"iss": CLUSTER, "sub": sub, "kubernetes.io": about}))
    };
    let principal = store.bearer(&token(sub, &about)).await.unwrap();
    assert_eq!(principal.names(), ["serviceaccount:ci:*", "serviceaccount:ci:builder"]);
    assert_eq!(store.issuer.authorization().as_deref(), Some("Bearer token of the store"), "as the API server demands");
    for (sub, about) in
        [("system:serviceaccount:ci:other", &about), (sub, &json!(null)), (sub, &json!({"namespace": "ci"}))]
    {
        assert_eq!(error_of(store.bearer(&token(sub, about)).await), "invalid", "{sub} {about}");
    }
}

#[tokio::test]
async fn keys_are_followed_and_the_issuer_is_not_asked_at_will() {
    let store = Fixture::new().await;
    let issuer = &store.issuer;
    store.bearer(&issuer.token("alice", &json!({}))).await.unwrap();
    let next = SigningKey::new("next", 3);
    issuer.publish(&[next.jwk()]);
    let header = changed(issuer.header(), &json!({"kid": "next"}));
    let token = next.sign(&header, &issuer.claims("alice", &json!({})).to_string());
    for _ in 0..5 {
        assert_eq!(error_of(store.bearer(&token).await), "invalid");
    }
    assert_eq!(issuer.times_asked(), 1, "it was asked a moment ago");
    tokio::time::sleep(PAUSE).await;
    assert_eq!(store.bearer(&token).await.unwrap().subject, "user:alice");
    assert_eq!(issuer.times_asked(), 2);
    assert_eq!(error_of(store.bearer(&issuer.token("bob", &json!({}))).await), "invalid", "the key was taken back");
}

#[tokio::test]
async fn an_issuer_that_does_not_answer_is_unavailable() {
    let store = Fixture::new().await;
    let token = store.issuer.token("alice", &json!({}));
    store.issuer.set_down(true);
    assert!(store.identity.unreachable_issuers().await.is_empty(), "it was not asked yet");
    for _ in 0..3 {
        assert_eq!(error_of(store.bearer(&token).await), "unavailable");
    }
    assert_eq!(store.identity.unreachable_issuers().await, ["sso"]);
    store.issuer.set_down(false);
    store.issuer.call_itself("https://another.example");
    tokio::time::sleep(PAUSE).await;
    assert_eq!(error_of(store.bearer(&token).await), "unavailable", "the discovery document is another issuer's");
    store.issuer.call_itself(store.issuer.url());
    tokio::time::sleep(PAUSE).await;
    store.bearer(&token).await.unwrap();
    assert!(store.identity.unreachable_issuers().await.is_empty());
}

#[tokio::test]
async fn other_credentials_are_refused_and_none_are_anonymous() {
    let store = Fixture::new().await;
    let none = store.identity.principal(&HeaderMap::new(), HOME).await;
    assert!(none.method.is_none() && none.principal.unwrap().is_anonymous());
    for value in ["", "Basic", "Basic %%%", "Basic YQ==", "Digest x", &format!("Bearer {}", "x".repeat(70_000))] {
        assert_eq!(error_of(store.authorized(value).await), "invalid", "{value:.20}");
    }
    let value = HeaderValue::from_static("Bearer x");
    let headers = [(header::AUTHORIZATION, value.clone()), (header::AUTHORIZATION, value)];
    let mut twice = HeaderMap::new();
    for (name, value) in headers {
        twice.append(name, value);
    }
    assert_eq!(error_of(store.identity.principal(&twice, HOME).await.principal), "invalid");
}
