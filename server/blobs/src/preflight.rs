//! Tests at start whether the backend does what the store needs. A server that does not start and names the missing right
//! is better than one whose first push or garbage collection fails.
//!
//! Each replica tests with objects of its own, `<store id>/preflight-<key>`, and deletes them.

use std::error::Error as StdError;
use std::io::ErrorKind;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use object_store::path::Path;
use object_store::{Error, ObjectMeta, ObjectStore as _, ObjectStoreExt as _, PutPayload};
use zot_domain::ports::blobs::SegmentKey;

use crate::{Backend, BlobStore};

const CONTENT: &[u8] = b"written at start to see whether it may be; safe to delete";
const PREFIX: &str = "preflight-";
/// Test objects of this age were left by a process that died.
const LEFT_OVER: Duration = Duration::from_hours(1);

/// An operation on the backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Writes an object in one request.
    Write,
    Read,
    /// Reads a part of an object.
    ReadRange,
    /// Writes an object in parts.
    WriteParts,
    List,
    Delete,
}

/// A failed step, with the remedy.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct PreflightError {
    pub step: Step,
    /// Whether the cause is the credentials, and not the backend or the network.
    pub denied: bool,
    /// Whether the bucket or container does not exist.
    pub absent: bool,
    /// Whether the only cause is a full disk. The store can still be read, and garbage collection frees space.
    pub full: bool,
    text: String,
}

#[derive(Debug)]
pub struct Preflight {
    /// Whether objects may be listed. If not, S3 answers "denied" for an absent object.
    pub may_list: bool,
    /// Features that will not work, one sentence each, for the log and `/health`.
    pub warnings: Vec<String>,
}

struct Probe {
    path: Path,
    written: bool,
}

impl BlobStore {
    /// Tests all operations that the store needs. Without writes, reads, reads of ranges and writes in parts, it cannot run.
    /// Without lists and deletes it can run, but garbage collection cannot.
    ///
    /// # Errors
    /// [`PreflightError`] of the first failed step without which the store cannot run.
    pub async fn preflight(&self) -> Result<Preflight, PreflightError> {
        let (mut whole, mut parted) = (self.new_probe(), self.new_probe());
        // both run to their end, so that it is known which object exists
        let (read_back, in_parts) = tokio::join!(self.try_whole(&mut whole), self.try_parts(&mut parted));
        let mut tried = vec![whole.path.clone(), parted.path.clone()];
        let listed = match &read_back {
            Ok(()) => self.try_list(&whole.path).await.map(|left_over| tried.extend(left_over)),
            Err(_) => Ok(()),
        };
        let deleted = if whole.written || parted.written { self.try_delete(tried).await } else { Ok(()) };
        let full = match read_back.and(in_parts) {
            Err(error) if error.full => Some(error.to_string()),
            Ok(()) if self.tuning.disk_reserve.look().is_err() => Some(format!("{} is nearly full", self.backend)),
            written => written.map(|()| None)?,
        };
        let full = full.map(|why| format!("{why}: new content is refused until garbage collection or you free space"));
        let may_list = listed.as_ref().err().is_none_or(|error| !error.denied);
        let failed = [listed, deleted].into_iter().filter_map(Result::err).map(|error| error.to_string());
        let warnings = full.into_iter().chain(failed).collect();
        Ok(Preflight { may_list, warnings })
    }

    fn new_probe(&self) -> Probe {
        let name = format!("{PREFIX}{}", SegmentKey::new());
        Probe { path: Path::from_iter([self.store_id.as_str(), &name]), written: false }
    }

    async fn try_whole(&self, probe: &mut Probe) -> Result<(), PreflightError> {
        let written = self.objects.put(&probe.path, CONTENT.into()).await;
        written.map_err(|error| self.failed(Step::Write, &error))?;
        probe.written = true;
        let read = async { self.objects.get(&probe.path).await?.bytes().await };
        self.compare(Step::Read, read.await, CONTENT)?;
        self.compare(Step::ReadRange, self.objects.get_range(&probe.path, 8..16).await, &CONTENT[8..16])
    }

