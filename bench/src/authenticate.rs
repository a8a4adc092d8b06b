//! The time of authentication, in this process, on an embedded database, with an issuer on loopback.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderValue, header};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use p256::SecretKey;
use p256::pkcs8::{EncodePrivateKey as _, EncodePublicKey as _, LineEnding};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use zot_core::policy::Settings;
use zot_core::principal::Principal;
use zot_domain::authorizer::Authorizer;
use zot_identity::{AccessKey, ClaimPath, Identity, Issuer, IssuerConfig, KeySet, Kind, Setup, Source};
use zot_store::{Options, Store};

use crate::error::{Error, Result};
use crate::report::write_between;

const BEGIN: &str = "<!-- authentication: written by `make bench ARGS='decide --write'`, do not edit -->";
const END: &str = "<!-- end of authentication -->";
const GROUPS: [usize; 2] = [10, 1_000];
/// How long each figure is measured.
const MEASURED: Duration = Duration::from_millis(500);
const KEY_ID: &str = "bench";

/// Measures, and gives the table.
///
/// # Errors
/// [`Error::Setup`] if the set-up fails.
pub(crate) async fn run() -> Result<String> {
    let key = SecretKey::from_slice(&[7; 32]).map_err(setup)?;
    let issuer = serve(&keys(&key)?).await?;
    let (identity, _data) = identity(&issuer).await?;
    identity.fresh().await.map_err(setup)?;
    let mut text =
        "| credentials | groups of the caller | for each request | of a token not seen before |\n|---|---|---|---|\n"
            .to_owned();
    let basic = headers(&format!("Basic {}", STANDARD.encode("bench:a secret of the bench")))?;
    row(&mut text, "access key", "-", each(&identity, || Ok(basic.clone())).await?, None);
    for groups in GROUPS {
        let token = |number: usize| token(&key, &issuer, groups, number);
        let known = headers(&format!("Bearer {}", token(0)?))?;
        let first = identity.principal(&known, None).await.principal.map_err(setup)?;
        let fresh =
            (1..200).map(|number| headers(&format!("Bearer {}", token(number)?))).collect::<Result<Vec<_>>>()?;
        let (seen, unseen) = (each(&identity, || Ok(known.clone())).await?, once(&identity, &fresh).await?);
        row(&mut text, "token of an issuer", &groups.to_string(), seen, Some(unseen));
        let now = zot_core::ambient::now().as_second();
        let own = || identity.registry_token(&first, Vec::new(), now).map_err(setup);
        let known = headers(&format!("Bearer {}", own()?))?;
        let fresh = (1..200).map(|_| headers(&format!("Bearer {}", own()?))).collect::<Result<Vec<_>>>()?;
        let (seen, unseen) = (each(&identity, || Ok(known.clone())).await?, once(&identity, &fresh).await?);
        row(&mut text, "registry token", &groups.to_string(), seen, Some(unseen));
    }
    Ok(text)
}

/// Puts the table into docs/BENCHMARKS.md.
///
/// # Errors
/// [`Error::Setup`] if the document lacks the place for it.
pub(crate) fn write(table: &str) -> Result<()> {
    write_between(Path::new("docs/BENCHMARKS.md"), (BEGIN, END), table)
}

fn row(text: &mut String, what: &str, groups: &str, seen: f64, unseen: Option<f64>) {
    let unseen = unseen.map_or_else(|| "-".to_owned(), |micros| format!("{micros:.1} µs"));
    // writing into a String does not fail
    let _ = writeln!(text, "| {what} | {groups} | {seen:.1} µs | {unseen} |");
}

async fn each(identity: &Identity, headers: impl Fn() -> Result<HeaderMap>) -> Result<f64> {
    let headers = headers()?;
    let (begun, mut count) = (Instant::now(), 0_u32);
    while begun.elapsed() < MEASURED {
        let presented = identity.principal(black_box(&headers), None).await;
        black_box(presented.principal.map_err(setup)?);
        count += 1;
    }
    Ok(begun.elapsed().as_secs_f64() * 1e6 / f64::from(count))
}

