//! Random keys.

use crate::error::Error;

/// `N` random bytes in hexadecimal.
pub(crate) fn hex<const N: usize>() -> Result<String, Error> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| Error::Refused("the system has no random numbers".to_owned()))?;
    Ok(hex::encode(bytes))
}
