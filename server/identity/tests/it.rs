//! The crate's public interface over SQLite in a temporary directory, with an issuer that answers on the loopback interface.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

#[path = "it/access_keys.rs"]
mod access_keys;
#[path = "it/accounts.rs"]
mod accounts;
#[path = "it/fixture.rs"]
mod fixture;
#[path = "it/freshness.rs"]
mod freshness;
#[path = "it/issuer.rs"]
mod issuer;
#[path = "it/registry_tokens.rs"]
mod registry_tokens;
#[path = "it/sessions.rs"]
mod sessions;
#[path = "it/throttle.rs"]
mod throttle;
#[path = "it/trusted.rs"]
mod trusted;
