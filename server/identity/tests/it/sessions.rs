//! Temporary credentials: for whom they are issued, and when they are no longer accepted.

use serde_json::json;
use zot_identity::LIFETIME_MIN_SECS;

use crate::fixture::{Fixture, HOME, SESSION_MAX_SECS, admin, error_of, masters, person};

#[tokio::test]
async fn a_session_is_who_asked_for_it_or_one_of_their_roles() {
    let store = Fixture::new().await;
    let token = store.issuer.token("alice", &json!({"roles": ["developer", "viewer"], "groups": ["ops"]}));
    for (role, names) in [
        (None, 5),
        (Some("self"), 5),
        (Some("viewer"), 3), // user, userid and the role
    ] {
        let (credentials, principal) = store.identity.session(&token, role, None, HOME).await.unwrap();
        let (id, session) = (credentials.access_key.as_str(), Some(credentials.session_token.as_str()));
        assert_eq!(store.identity.signing_secret(id, session), Some(credentials.secret_key.clone()));
        let signer = store.identity.signer(id, session).await.unwrap();
        assert_eq!((&signer.subject, signer.names().len()), (&principal.subject, names));
        assert_eq!(signer.all_names().len(), 5, "what was given up is still denied and revoked");
        for (id, session) in [("ASIAOTHER", session), (id, Some("")), (id, Some("%%%")), (id, None)] {
            assert_eq!(store.identity.signing_secret(id, session), None);
            assert_eq!(error_of(store.identity.signer(id, session).await), "invalid");
        }
    }
    assert_eq!(error_of(store.identity.session(&token, Some("admin"), None, HOME).await), "denied");
}

#[tokio::test]
async fn a_session_has_bounds() {
    let store = Fixture::new().await;
    let token = store.issuer.token("alice", &json!({}));
    for (lifetime, expected) in [
        (LIFETIME_MIN_SECS - 1, "parameter"),
        (SESSION_MAX_SECS + 1, "parameter"),
        (-1, "parameter"),
        (LIFETIME_MIN_SECS, ""),
        (SESSION_MAX_SECS, ""),
    ] {
        let session = store.identity.session(&token, None, Some(lifetime), HOME).await;
        if let Ok((credentials, _)) = &session {
            let left = credentials.expires - zot_core::ambient::now().as_second();
            assert!((lifetime - 5..=lifetime).contains(&left), "{left}");
        }
        assert_eq!(error_of(session), expected, "{lifetime}");
    }
    let own =
        store.identity.registry_token(&person("alice").principal, Vec::new(), zot_core::ambient::now().as_second());
    assert_eq!(error_of(store.identity.session(&own.unwrap(), None, None, HOME).await), "invalid", "a registry token");
    assert_eq!(error_of(store.identity.session("a.b.c", None, None, HOME).await), "invalid");
}

#[tokio::test]
async fn a_session_ends_with_a_revocation_or_its_key() {
    let store = Fixture::new().await;
    let token = store.issuer.token("alice", &json!({}));
    let (credentials, _) = store.identity.session(&token, None, None, HOME).await.unwrap();
    let (id, session) = (credentials.access_key.as_str(), Some(credentials.session_token.as_str()));
    store.identity.rotate(&masters(&["two", "one"])).unwrap();
    store.identity.signer(id, session).await.unwrap();
    store.accounts.revoke(&admin(), "user:alice").await.unwrap();
    assert_eq!(error_of(store.identity.signer(id, session).await), "invalid");
    store.identity.rotate(&masters(&["two"])).unwrap();
    assert_eq!(store.identity.signing_secret(id, session), None);
}
