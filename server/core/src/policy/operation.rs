//! The S3 operations on buckets and objects, which AWS calls actions. Bucket policies name them one by one. All other
//! statements have [`Action`]s, which are coarser.
//!
//! Source: AWS *Service Authorization Reference*, *Actions, resources, and condition keys for Amazon S3*.

use super::resource::Resource;
use crate::action::Action;

macro_rules! operations {
    ($($on:ident { $($name:ident [$($action:ident),+];)+ })+) => {
        /// An S3 operation: AWS's action without `s3:`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        #[expect(missing_docs, reason = "AWS's reference says what each is")]
        pub enum Operation {
            $($($name,)+)+
        }

        impl Operation {
            pub const ALL: &[Self] = &[$($(Self::$name,)+)+];

            /// The name in policies.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $($(Self::$name => concat!("s3:", stringify!($name)),)+)+
                }
            }

            /// The action of this store that includes it.
            pub const fn actions(self) -> &'static [Action] {
                match self {
                    $($(Self::$name => &[$(Action::$action),+],)+)+
                }
            }

            /// Whether its resource is a bucket and not an object.
            pub const fn is_on_bucket(self) -> bool {
                match self {
                    $($(Self::$name)|+ => Self::$on,)+
                }
            }
        }
    };
}

operations! {
    OBJECT {
        GetObject [Read];
        GetObjectVersion [Read];
        GetObjectAttributes [Read];
        GetObjectVersionAttributes [Read];
        GetObjectTagging [Read];
        GetObjectVersionTagging [Read];
        GetObjectAcl [Read];
        GetObjectVersionAcl [Read];
        PutObject [Create, Update];
        PutObjectTagging [Update];
        PutObjectVersionTagging [Update];
        DeleteObjectTagging [Update];
        DeleteObjectVersionTagging [Update];
        DeleteObject [Delete];
        DeleteObjectVersion [Delete];
        AbortMultipartUpload [Create, Update];
        ListMultipartUploadParts [Create, Update];
    }
    BUCKET {
        ListBucket [List];
        ListBucketVersions [List];
        ListBucketMultipartUploads [List];
        GetBucketLocation [List];
        GetBucketVersioning [List];
        PutBucketVersioning [Update];
        GetBucketTagging [List];
        PutBucketTagging [Update];
        DeleteBucket [Delete];
        GetBucketPolicy [Admin];
        PutBucketPolicy [Admin];
        DeleteBucketPolicy [Admin];
        GetBucketPolicyStatus [Admin];
        GetBucketPublicAccessBlock [Admin];
        PutBucketPublicAccessBlock [Admin];
    }
}

impl Operation {
    const OBJECT: bool = false;
    const BUCKET: bool = true;

    /// The operation for a named version, or for the newest one.
    #[must_use]
    pub const fn of_version(self, named: bool) -> Self {
        match self {
            Self::GetObject if named => Self::GetObjectVersion,
            Self::GetObjectAttributes if named => Self::GetObjectVersionAttributes,
            Self::GetObjectTagging if named => Self::GetObjectVersionTagging,
            Self::GetObjectAcl if named => Self::GetObjectVersionAcl,
            Self::PutObjectTagging if named => Self::PutObjectVersionTagging,
            Self::DeleteObjectTagging if named => Self::DeleteObjectVersionTagging,
            Self::DeleteObject if named => Self::DeleteObjectVersion,
            other => other,
        }
    }

    /// The usual operation of an action.
    pub(super) const fn usual(action: Action, resource: Resource<'_>) -> Self {
        match (action, resource) {
            (Action::Read, _) => Self::GetObject,
            (Action::List, _) => Self::ListBucket,
            (Action::Update, Resource::Bucket(_)) => Self::PutBucketVersioning,
            (Action::Create | Action::Update, _) => Self::PutObject,
            (Action::Delete, Resource::Bucket(_)) => Self::DeleteBucket,
            (Action::Delete, _) => Self::DeleteObject,
            (Action::Admin, _) => Self::PutBucketPolicy,
        }
    }
}

/// A set of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Operations(u64);

impl Operations {
    /// Whether that one is among them.
    pub const fn contains(self, operation: Operation) -> bool {
        self.0 & (1 << operation as u8) != 0
    }

    /// Whether there are none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub fn iter(self) -> impl Iterator<Item = Operation> {
        Operation::ALL.iter().copied().filter(move |it| self.contains(*it))
    }
}

impl FromIterator<Operation> for Operations {
    fn from_iter<T: IntoIterator<Item = Operation>>(operations: T) -> Self {
        Self(operations.into_iter().fold(0, |all, one| all | 1 << one as u8))
    }
}

const _: () = assert!(Operation::ALL.len() <= 64, "each has a bit");
