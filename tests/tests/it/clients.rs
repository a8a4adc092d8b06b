//! Real clients against the real server, with access control on, so that each one goes through the token protocol.

mod buildah;
mod cosign;
mod crane;
mod helm;
mod oras;
mod skopeo;