async fn once(identity: &Identity, all: &[HeaderMap]) -> Result<f64> {
    let (begun, mut count) = (Instant::now(), 0_u32);
    for headers in all {
        black_box(identity.principal(headers, None).await.principal.map_err(setup)?);
        count += 1;
    }
    Ok(begun.elapsed().as_secs_f64() * 1e6 / f64::from(count))
}

async fn identity(issuer: &str) -> Result<(Identity, TempDir)> {
    let data = tempfile::tempdir().map_err(setup)?;
    let url = format!("sqlite:{}", data.path().join("bench.db").display());
    let store = Store::open(&Options { url, max_connections: 4, create: true }).await.map_err(setup)?;
    store.migrate().await.map_err(setup)?;
    let engine = Authorizer::new(Settings { access_control: true, anonymous_read: false, read_only: false });
    let access = zot_domain::Access::new(Arc::new(store.clone()), engine);
    let principal = Principal::known("key:bench", ["key:bench".to_owned()], BTreeMap::new());
    let config = IssuerConfig {
        name: "bench".to_owned(),
        kind: Kind::Oidc,
        issuer: issuer.to_owned(),
        audiences: vec!["bench".to_owned()],
        accept_azp: false,
        prefix: String::new(),
        username_claim: ClaimPath::new(&["name"]),
        roles_claims: Vec::new(),
        groups_claims: vec![ClaimPath::new(&["groups"])],
        client_id: None,
    };
    let source = Source { issuer: issuer.to_owned(), jwks: Some(format!("{issuer}/keys")), token_file: None };
    let setup_of = Setup {
        fixed: vec![AccessKey::new("bench".to_owned(), "a secret of the bench".to_owned(), principal)],
        store_id: "bench".to_owned(),
        service: "zot-artifact-store".to_owned(),
        masters: vec![b"a master key of the bench".to_vec()],
        issuers: vec![Issuer::new(config, KeySet::new(source, reqwest::Client::new()))],
        failures_per_minute: Some(60),
        session_max_secs: 3600,
    };
    Ok((Identity::new(setup_of, Arc::new(store), access).map_err(setup)?, data))
}

/// The issuer's keys as it publishes them (RFC 7517).
fn keys(key: &SecretKey) -> Result<Value> {
    let public = key.public_key().to_public_key_der().map_err(setup)?;
    let point = public.as_bytes().last_chunk::<64>().ok_or_else(|| setup("a public key"))?;
    let (x, y) = point.split_at(32);
    let [x, y] = [x, y].map(|half| URL_SAFE_NO_PAD.encode(half));
    Ok(json!({"keys": [{"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": KEY_ID, "x": x, "y": y}]}))
}

fn token(key: &SecretKey, issuer: &str, groups: usize, number: usize) -> Result<String> {
    let now = zot_core::ambient::now().as_second();
    let groups: Vec<_> = (0..groups).map(|group| format!("g{group}")).collect();
    let claims = json!({
        "iss": issuer, "sub": format!("user-{number}"), "name": format!("user{number}"), "aud": "bench", "iat": now, "exp": now + 3600, "groups": groups,
    });
    let pem = key.to_pkcs8_pem(LineEnding::LF).map_err(setup)?;
    let header = Header { kid: Some(KEY_ID.to_owned()), ..Header::new(Algorithm::ES256) };
    jsonwebtoken::encode(&header, &claims, &EncodingKey::from_ec_pem(pem.as_bytes()).map_err(setup)?).map_err(setup)
}

fn headers(authorization: &str) -> Result<HeaderMap> {
    let value = HeaderValue::from_str(authorization).map_err(setup)?;
    Ok(HeaderMap::from_iter([(header::AUTHORIZATION, value)]))
}

/// Answers every request with that document, and returns its URL.
async fn serve(document: &Value) -> Result<String> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(setup)?;
    let address = listener.local_addr().map_err(setup)?;
    let body = document.to_string();
    let answer = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            // a client that does not read gets no answer
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    Ok(format!("http://{address}"))
}

fn setup(error: impl std::fmt::Display) -> Error {
    Error::Setup(error.to_string())
}
