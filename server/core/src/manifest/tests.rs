//! The list *Manifests* of the bad inputs, and what is read out of good ones.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::digest::Algorithm;
use crate::media_type::{DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST};

fn descriptor(media_type: &str, bytes: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": Digest::of(Algorithm::Sha256, bytes).as_str(), "size": bytes.len()})
}

fn image() -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor("application/vnd.oci.image.config.v1+json", b"config"),
        "layers": [descriptor("application/vnd.oci.image.layer.v1.tar", b"layer")],
    })
}

fn index() -> Value {
    json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [descriptor(OCI_MANIFEST, b"child")]})
}

fn parse(document: &Value) -> Result<Manifest> {
    Manifest::parse(document.to_string().as_bytes(), None)
}

fn with(mut document: Value, pointer: &str, value: Value) -> Value {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    document.pointer_mut(parent).unwrap()[key] = value;
    document
}

#[track_caller]
fn refused(document: &Value, why: &str) {
    match parse(document) {
        Err(Invalid::Manifest(text)) => assert!(text.contains(why), "{text:?} does not say {why:?}"),
        other => panic!("{why}: {other:?}"),
    }
}

#[test]
fn an_image_names_its_blobs_and_its_type() {
    let manifest = parse(&image()).unwrap();
    assert_eq!(manifest.blobs.len(), 2);
    assert_eq!(manifest.artifact_type.as_deref(), Some("application/vnd.oci.image.config.v1+json"));
    let typed = parse(&with(image(), "/artifactType", json!("application/x"))).unwrap();
    assert_eq!(typed.artifact_type.as_deref(), Some("application/x"));
}

#[test]
fn an_index_names_children_that_may_be_absent() {
    let manifest = parse(&index()).unwrap();
    assert_eq!(manifest.children, [Digest::of(Algorithm::Sha256, b"child")]);
    assert!(manifest.blobs.is_empty());
    assert_eq!(manifest.artifact_type, None);
}

#[test]
fn the_subject_and_annotations_are_read() {
    let document = with(with(image(), "/subject", descriptor(OCI_MANIFEST, b"s")), "/annotations", json!({"a": "b"}));
    let manifest = parse(&document).unwrap();
    assert_eq!(manifest.subject, Some(Digest::of(Algorithm::Sha256, b"s")));
    assert_eq!(manifest.annotations["a"], "b");
}

/// Go writes an empty list as `null`.
#[test]
fn lists_of_null_are_as_absent() {
    assert_eq!(parse(&with(image(), "/manifests", Value::Null)).unwrap(), parse(&image()).unwrap());
    assert_eq!(parse(&with(index(), "/layers", Value::Null)).unwrap(), parse(&index()).unwrap());
}

#[test]
fn layers_kept_elsewhere_are_not_required() {
    let foreign = with(image(), "/layers/0/urls", json!(["https://example.com/layer"]));
    assert_eq!(parse(&foreign).unwrap().blobs.len(), 1);
    let typed =
        with(image(), "/layers/0/mediaType", json!("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"));
    assert_eq!(parse(&typed).unwrap().blobs.len(), 1);
}

#[test]
fn content_type_and_field_must_agree() {
    let bytes = image().to_string();
    assert!(Manifest::parse(bytes.as_bytes(), Some(OCI_MANIFEST)).is_ok());
    assert!(
        Manifest::parse(bytes.as_bytes(), Some("application/vnd.oci.image.manifest.v1+json; charset=utf-8")).is_ok()
    );
    for other in [OCI_INDEX, DOCKER_MANIFEST, "application/json", "text/html"] {
        assert!(matches!(Manifest::parse(bytes.as_bytes(), Some(other)), Err(Invalid::Manifest(_))), "{other}");
    }
    let mut untyped = image();
    untyped.as_object_mut().unwrap().remove("mediaType");
    assert!(Manifest::parse(untyped.to_string().as_bytes(), Some(OCI_MANIFEST)).is_ok());
    refused(&untyped, "neither Content-Type");
}

#[test]
fn a_document_of_two_shapes_is_refused() {
    refused(&with(image(), "/manifests", json!([])), "no field manifests");
    refused(&with(index(), "/layers", json!([])), "neither config nor layers");
    refused(&with(index(), "/config", descriptor("a/b", b"x")), "neither config nor layers");
    refused(&with(image(), "/schemaVersion", json!(1)), "schemaVersion");
    refused(&with(image(), "/fsLayers", json!([])), "schema 1");
    refused(&with(image(), "/config", Value::Null), "needs a config");
    refused(&with(image(), "/layers", Value::Null), "needs layers");
    refused(&with(index(), "/manifests", Value::Null), "needs manifests");
}

#[test]
fn sizes_and_digests_are_checked() {
    for size in [json!(-1), json!(1.5), json!("5"), json!(null), json!(u64::MAX)] {
        assert!(parse(&with(image(), "/layers/0/size", size.clone())).is_err(), "{size}");
    }
    for digest in ["", "sha256:abc", "md5:d41d8cd98f00b204e9800998ecf8427e", "sha256:../../x"] {
        assert!(parse(&with(image(), "/layers/0/digest", json!(digest))).is_err(), "{digest}");
        assert!(parse(&with(index(), "/manifests/0/digest", json!(digest))).is_err(), "{digest}");
        assert!(parse(&with(image(), "/subject", json!({"digest": digest, "size": 1}))).is_err(), "{digest}");
    }
}

#[test]
fn embedded_data_must_match() {
    assert!(parse(&with(image(), "/config/data", json!(STANDARD.encode(b"config")))).is_ok());
    refused(&with(image(), "/config/data", json!(STANDARD.encode(b"other!"))), "does not match");
    refused(&with(image(), "/config/data", json!("***")), "not base64");
}

#[test]
fn what_is_no_json_document_is_refused() {
    let deep = format!("{{\"schemaVersion\":2,\"x\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let image = image().to_string();
    let twice = image.replacen("\"schemaVersion\"", "\"config\":{\"digest\":\"x\",\"size\":1},\"schemaVersion\"", 1);
    let types = image.replacen("\"schemaVersion\"", "\"mediaType\":\"a/b\",\"schemaVersion\"", 1);
    for bytes in [
        &b""[..],
        b"null",
        b"[]",
        b"{",
        b"\xff\xfe",
        b"{\"schemaVersion\":2,\"annotations\":{\"a\":\"\xff\"}}",
        format!("\u{feff}{image}").as_bytes(),
        format!("{image}x").as_bytes(),
        deep.as_bytes(),
        twice.as_bytes(),
        types.as_bytes(),
    ] {
        assert!(matches!(Manifest::parse(bytes, Some(OCI_MANIFEST)), Err(Invalid::Manifest(_))));
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = Manifest::parse(&bytes, Some(OCI_MANIFEST));
    }
}