    fn compare(&self, step: Step, read: Result<bytes::Bytes, Error>, want: &[u8]) -> Result<(), PreflightError> {
        let bytes = read.map_err(|error| self.failed(step, &error))?;
        if bytes == want { Ok(()) } else { Err(self.broken(step, "it returned other bytes than were written")) }
    }

    async fn try_parts(&self, probe: &mut Probe) -> Result<(), PreflightError> {
        let failed = |error| self.failed(Step::WriteParts, &error);
        let mut upload = self.objects.put_multipart(&probe.path).await.map_err(failed)?;
        let written = async {
            upload.put_part(PutPayload::from_static(CONTENT)).await?;
            upload.complete().await
        };
        match written.await {
            Ok(_) => {
                probe.written = true;
                Ok(())
            }
            Err(error) => {
                if let Err(error) = upload.abort().await {
                    tracing::debug!(%error, "an unfinished upload is left to the backend's lifecycle rule");
                }
                Err(failed(error))
            }
        }
    }

    /// Old test objects that other processes left.
    async fn try_list(&self, own: &Path) -> Result<Vec<Path>, PreflightError> {
        // with a delimiter, each shard is one entry, whatever its size
        let listed = self.objects.list_with_delimiter(Some(&Path::from(self.store_id.as_str()))).await;
        let objects = listed.map_err(|error| self.failed(Step::List, &error))?.objects;
        let found = objects.iter().find(|found| found.location == *own);
        let found = found.ok_or_else(|| self.broken(Step::List, "the list lacks the object that was just written"))?;
        let is_left_over = |object: &&ObjectMeta| {
            let is_probe = object.location.filename().is_some_and(is_probe);
            is_probe && (found.last_modified - object.last_modified).to_std().is_ok_and(|age| age > LEFT_OVER)
        };
        Ok(objects.iter().filter(is_left_over).map(|object| object.location.clone()).collect())
    }

    async fn try_delete(&self, paths: Vec<Path>) -> Result<(), PreflightError> {
        let mut deleted = self.objects.delete_stream(stream::iter(paths.into_iter().map(Ok)).boxed());
        let mut outcome = Ok(());
        while let Some(deleted) = deleted.next().await {
            match deleted {
                Ok(_) | Err(Error::NotFound { .. }) => {}
                Err(error) => outcome = Err(self.failed(Step::Delete, &error)),
            }
        }
        outcome
    }

    fn failed(&self, step: Step, error: &Error) -> PreflightError {
        let reason = reason(error);
        if !is_denied(error) {
            return PreflightError { full: is_full(error), absent: is_absent(error), ..self.broken(step, &reason) };
        }
        let (key, who) = match *self.backend {
            Backend::Local(_) => ("storage.rootDirectory", "the user of this process"),
            _ => ("storage.storageDriver", "the credentials"),
        };
        let (what, backend) = (step.what(), &self.backend);
        let right = step.right(backend).map(|right| format!(" ({right})")).unwrap_or_default();
        let text = format!("{key}: {who} may not {what} {backend}{right}: {}. It said: {reason}", step.remedy());
        PreflightError { step, denied: true, absent: false, full: false, text }
    }

    /// A step that failed, but not because of a missing right.
    fn broken(&self, step: Step, reason: &str) -> PreflightError {
        let (what, backend) = (step.what(), &self.backend);
        let text = match **backend {
            Backend::Local(_) => format!("storage.rootDirectory: cannot {what} {backend}: {reason}; check the disk"),
            _ => format!(
                "storage.storageDriver: cannot {what} {backend}: {reason}; check endpoint, names and credentials, that the \
                 bucket or container exists, and that the backend is up"
            ),
        };
        PreflightError { step, denied: false, absent: false, full: false, text }
    }
}

