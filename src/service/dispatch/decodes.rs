//! Decodes the images of the jobs in work, in the background.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::image::Image;
use super::source::{Arrival, Decoder, Listener};
use super::split::{Split, Splits};
use crate::model::job::{JobId, Plan};
use crate::service::memory::Memory;

/// The images that are being decoded.
pub(super) struct Decodes {
    decoder: Decoder,
    splits: Splits,
    listener: Listener,
    arrivals: mpsc::UnboundedReceiver<(JobId, Arrival)>,
}

impl Decodes {
    pub(super) fn new(decoder: Decoder) -> Self {
        let (listener, arrivals) = mpsc::unbounded_channel();
        Self { decoder, splits: Splits::default(), listener, arrivals }
    }

    /// Publishes in `splits` how much of each original is decoded.
    pub(super) fn tell(&mut self, splits: Splits) {
        self.splits = splits;
    }

    /// Shares the memory for decoding with others.
    pub(super) fn share(&mut self, memory: Memory) {
        self.decoder.share(memory);
    }

    /// The part of what is published that is about one job.
    pub(super) fn split(&self, job: JobId) -> Split {
        Split::new(job, self.splits.clone())
    }

    /// Begins to decode the image of a job.
    pub(super) fn begin(&self, plan: Arc<Plan>) -> Image {
        let (decoder, listener) = (self.decoder.clone(), self.listener.clone());
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        tokio::spawn(async move { decoder.decode(&plan, listener, stopped).await });
        Image::Coming(None, stop.drop_guard())
    }

    /// The next message about an image, as soon as there is one.
    pub(super) async fn next(&mut self) -> Option<(JobId, Arrival)> {
        self.arrivals.recv().await
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::config::Config;
    use crate::service::example;
    use crate::storage::files::FileStorage;

    #[tokio::test]
    async fn a_decode_tells_that_it_began_that_rows_came_and_that_it_ended() {
        let directory = TempDir::new().unwrap();
        let storage = Arc::new(FileStorage::open(directory.path()).unwrap());
        let plan = Arc::new(example::accepted(&storage).await);
        let scratch = directory.path().to_owned();
        let mut decodes = Decodes::new(Decoder::new(storage, &Config::default(), scratch));
        let _image = decodes.begin(Arc::clone(&plan));
        assert!(matches!(decodes.next().await, Some((job, Arrival::Opened(_))) if job == plan.id));
        loop {
            match decodes.next().await {
                Some((_, Arrival::Rows)) => {}
                Some((_, Arrival::Ended(ended))) => return assert_eq!(ended, Ok(())),
                _ => panic!("the chain needs no survey, and the channel stays open"),
            }
        }
    }
}
