//! The media types that the store knows. All others are opaque.

pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// Docker image manifest, schema 2.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// The empty JSON object, `{}`.
pub const OCI_EMPTY: &str = "application/vnd.oci.empty.v1+json";

/// The shape of a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Image,
    Index,
}

/// The shape of a manifest with this media type. Types other than OCI 1.1 and Docker schema 2 have none.
pub fn shape(media_type: &str) -> Option<Shape> {
    match media_type {
        OCI_MANIFEST | DOCKER_MANIFEST => Some(Shape::Image),
        OCI_INDEX | DOCKER_INDEX => Some(Shape::Index),
        _ => None,
    }
}

/// A media type without its parameters (`; charset=utf-8`), in lower case.
pub fn essence(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// A layer that may be stored elsewhere (image-spec, *Non-Distributable Layers*).
pub fn is_foreign_layer(media_type: &str) -> bool {
    media_type.starts_with("application/vnd.oci.image.layer.nondistributable.v1.")
        || media_type.starts_with("application/vnd.docker.image.rootfs.foreign.")
}
