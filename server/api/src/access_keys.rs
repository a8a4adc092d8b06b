//! `/rbac/access-keys` and `/rbac/revocations`.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::{IntoParams, ToSchema};

/// An access key to be made.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = KeyInput, example = json!({"owner": "account:ci", "description": "Runner 7", "expiresAt": "2030-01-01T00:00:00Z"}))]
pub struct AccessKeyInput {
    /// Whose it will be: `account:NAME`, `user:NAME` or `userid:SUB`. Left out: the caller's own.
    pub owner: Option<String>,
    /// What it is for.
    #[serde(default)]
    pub description: String,
    /// From when on it is not accepted. Left out: never for an account, in 90 days for a person.
    #[schema(format = DateTime)]
    pub expires_at: Option<String>,
}

/// A change of an access key; what is left out stays.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = KeyPatch, example = json!({"disabled": true}))]
pub struct AccessKeyPatch {
    /// Whether it is not accepted for now.
    pub disabled: Option<bool>,
    /// What it is for.
    pub description: Option<String>,
    /// From when on it is not accepted; `null` is never.
    #[serde(default, skip_serializing_if = "NewExpiry::is_unchanged")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: NewExpiry,
}

/// What a patch makes of a key's end: a time that was sent, `null`, or nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum NewExpiry {
    /// The field is left out.
    #[default]
    Unchanged,
    /// `null`.
    Never,
    /// A time of RFC 3339.
    At(String),
}

impl NewExpiry {
    fn is_unchanged(&self) -> bool {
        *self == Self::Unchanged
    }
}

impl<'de> Deserialize<'de> for NewExpiry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::deserialize(deserializer).map(|sent| sent.map_or(Self::Never, Self::At))
    }
}

impl Serialize for NewExpiry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Unchanged | Self::Never => serializer.serialize_none(),
            Self::At(time) => serializer.serialize_str(time),
        }
    }
}

/// How a key is rotated.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Rotation {
    /// For how many seconds the old key stays valid; up to 30 days.
    #[schema(minimum = 0, maximum = 2_592_000)]
    pub grace_seconds: i64,
}

/// An access key.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccessKey {
    /// The user name of a registry login, the access key of S3.
    pub id: String,
    /// Such as `account:ci`.
    pub owner: String,
    /// What it is for.
    pub description: String,
    /// Whether it is not accepted for now.
    pub disabled: bool,
    /// From when on it is not accepted.
    #[schema(format = DateTime)]
    pub expires_at: Option<String>,
    /// When it was made.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// The secret, shown only once: in the answer to the request that made the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_key: Option<String>,
}

/// Access keys.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = KeyList)]
pub struct AccessKeys {
    /// By their ids, without secrets.
    pub access_keys: Vec<AccessKey>,
    /// How many they are.
    pub count: usize,
}

/// Which access keys to list.
#[derive(Clone, Debug, Default, Deserialize, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AccessKeyQuery {
    /// Those of this owner alone, such as `account:ci`.
    pub owner: Option<String>,
}

/// Whose tokens and sessions end.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"principal": "user:alice"}))]
pub struct Revocation {
    /// A user, ServiceAccount, account, group or role.
    pub principal: String,
}
