//! What counts as a key that a server is given beside its settings: the administrator's in the environment, and master keys in
//! the file that `auth.keyFile` names. Rules alone: the server reads keys, the operator tells of those that none would take.

/// Shortest secret of an access key from the environment, in bytes.
pub const ADMIN_SECRET_MIN: usize = 8;
/// Shortest master key that closes anything, in bytes.
const MASTER_KEY_MIN: usize = 32;

/// Whether the environment may have this access key: HTTP Basic ends the name at the first colon (RFC 7617, section 2).
pub fn is_admin_key(access_key: &str, secret_key: &str) -> bool {
    secret_key.len() >= ADMIN_SECRET_MIN && !access_key.contains(':')
}

/// The master keys in a text of one a line, the one in use first.
///
/// Only that one has to be long: those behind it close nothing, and may be what once stood for a key, such as an
/// administrator's secret.
///
/// # Errors
/// What is wrong with it, and how a key is made.
pub fn master_keys(text: &str) -> Result<Vec<&str>, String> {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    match lines.first() {
        None => Err("it holds no key; `openssl rand -hex 32` makes one".to_owned()),
        Some(first) if first.len() < MASTER_KEY_MIN => {
            Err(format!("the first key has fewer than {MASTER_KEY_MIN} characters; `openssl rand -hex 32` makes one"))
        }
        Some(_) => Ok(lines),
    }
}
