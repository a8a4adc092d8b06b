//! Files, variables, flags and spellings: which value wins.

use super::*;

#[test]
fn a_flag_wins_over_the_environment_that_over_the_file() {
    let yaml = "http: {port: 1, realm: file}\nlog: {level: debug}";
    let env = [("ZOT_HTTP_PORT", "2"), ("ZOT_LOG_LEVEL", "error")];
    let settings = loaded(yaml, &env, &[("http.port", "3"), ("http.readOnly", "true")]).settings;
    assert_eq!((settings.http.port, settings.log.level), (3, Level::Error));
    assert_eq!(settings.http.realm, "file");
    assert!(settings.http.read_only);
}

#[test]
fn variables_stand_for_keys() {
    let env = [
        ("ZOT_HTTP_ADDRESS", "::1"),
        ("ZOT_DATA_DIR", "/data"),
        ("ZOT_LOG_DIR", "/logs"),
        ("ZOT_DATABASE_URL", "sqlite:/x.db"),
        ("ZOT_HTTP_PORT", ""),
        ("HOME", "/home/zot"),
    ];
    let settings = loaded("", &env, &[]).settings;
    assert_eq!(settings.http.address.as_deref(), Some("::1"));
    assert_eq!(settings.http.port, 8080);
    assert_eq!(settings.storage.root_directory, Path::new("/data"));
    assert_eq!(settings.log.output.as_deref(), Some(Path::new("/logs/zot.log")));
    assert_eq!(settings.database.url.unwrap().expose(), "sqlite:/x.db");
}

#[test]
fn the_root_defaults_to_the_home_of_the_user() {
    let root = |env: &[(&str, &str)]| loaded("", env, &[]).settings.storage.root_directory;
    assert_eq!(root(&[("HOME", "/home/z")]), Path::new("/home/z/.local/share/zot-artifact-store"));
    assert_eq!(root(&[("HOME", "/home/z"), ("XDG_DATA_HOME", "/xdg")]), Path::new("/xdg/zot-artifact-store"));
    assert_eq!(root(&[("XDG_DATA_HOME", "relative")]), Path::new("./data"));
}

#[test]
fn the_variable_names_the_file_when_no_flag_does() {
    let (_dir, mut sources) = sources("http: {port: 7}", &[], &[]);
    let file = sources.file.take().unwrap();
    sources.env.insert("ZOT_CONFIG_FILE".to_owned(), file.display().to_string());
    assert_eq!(load(&sources).unwrap().settings.http.port, 7);
    sources.file = Some("/nowhere".into());
    assert!(load(&sources).is_err());
}

#[test]
fn two_names_for_the_root_must_agree() {
    let (_dir, sources) = sources("", &[("ZOT_DATA_DIR", "/a"), ("ZOT_STORAGE_ROOT", "/b")], &[]);
    assert!(load(&sources).unwrap_err().to_string().contains("set only one of them"));
}

#[test]
fn s3_variables_fill_what_the_file_leaves_out() {
    let env = [
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ACCESS_KEY_ID", "env"),
        ("AWS_SECRET_ACCESS_KEY", "env-secret"),
        ("S3_BUCKET", "env-bucket"),
    ];
    let yaml = "storage: {storageDriver: {name: s3, region: us-west-2, accesskey: file}}";
    let driver = loaded(yaml, &env, &[]).settings.storage.storage_driver.unwrap();
    assert_eq!((driver.effective_region(), driver.bucket.as_deref()), ("us-west-2", Some("env-bucket")));
    assert_eq!(driver.access_key.as_deref(), Some("file"));
    assert_eq!(driver.secret_key.unwrap().expose(), "env-secret");
    assert_eq!(loaded("", &env, &[]).settings, Settings::default());
}

#[test]
fn gcs_and_azure_variables_fill_what_the_file_leaves_out() {
    let env = [
        ("S3_BUCKET", "not-this-one"),
        ("GCS_BUCKET", "env-bucket"),
        ("GOOGLE_APPLICATION_CREDENTIALS", "/env/key.json"),
        ("AZURE_STORAGE_ACCOUNT_NAME", "envaccount"),
        ("AZURE_STORAGE_ACCOUNT_KEY", "ZW52"),
        ("AZURE_STORAGE_CONTAINER", "env-container"),
    ];
    let driver = |yaml: &str| loaded(yaml, &env, &[]).settings.storage.storage_driver.unwrap();
    let gcs = driver("storage: {storageDriver: {name: gcp}}");
    assert_eq!((gcs.name, gcs.bucket.as_deref()), (DriverName::Gcs, Some("env-bucket")));
    assert_eq!(gcs.keyfile.as_deref(), Some(Path::new("/env/key.json")));
    assert_eq!((gcs.account_name, gcs.account_key), (None, None));
    let azure = driver("storage: {storageDriver: {name: azure, accountname: fileaccount}}");
    assert_eq!((azure.account_name.as_deref(), azure.bucket), (Some("fileaccount"), None));
    assert_eq!(azure.container.as_deref(), Some("env-container"));
    assert_eq!(azure.account_key.unwrap().expose(), "ZW52");
}

