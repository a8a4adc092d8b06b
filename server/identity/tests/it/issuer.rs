//! An issuer of a test: its discovery document and its keys on the loopback interface, and tokens that say anything.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::get;
use axum::{Json, Router};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey};
use p256::SecretKey;
use p256::pkcs8::{EncodePrivateKey as _, EncodePublicKey as _, LineEnding};
use serde_json::{Value, json};

/// The audience of its tokens.
pub(crate) const AUDIENCE: &str = "store";

/// An ES256 key.
pub(crate) struct SigningKey {
    pub(crate) kid: &'static str,
    secret: SecretKey,
}

impl SigningKey {
    /// The key that is made of this byte.
    pub(crate) fn new(kid: &'static str, byte: u8) -> Self {
        Self { kid, secret: SecretKey::from_slice(&[byte; 32]).unwrap() }
    }

    /// Its public half, in PEM.
    pub(crate) fn public_key(&self) -> String {
        self.secret.public_key().to_public_key_pem(LineEnding::LF).unwrap()
    }

    /// Its public half as issuers publish it (RFC 7517).
    pub(crate) fn jwk(&self) -> Value {
        let public = self.secret.public_key().to_public_key_der().unwrap();
        let (x, y) = public.as_bytes().last_chunk::<64>().unwrap().split_at(32);
        let [x, y] = [x, y].map(|half| BASE64_URL_SAFE_NO_PAD.encode(half));
        json!({"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": self.kid, "x": x, "y": y})
    }

    /// A token of this header and these claims, right or wrong, signed with this key.
    pub(crate) fn sign(&self, header: &Value, claims: &str) -> String {
        let pem = self.secret.to_pkcs8_pem(LineEnding::LF).unwrap();
        signed(header, claims, &EncodingKey::from_ec_pem(pem.as_bytes()).unwrap(), Algorithm::ES256)
    }
}

/// A token that is signed with that key and algorithm, whatever its header says.
pub(crate) fn signed(header: &Value, claims: &str, key: &EncodingKey, algorithm: Algorithm) -> String {
    let encoded = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
    let message = format!("{}.{}", encoded(&header.to_string()), encoded(claims));
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), key, algorithm).unwrap();
    format!("{message}.{signature}")
}

/// What the issuer answers, and what it was asked.
struct Published {
    /// The `issuer` of the discovery document.
    issuer: Mutex<String>,
    url: String,
    keys: Mutex<Value>,
    times_asked: AtomicUsize,
    is_down: AtomicBool,
    authorization: Mutex<Option<String>>,
}

/// An issuer that answers on the loopback interface.
pub(crate) struct TestIssuer {
    pub(crate) key: SigningKey,
    published: Arc<Published>,
}

impl TestIssuer {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let key = SigningKey::new("first", 1);
        let published = Arc::new(Published {
            issuer: Mutex::new(url.clone()),
            url,
            keys: Mutex::new(json!({"keys": [key.jwk()]})),
            times_asked: AtomicUsize::new(0),
            is_down: AtomicBool::new(false),
            authorization: Mutex::new(None),
        });
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/keys", get(keys))
            .with_state(Arc::clone(&published));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { key, published }
    }

    pub(crate) fn url(&self) -> &str {
        &self.published.url
    }

    /// Where its keys are.
    pub(crate) fn keys_url(&self) -> String {
        format!("{}/keys", self.url())
    }

    /// How often its keys were fetched.
    pub(crate) fn times_asked(&self) -> usize {
        self.published.times_asked.load(Ordering::Relaxed)
    }

    /// The `Authorization` header by which its keys were last fetched.
    pub(crate) fn authorization(&self) -> Option<String> {
        self.published.authorization.lock().unwrap().clone()
    }

    /// Publishes these keys from now on.
    pub(crate) fn publish(&self, keys: &[Value]) {
        *self.published.keys.lock().unwrap() = json!({"keys": keys});
    }

    /// Names that issuer in the discovery document from now on.
    pub(crate) fn call_itself(&self, issuer: &str) {
        issuer.clone_into(&mut self.published.issuer.lock().unwrap());
    }

    /// Answers nothing but errors from now on, or answers again.
    pub(crate) fn set_down(&self, is_down: bool) {
        self.published.is_down.store(is_down, Ordering::Relaxed);
    }

    /// The header of a valid token.
    pub(crate) fn header(&self) -> Value {
        json!({"alg": "ES256", "typ": "JWT", "kid": self.key.kid})
    }

    /// The claims of a valid token of this user. `changes` replace claims; null removes one.
    pub(crate) fn claims(&self, user: &str, changes: &Value) -> Value {
        let now = zot_core::ambient::now().as_second();
        let claims = json!({
            "iss": self.url(), "sub": format!("id-of-{user}"), "aud": AUDIENCE, "iat": now, "exp": now + 3600,
            "name": user,
        });
        changed(claims, changes)
    }

    /// A valid token of this user, but for these changes.
    pub(crate) fn token(&self, user: &str, changes: &Value) -> String {
        self.key.sign(&self.header(), &self.claims(user, changes).to_string())
    }
}

/// An object with other fields; those that are null are removed.
pub(crate) fn changed(mut object: Value, changes: &Value) -> Value {
    let fields = object.as_object_mut().unwrap();
    fields.extend(changes.as_object().unwrap().clone());
    fields.retain(|_, value| !value.is_null());
    object
}

async fn discovery(State(published): State<Arc<Published>>) -> Result<Json<Value>, StatusCode> {
    if published.is_down.load(Ordering::Relaxed) {
        return Err(StatusCode::BAD_GATEWAY);
    }
    let issuer = published.issuer.lock().unwrap().clone();
    Ok(Json(json!({"issuer": issuer, "jwks_uri": format!("{}/keys", published.url)})))
}

async fn keys(State(published): State<Arc<Published>>, headers: HeaderMap) -> Result<Json<Value>, StatusCode> {
    published.times_asked.fetch_add(1, Ordering::Relaxed);
    let authorization = headers.get(header::AUTHORIZATION).map(|value| value.to_str().unwrap().to_owned());
    *published.authorization.lock().unwrap() = authorization;
    if published.is_down.load(Ordering::Relaxed) {
        return Err(StatusCode::BAD_GATEWAY);
    }
    Ok(Json(published.keys.lock().unwrap().clone()))
}
