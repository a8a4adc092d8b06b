//! The grants: a person's password, a client's own credentials, a refresh token, a device that a person approves.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::browser::Browser;
use super::{Client, Realm, text};
use crate::DEADLINE;
use crate::client::Reply;

/// The tokens of a grant.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// For resource servers.
    pub access: String,
    /// For the next [`Realm::token_by_refresh`]; a client's own credentials yield none.
    pub refresh: Option<String>,
    /// Who signed in, for the client; a client's own credentials yield none.
    pub id: Option<String>,
}

/// A device that waits for its approval (RFC 8628).
#[derive(Clone, Debug)]
pub struct Device {
    /// The code of the device.
    pub code: String,
    /// The code that a person compares or types.
    pub user_code: String,
    /// The URL where a person types it.
    pub verification_uri: String,
    /// That URL with the code in it.
    pub verification_uri_complete: String,
    /// How often the device may ask.
    pub interval: Duration,
}

impl Realm {
    /// Tokens for a person's password.
    pub async fn token_by_password(&self, client: &Client, user: &str, password: &str) -> Tokens {
        tokens(&self.try_password(client, user, password).await)
    }

    /// The answer to a person's password, which may be a refusal.
    pub async fn try_password(&self, client: &Client, user: &str, password: &str) -> Reply {
        let form = [("grant_type", "password"), ("username", user), ("password", password), ("scope", "openid")];
        self.grant(client, &form).await
    }

    /// A token for the client itself, which must be confidential.
    pub async fn token_by_client_credentials(&self, client: &Client) -> Tokens {
        tokens(&self.grant(client, &[("grant_type", "client_credentials")]).await)
    }

    /// New tokens for a refresh token.
    pub async fn token_by_refresh(&self, client: &Client, refresh: &str) -> Tokens {
        tokens(&self.grant(client, &[("grant_type", "refresh_token"), ("refresh_token", refresh)]).await)
    }

    /// The answer of the token endpoint to any grant.
    pub async fn grant(&self, client: &Client, form: &[(&str, &str)]) -> Reply {
        self.post("token", client, form).await
    }

    /// Begins the flow of a device.
    pub async fn start_device(&self, client: &Client) -> Device {
        let begun = self.post("auth/device", client, &[("scope", "openid")]).await.expect_status(200).json();
        let field = |name: &str| text(&begun, name).to_owned();
        Device {
            code: field("device_code"),
            user_code: field("user_code"),
            verification_uri: field("verification_uri"),
            verification_uri_complete: field("verification_uri_complete"),
            interval: Duration::from_secs(begun["interval"].as_u64().unwrap_or(5)),
        }
    }

    /// Opens the page of a device's `verification_uri_complete`, signs in as this person and grants what the page asks for.
    pub async fn approve_device(&self, verification_uri_complete: &str, user: &str, password: &str) {
        Browser::new().sign_in_and_grant(verification_uri_complete, user, password).await;
    }

    /// The answer to a device that asks once whether it was approved.
    pub async fn try_device(&self, client: &Client, device: &Device) -> Reply {
        let grant = "urn:ietf:params:oauth:grant-type:device_code";
        self.grant(client, &[("grant_type", grant), ("device_code", &device.code)]).await
    }

    /// Asks until the device was approved.
    pub async fn token_by_device(&self, client: &Client, device: &Device) -> Tokens {
        let since = Instant::now();
        loop {
            let reply = self.try_device(client, device).await;
            if reply.status == 200 {
                return tokens(&reply);
            }
            let error = reply.json()["error"].clone();
            assert!(error == "authorization_pending" || error == "slow_down", "{reply}");
            assert!(since.elapsed() < DEADLINE, "nobody approved the device: {reply}");
            tokio::time::sleep(device.interval).await;
        }
    }

    async fn post(&self, endpoint: &str, client: &Client, form: &[(&str, &str)]) -> Reply {
        let mut form = form.to_vec();
        form.push(("client_id", &client.id));
        form.extend(client.secret.as_deref().map(|secret| ("client_secret", secret)));
        let url = format!("{}/protocol/openid-connect/{endpoint}", self.issuer_url());
        Reply::to(self.http.post(url).form(&form)).await
    }
}

#[track_caller]
fn tokens(reply: &Reply) -> Tokens {
    assert_eq!(reply.status, 200, "{reply}");
    let answer: Value = reply.json();
    let optional = |name: &str| answer[name].as_str().map(str::to_owned);
    Tokens {
        access: text(&answer, "access_token").to_owned(),
        refresh: optional("refresh_token"),
        id: optional("id_token"),
    }
}
