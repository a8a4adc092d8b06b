use super::*;

fn gcs(key_file: Option<PathBuf>) -> Backend {
    Backend::Gcs(Gcs { bucket: "b".into(), key_file, endpoint: None, prefix: None, skip_verify: false })
}

fn azure(key: &str) -> Backend {
    Backend::Azure(Azure {
        account: "account".into(),
        key: Some(key.into()),
        container: "c".into(),
        endpoint: Some("http://127.0.0.1:1/account".into()),
        prefix: None,
        skip_verify: false,
    })
}

#[test]
fn a_key_file_that_is_of_no_use_says_why_and_quotes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("key.json");
    for (content, want) in [
        (None, "service account"),
        (Some("-----BEGIN secret-6b1f"), "is not JSON"),
        (Some(r#"{"type": "external_account", "private_key": "secret-6b1f"}"#), "of the kind external_account"),
        (Some(r#"{"type": "service_account", "private_key": "secret-6b1f"}"#), "private_key_id"),
        (Some(r#"{"type": "authorized_user", "client_secret": "secret-6b1f"}"#), "client_id"),
    ] {
        if let Some(content) = content {
            std::fs::write(&file, content).unwrap();
        }
        let error = gcs(Some(file.clone())).open().map(drop).unwrap_err().to_string();
        assert!(error.contains("storage.storageDriver") && error.contains(want), "{error}");
        assert!(!error.contains("6b1f"), "{error}");
    }
}

#[test]
fn no_secret_is_shown() {
    let backend = azure("c2VjcmV0LTZiMWY=");
    backend.open().unwrap();
    assert!(!format!("{backend:?} {backend}").contains("c2Vj"), "{backend:?}");
    let error = azure("secret-6b1f").open().map(drop).unwrap_err().to_string();
    assert!(error.contains("storage.storageDriver.accountkey") && !error.contains("6b1f"), "{error}");
}

#[test]
fn a_backend_is_called_as_its_cloud_calls_it() {
    assert_eq!(gcs(None).to_string(), "gs://b");
    assert_eq!(azure("a2V5").to_string(), "azure://account/c at http://127.0.0.1:1/account");
    assert_eq!(Backend::Local("/data/blobs".into()).to_string(), "/data/blobs");
}
