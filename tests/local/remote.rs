//! The files of a server, as a collector on another machine uses them: over HTTP, with a token.

use std::time::{Duration, Instant};

use tempfile::TempDir;
use tilemill::model::job::{JobId, Outcome};
use tilemill::storage::files::FileStorage;
use tilemill::storage::remote::{RemoteOptions, RemoteStorage};
use tilemill::storage::{ResultStorage, Storage, StorageError};

use crate::support::Server;

/// Which is no number.
const TOKEN: &str = "0123456789012345";

/// A server, its files as it has them, and what a collector elsewhere sees of them.
struct Far {
    server: Server,
    files: FileStorage,
    remote: RemoteStorage,
    data: TempDir,
    staging: TempDir,
}

impl Far {
    async fn start() -> Self {
        let (data, staging) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let server = Server::start_with(&data, &[("TILEMILL_STORAGE__TOKEN", TOKEN)]);
        let files = FileStorage::open(&data.path().join("data")).unwrap();
        let remote = connect(&server, TOKEN, &staging).await.unwrap();
        Self { server, files, remote, data, staging }
    }
}

async fn connect(
    server: &Server,
    token: &str,
    staging: &TempDir,
) -> Result<RemoteStorage, StorageError> {
    let (url, staging) = (server.address().parse().unwrap(), staging.path().to_owned());
    RemoteStorage::connect(RemoteOptions { url, token: token.into(), staging }).await
}

macro_rules! results {
    ($($check:ident),* $(,)?) => {
        mod remote_results {
            $(#[tokio::test]
            async fn $check() {
                let far = super::Far::start().await;
                crate::conformance::storage::$check(&far.files, &far.remote, |_| {}).await;
                far.server.stop();
            })*
        }
    };
}

crate::conformance::each_result_check!(results);

#[tokio::test]
async fn without_the_right_token_nothing_is_given() {
    let far = Far::start().await;
    let refused = connect(&far.server, "0123456789abcdeF", &far.staging).await.unwrap_err();
    let text = format!("{:#}", anyhow(refused));
    assert!(text.contains("`storage.token`") && text.contains("`storage.url`"), "{text}");
    let plan = crate::conformance::storage::created(&far.files, &|_| {}).await;
    for path in ["plan", "outcome"] {
        let (status, problem) = far.server.get(&format!("/files/{}/{path}", plan.id));
        assert_eq!((status, &problem["code"]), (401, &"unauthorized".into()));
    }
    let (status, _) = far.server.delete(&format!("/files/{}/final", plan.id));
    assert_eq!(status, 401);
    far.server.stop();
    let closed = Server::start(&far.data);
    let refused = connect(&closed, TOKEN, &far.staging).await.unwrap_err();
    assert!(format!("{:#}", anyhow(refused)).contains("set `storage.token` there"));
    closed.stop();
}

/// An error with its causes.
fn anyhow(error: StorageError) -> anyhow::Error {
    error.into()
}

#[tokio::test]
async fn a_server_that_is_away_is_no_missing_job() {
    let far = Far::start().await;
    far.server.stop();
    let gone = far.remote.plan(JobId::generate()).await;
    assert!(gone.is_err_and(|error| error.is_unavailable()));
    let gone = far.remote.conclude(JobId::generate(), Outcome::cancelled()).await;
    assert!(gone.is_err_and(|error| error.is_unavailable()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_final_image_arrives_whole_though_the_server_is_killed_while_it_comes() {
    const LENGTH: u64 = 256 << 20;
    let far = Far::start().await;
    let plan = crate::conformance::storage::created(&far.files, &|_| {}).await;
    let staged = far.remote.stage_final(&plan).await.unwrap();
    staged.file().set_len(LENGTH).unwrap();
    let address = far.server.address().to_owned();
    let of = plan.clone();
    let sending = tokio::spawn(async move { far.remote.publish_final(&of, staged).await });
    let finals = far.data.path().join("data/final");
    until(|| !crate::support::tree(&finals).is_empty());
    far.server.kill();
    assert!(far.files.open_final(&plan).await.is_err(), "it was killed too late");
    let settings = [("TILEMILL_STORAGE__TOKEN", TOKEN), ("TILEMILL_SERVER__LISTEN", &*address)];
    let server = Server::start_again(&far.data, &settings);
    sending.await.unwrap().unwrap();
    let stored = far.files.open_final(&plan).await.unwrap();
    assert_eq!(stored.metadata().unwrap().len(), LENGTH);
    assert_eq!(crate::support::tree(&finals), [format!("{}_complete.png", plan.id)]);
    assert_eq!(crate::support::tree(far.staging.path()), Vec::<String>::new());
    server.stop();
}

#[tokio::test]
async fn a_server_that_has_other_files_now_is_told_apart() {
    let far = Far::start().await;
    assert!(far.remote.is_same().await.unwrap());
    let address = far.server.address().to_owned();
    far.server.stop();
    let settings = [("TILEMILL_STORAGE__TOKEN", TOKEN), ("TILEMILL_SERVER__LISTEN", &*address)];
    let server = Server::start_again(&far.data, &settings);
    assert!(far.remote.is_same().await.unwrap());
    server.stop();
    let server = Server::start_again(&TempDir::new().unwrap(), &settings);
    assert!(!far.remote.is_same().await.unwrap());
    server.stop();
}

/// Looks until it is so.
fn until(is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < crate::support::PATIENCE, "it never came to this");
        std::thread::sleep(Duration::from_micros(100));
    }
}

#[tokio::test]
async fn what_a_killed_collector_had_staged_is_swept() {
    let far = Far::start().await;
    let left = far.staging.path().join(".staged-of-the-dead");
    std::fs::write(&left, "half").unwrap();
    let plan = crate::conformance::storage::created(&far.files, &|_| {}).await;
    let living = far.remote.stage_final(&plan).await.unwrap();
    let started = connect(&far.server, TOKEN, &far.staging).await.unwrap();
    assert_eq!(started.sweep().await.unwrap(), 1);
    assert!(!left.exists());
    assert_eq!(crate::support::tree(far.staging.path()).len(), 1);
    drop(living);
    far.server.stop();
}