impl Step {
    fn what(self) -> &'static str {
        match self {
            Self::Write => "write to",
            Self::Read => "read from",
            Self::ReadRange => "read a range from",
            Self::WriteParts => "write in parts to",
            Self::List => "list",
            Self::Delete => "delete from",
        }
    }

    /// The backend's name of the right.
    fn right(self, backend: &Backend) -> Option<&'static str> {
        let [s3, gcs, azure] = match self {
            Self::Write => ["s3:PutObject", "storage.objects.create", "blobs/write"],
            Self::Read | Self::ReadRange => ["s3:GetObject", "storage.objects.get", "blobs/read"],
            Self::WriteParts => ["s3:PutObject", "storage.multipartUploads.create", "blobs/write"],
            Self::List => ["s3:ListBucket", "storage.objects.list", "blobs/read"],
            Self::Delete => ["s3:DeleteObject", "storage.objects.delete", "blobs/delete"],
        };
        match backend {
            Backend::Local(_) => None,
            Backend::S3(_) => Some(s3),
            Backend::Gcs(_) => Some(gcs),
            Backend::Azure(_) => Some(azure),
        }
    }

    fn remedy(self) -> &'static str {
        match self {
            Self::Write => "grant it, or correct the credentials",
            Self::Read | Self::ReadRange | Self::WriteParts => "grant it; the store cannot run without it",
            Self::List => "grant it; garbage collection and fsck need it",
            Self::Delete => "grant it; without it, no space is ever freed, and each start leaves two small objects",
        }
    }
}

/// Whether a right is missing. Not all of `object_store`'s errors have a variant for that.
fn is_denied(error: &Error) -> bool {
    if matches!(error, Error::PermissionDenied { .. } | Error::Unauthenticated { .. }) {
        return true;
    }
    let by_system = |source: &(dyn StdError + 'static)| {
        let kind = source.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
        matches!(kind, Some(ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem))
    };
    let text = error.to_string();
    let by_backend = ["status code: 403", "status code: 401", "AccessDenied"].iter().any(|said| text.contains(said));
    chain(error).any(by_system) || (by_backend && !is_about_a_token(&text))
}

/// Whether the backend says that the bucket or container does not exist.
fn is_absent(error: &Error) -> bool {
    let text = error.to_string();
    matches!(error, Error::NotFound { .. })
        || ["NoSuchBucket", "ContainerNotFound"].iter().any(|said| text.contains(said))
}

fn is_full(error: &Error) -> bool {
    let kind = |source: &(dyn StdError + 'static)| source.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
    chain(error).any(|source| kind(source) == Some(ErrorKind::StorageFull))
}

/// Whether there are no credentials at all.
fn is_about_a_token(text: &str) -> bool {
    text.contains("token request") || is_about_instance_metadata(text)
}

/// Whether EC2's metadata service, which is asked last, gave no credentials for S3.
fn is_about_instance_metadata(text: &str) -> bool {
    text.contains("/latest/api/token") || text.contains("/latest/meta-data/")
}

/// The backend's own message, shortened.
fn reason(error: &Error) -> String {
    let text = error.to_string();
    let within =
        |tag: &str| text.split_once(&format!("<{tag}>"))?.1.split_once(&format!("</{tag}>")).map(|found| found.0);
    let said = match (within("Code"), within("Message")) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        _ => chain(error).last().map_or_else(|| text.clone(), ToString::to_string),
    };
    let said = said.lines().next().unwrap_or_default().trim().trim_end_matches('.');
    let said: String = said.chars().take(300).collect();
    if is_about_instance_metadata(&text) {
        return format!(
            "no credentials were found in the configuration or the environment, and the instance's metadata service gave none: \
             set storage.storageDriver.accesskey and secretkey, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the \
             instance a role. It said: {said}"
        );
    }
    if is_about_a_token(&text) { format!("no token was given for it: {said}") } else { said }
}

/// The sources of an error, the deepest last.
fn chain(error: &Error) -> impl Iterator<Item = &(dyn StdError + 'static)> {
    std::iter::successors(error.source(), |source| (*source).source())
}

/// Whether the name is that of a test object of this or another replica.
pub(crate) fn is_probe(name: &str) -> bool {
    name.starts_with(PREFIX)
}
