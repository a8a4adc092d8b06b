//! The values of the column `action` of the audit trail. They are stored, so a value never changes.

use crate::action::Action;

/// The action of a row of the audit trail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each variant is documented by its word in `as_str`")]
pub enum AuditAction {
    /// A decision that no write records: a read, a list, or a refusal.
    Decided(Action),
    Authenticate,
    AccessKeyCreate,
    AccessKeyDelete,
    AccessKeyRotate,
    AccessKeyUpdate,
    AccountCreate,
    AccountDelete,
    AccountUpdate,
    BlobDelete,
    BlobMount,
    BlobPush,
    BucketConfigure,
    BucketCreate,
    BucketDelete,
    BucketPolicyDelete,
    BucketPolicyPut,
    BucketPublicAccessDelete,
    BucketPublicAccessPut,
    ManifestDelete,
    ManifestPush,
    MultipartAbort,
    MultipartBegin,
    MultipartComplete,
    ObjectCopy,
    ObjectDelete,
    ObjectPut,
    ObjectTag,
    PolicyCreate,
    PolicyDelete,
    PolicyUpdate,
    SessionRevoke,
    TagDelete,
}

impl AuditAction {
    /// The word, as rows, filters and the REST API have it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Decided(action) => action.as_str(),
            Self::Authenticate => "authenticate",
            Self::AccessKeyCreate => "accesskey.create",
            Self::AccessKeyDelete => "accesskey.delete",
            Self::AccessKeyRotate => "accesskey.rotate",
            Self::AccessKeyUpdate => "accesskey.update",
            Self::AccountCreate => "account.create",
            Self::AccountDelete => "account.delete",
            Self::AccountUpdate => "account.update",
            Self::BlobDelete => "blob.delete",
            Self::BlobMount => "blob.mount",
            Self::BlobPush => "blob.push",
            Self::BucketConfigure => "bucket.configure",
            Self::BucketCreate => "bucket.create",
            Self::BucketDelete => "bucket.delete",
            Self::BucketPolicyDelete => "bucket.policy.delete",
            Self::BucketPolicyPut => "bucket.policy.put",
            Self::BucketPublicAccessDelete => "bucket.publicaccess.delete",
            Self::BucketPublicAccessPut => "bucket.publicaccess.put",
            Self::ManifestDelete => "manifest.delete",
            Self::ManifestPush => "manifest.push",
            Self::MultipartAbort => "multipart.abort",
            Self::MultipartBegin => "multipart.begin",
            Self::MultipartComplete => "multipart.complete",
            Self::ObjectCopy => "object.copy",
            Self::ObjectDelete => "object.delete",
            Self::ObjectPut => "object.put",
            Self::ObjectTag => "object.tag",
            Self::PolicyCreate => "policy.create",
            Self::PolicyDelete => "policy.delete",
            Self::PolicyUpdate => "policy.update",
            Self::SessionRevoke => "session.revoke",
            Self::TagDelete => "tag.delete",
        }
    }
}
