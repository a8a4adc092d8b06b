//! The rules of `storage.storageDriver`. `load/driver.rs` has the keys of each driver.

use url::Url;

use super::{Found, is_plain_url};
use crate::{DriverName, StorageDriver};

pub(super) fn check(driver: &StorageDriver, found: &mut Found) {
    check_names(driver, found);
    check_endpoint(driver, found);
    let message = || "the access key and the secret key go together; give the other one too, or neither".to_owned();
    match (&driver.access_key, &driver.secret_key) {
        (Some(_), None) => found.push(("storage.storageDriver.accesskey", message())),
        (None, Some(_)) => found.push(("storage.storageDriver.secretkey", message())),
        _ => {}
    }
}

fn check_names(driver: &StorageDriver, found: &mut Found) {
    for (key, name) in
        [("storage.storageDriver.bucket", &driver.bucket), ("storage.storageDriver.container", &driver.container)]
    {
        if name.as_ref().is_some_and(|name| name.contains('/')) {
            let message = "this name has no slash; a prefix goes to `storage.storageDriver.rootdirectory`";
            found.push((key, message.to_owned()));
        }
    }
    let is_account = |name: &String| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if driver.account_name.as_ref().is_some_and(|name| !is_account(name)) {
        let message = "expected the name alone; a URL goes to `storage.storageDriver.endpoint`";
        found.push(("storage.storageDriver.accountname", message.to_owned()));
    }
}

fn check_endpoint(driver: &StorageDriver, found: &mut Found) {
    let Some(endpoint) = driver.endpoint_url() else { return };
    // an Azure emulator has the account in the path
    let may_have_path = driver.name == DriverName::Azure;
    let is_server = Url::parse(&endpoint)
        .is_ok_and(|url| (may_have_path || matches!(url.path(), "" | "/")) && url.query().is_none());
    if !is_plain_url(&endpoint) || !is_server {
        let message = "expected `host:port` or a URL such as https://minio.example.com:9000, with no path (for `azure` \
                       there may be one), no query and no user";
        found.push(("storage.storageDriver.endpoint", message.to_owned()));
    } else if driver.secure.is_some_and(|secure| secure != endpoint.starts_with("https:")) {
        let message = "contradicts the scheme of `storage.storageDriver.endpoint`; remove one of the two";
        found.push(("storage.storageDriver.secure", message.to_owned()));
    }
}