#[test]
fn an_unread_variable_is_a_warning() {
    let env = [("ZOT_HTTP_PROT", "1"), ("ZOT_TEST_X", "1"), ("ZOT_ADMIN_ACCESS_KEY", "a"), ("KEYCLOAK_URL", "u")];
    let warnings = loaded("", &env, &[]).warnings;
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].contains("ZOT_HTTP_PROT") && warnings[0].contains("ZOT_HTTP_PORT"), "{warnings:?}");
    assert!(
        warnings[0].contains("ZOT_ADMIN_SECRET_KEY") && warnings[0].contains("ZOT_READER_SECRET_KEY"),
        "{warnings:?}"
    );
}

#[test]
fn problems_name_their_source() {
    let (_dir, sources) = sources("log: {level: info}", &[("ZOT_HTTP_PORT", "x")], &[("log.level", "info")]);
    assert!(load(&sources).unwrap_err().to_string().contains("`http.port` (from ZOT_HTTP_PORT): "));
    let flags = Sources { flags: vec![("http.prot".to_owned(), "1".to_owned())], ..Sources::default() };
    let text = load(&flags).unwrap_err().to_string();
    assert!(text.contains("`http.prot` (from --set http.prot): unknown key; did you mean `http.port`?"), "{text}");
}

#[test]
fn a_flag_without_a_key_is_refused_without_its_value() {
    let (_dir, sources) = sources("", &[], &[("", "hunter2")]);
    let text = load(&sources).unwrap_err().to_string();
    assert!(text.ends_with("`--set`: expected KEY=VALUE, such as http.port=9090"), "{text}");
}

#[test]
fn placeholders_in_the_file_are_expanded() {
    let env = [("PORT", "9"), ("ORIGINS", "https://a.example,https://b.example"), ("EVIL", "x\nlog: {level: debug}")];
    let yaml = "http: {port: '${PORT}', readOnly: '${RO:-true}', realm: '${EVIL}', cors: {allowOrigin: '${ORIGINS}'}}";
    let settings = loaded(yaml, &env, &[]).settings;
    assert_eq!((settings.http.port, settings.http.read_only), (9, true));
    assert_eq!(settings.http.cors.allow_origin, ["https://a.example", "https://b.example"]);
    assert_eq!(settings.log.level, Level::Info);
    assert_eq!(
        problems("http: {cors: {allowMethods: ['${NONE}']}}"),
        ["http.cors.allowMethods: the environment variable NONE is not set; set it, or write `${NONE:-default}`"]
    );
}

#[test]
fn other_spellings_are_read() {
    let settings = settings(
        "http: {allowOrigin: 'https://a.example, https://b.example', auth: {bearer: {service: s}}}\n\
         auth: {bearer: {realm: 'https://h/token'}}\n\
         storage: {storageDriver: {name: s3, bucket: b, regionendpoint: h:1}}\n\
         extensions: {rbac: {enable: true}, s3: {enable: false}, supply-chain: {enable: false}}\n",
    );
    assert_eq!(settings.http.cors.allow_origin, ["https://a.example", "https://b.example"]);
    assert_eq!(settings.auth.bearer.service, "s");
    assert_eq!(settings.auth.bearer.realm.as_deref(), Some("https://h/token"));
    assert_eq!(settings.storage.storage_driver.unwrap().endpoint.as_deref(), Some("h:1"));
    assert!(settings.extensions.rbac.enabled);
}

#[test]
fn a_key_in_two_spellings_is_refused() {
    for (yaml, want) in [
        (
            "http: {allowOrigin: a, cors: {allowOrigin: b}}",
            "http.cors.allowOrigin: is given twice, also as `http.allowOrigin`",
        ),
        (
            "http: {auth: {bearer: {service: s}}}\nauth: {bearer: {service: s}}",
            "auth.bearer.service: is given twice, also as",
        ),
        ("extensions: {rbac: {enable: true, enabled: true}}", "extensions.rbac.enabled: is given twice"),
    ] {
        let problems = problems(yaml);
        assert!(problems.len() == 1 && problems[0].starts_with(want), "{problems:?}");
    }
}
