//! A hundred requests per second, each with its own connection. None may fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use reqwest::Method;
use tokio::task::JoinHandle;
use zot_tests::client::Client;

const PAUSE: Duration = Duration::from_millis(10);

pub(crate) struct Load {
    stopped: Arc<AtomicBool>,
    running: JoinHandle<(usize, Vec<String>)>,
}

impl Load {
    /// Repeats GET requests of a path.
    pub(crate) fn start(client: &Client, path: &str) -> Self {
        let (client, path) = (client.clone(), path.to_owned());
        let stopped = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&stopped);
        let running = tokio::spawn(async move {
            let mut requests = Vec::new();
            let begun = Instant::now();
            while !until.load(Ordering::Relaxed) {
                let request = client.request(Method::GET, &path).header("connection", "close");
                let sent = begun.elapsed();
                requests.push(tokio::spawn(async move {
                    match request.timeout(Duration::from_secs(30)).send().await {
                        Ok(response) if response.status() == 200 => {
                            response.bytes().await.err().map(|error| format!("{sent:?}: {error:?}"))
                        }
                        Ok(response) => Some(format!("{sent:?}: {}", response.status())),
                        Err(error) => Some(format!("{sent:?}: {error:?}")),
                    }
                }));
                tokio::time::sleep(PAUSE).await;
            }
            let mut failed = Vec::new();
            let count = requests.len();
            for request in requests {
                failed.extend(request.await.expect("no panic"));
            }
            (count, failed)
        });
        Self { stopped, running }
    }

    /// Stops the requests, and returns their number.
    pub(crate) async fn none_failed(self) -> usize {
        self.stopped.store(true, Ordering::Relaxed);
        let (count, failed) = self.running.await.expect("the requests end");
        assert!(
            failed.is_empty(),
            "{} of {count} requests failed: {:#?}",
            failed.len(),
            &failed[..failed.len().min(10)]
        );
        count
    }
}
