//! Valid keys outside the settings: the admin's in the environment, and master keys in the file of `auth.keyFile`. The
//! server reads such keys; the operator reports invalid ones.

/// Shortest secret of an access key from the environment, in bytes.
pub const ADMIN_SECRET_MIN: usize = 8;
/// Shortest master key that encrypts anything, in bytes.
const MASTER_KEY_MIN: usize = 32;

/// Whether an access key in the environment is valid. In HTTP Basic a name ends at its first colon (RFC 7617, section
/// 2).
pub fn is_admin_key(access_key: &str, secret_key: &str) -> bool {
    secret_key.len() >= ADMIN_SECRET_MIN && !access_key.contains(':')
}

/// The master keys in a text with one key a line, the key in use first.
///
/// Only the first must be long: the others encrypt nothing, and one may be an admin's secret, from which keys were
/// derived before.
///
/// # Errors
/// What is wrong with the text, and how to create a key.
pub fn master_keys(text: &str) -> Result<Vec<&str>, String> {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    match lines.first() {
        None => Err("it has no key; `openssl rand -hex 32` creates one".to_owned()),
        Some(first) if first.len() < MASTER_KEY_MIN => {
            Err(format!("the first key has fewer than {MASTER_KEY_MIN} characters; `openssl rand -hex 32` creates one"))
        }
        Some(_) => Ok(lines),
    }
}
