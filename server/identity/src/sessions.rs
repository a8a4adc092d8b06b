//! Temporary credentials: an access key whose secret and principal are in the session token itself, encrypted by the
//! keyring. No replica stores anything.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use zot_core::principal::Principal;
use zot_domain::{Error, Result};

use crate::keyring::{Keyring, Purpose};

/// Prefix of temporary access keys, as in AWS.
const PREFIX: &str = "ASIA";
/// Shortest life of a session in seconds, as in AWS.
pub const LIFETIME_MIN_SECS: i64 = 900;
/// Default life of a session, in seconds.
pub(crate) const LIFETIME_DEFAULT_SECS: i64 = 3600;

/// Credentials for an S3 client.
#[derive(Clone, Debug)]
pub struct Credentials {
    pub access_key: String,
    pub secret_key: String,
    /// The session token, which requests must include.
    pub session_token: String,
    /// Expiry, in seconds since 1970.
    pub expires: i64,
}

/// The content of a session token.
#[derive(Debug, Deserialize, Serialize)]
struct Session {
    #[serde(rename = "k")]
    access_key: String,
    #[serde(rename = "s")]
    secret_key: String,
    #[serde(rename = "i")]
    issued: i64,
    #[serde(rename = "e")]
    expires: i64,
    #[serde(rename = "p")]
    subject: String,
    #[serde(rename = "n")]
    names: Vec<String>,
    /// Names that the session gave up. Denials and revocations still apply to them.
    #[serde(rename = "h", default, skip_serializing_if = "Vec::is_empty")]
    given_up: Vec<String>,
    #[serde(rename = "c")]
    claims: BTreeMap<String, Vec<String>>,
}

/// A decrypted session token.
#[derive(Debug)]
pub(crate) struct DecryptedSession {
    /// The secret of its access key.
    pub secret_key: String,
    pub principal: Principal,
    /// When it was issued, in seconds since 1970.
    pub issued: i64,
}

/// Issues credentials for a principal.
///
/// # Errors
/// [`Error::Internal`].
pub(crate) fn issue(keyring: &Keyring, principal: &Principal, now: i64, expires: i64) -> Result<Credentials> {
    let random = || zot_core::ambient::random_id().simple().to_string();
    let access_key = format!("{PREFIX}{}", random()[..16].to_uppercase());
    let secret_key = format!("{}{}", random(), &random()[..8]);
    let session = Session {
        access_key: access_key.clone(),
        secret_key: secret_key.clone(),
        issued: now,
        expires,
        subject: principal.subject.clone(),
        names: principal.names().to_vec(),
        given_up: principal.all_names().iter().filter(|name| !principal.names().contains(name)).cloned().collect(),
        claims: (*principal.claims).clone(),
    };
    let text = serde_json::to_vec(&session).map_err(|error| Error::Internal(format!("session: {error}")))?;
    let session_token = URL_SAFE_NO_PAD.encode(keyring.encrypt(Purpose::Sessions, &access_key, &text)?);
    Ok(Credentials { access_key, secret_key, session_token, expires })
}

/// Decrypts a session token of an access key.
///
/// # Errors
/// [`Error::CredentialsInvalid`] if the token is of another access key or was changed; [`Error::CredentialsExpired`].
pub(crate) fn decrypt(keyring: &Keyring, access_key: &str, token: &str, now: i64) -> Result<DecryptedSession> {
    let invalid = || Error::CredentialsInvalid("the session token is not valid".to_owned());
    let encrypted = URL_SAFE_NO_PAD.decode(token).map_err(|_| invalid())?;
    let text = keyring.decrypt(Purpose::Sessions, access_key, &encrypted).ok_or_else(invalid)?;
    let session: Session = serde_json::from_slice(&text).map_err(|_| invalid())?;
    if session.access_key != access_key {
        return Err(invalid());
    }
    if now >= session.expires {
        return Err(Error::CredentialsExpired("the session has expired; request new credentials".to_owned()));
    }
    let principal = Principal::known(&session.subject, session.names, session.claims).with_all_names(session.given_up);
    Ok(DecryptedSession { secret_key: session.secret_key, principal, issued: session.issued })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keyring() -> Keyring {
        Keyring::new("store", &[b"one".to_vec()]).unwrap()
    }

    #[test]
    fn a_session_of_one_role_keeps_what_was_given_up() {
        let names = ["user:alice", "role:developer", "role:viewer", "group:contractors"].map(str::to_owned);
        let whole = Principal::known("user:alice", names, BTreeMap::new());
        let issued = issue(&keyring(), &whole.as_role("developer").unwrap(), 1000, 2000).unwrap();
        let opened = decrypt(&keyring(), &issued.access_key, &issued.session_token, 1500).unwrap();
        assert_eq!(opened.principal.names(), ["role:developer", "user:alice"]);
        assert_eq!(opened.principal.all_names(), whole.names());
    }

    #[test]
    fn a_session_is_who_asked_for_it_until_it_ends() {
        let names = ["serviceaccount:ci:builder".to_owned()];
        let principal = Principal::known("serviceaccount:ci:builder", names, BTreeMap::new());
        let issued = issue(&keyring(), &principal, 1000, 2000).unwrap();
        let opened = decrypt(&keyring(), &issued.access_key, &issued.session_token, 1999).unwrap();
        assert_eq!((opened.principal, opened.secret_key), (principal, issued.secret_key.clone()));
        for (access_key, token, now) in [
            (issued.access_key.as_str(), issued.session_token.as_str(), 2000),
            ("ASIAOTHER", issued.session_token.as_str(), 1500),
            (issued.access_key.as_str(), &issued.session_token[1..], 1500),
            (issued.access_key.as_str(), "", 1500),
            (issued.access_key.as_str(), "%%%", 1500),
        ] {
            assert!(decrypt(&keyring(), access_key, token, now).is_err());
        }
        assert!(!issued.session_token.contains(&issued.secret_key), "it is encrypted");
    }
}
