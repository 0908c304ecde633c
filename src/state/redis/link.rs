//! The connections to Redis: one for commands, one for signals, both made again when they break.

use std::fmt;
use std::time::Duration;

use fred::clients::SubscriberClient;
use fred::prelude::*;
use fred::types::Message;
use fred::types::config::UnresponsiveConfig;
use tokio::sync::broadcast;
use tokio_util::task::AbortOnDropHandle;
use tracing::{info, warn};

use crate::model::event::Look;
use crate::state::StateError;

/// Signals that a slow receiver may fall behind by before it has to look at everything.
const SIGNALS: usize = 1024;

/// How a Redis is reached.
#[derive(Clone)]
pub struct RedisOptions {
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Who to log in as; the default user has no name.
    pub username: Option<String>,
    /// With which password, if it asks for one.
    pub password: Option<String>,
    /// The number of the database.
    pub database: u8,
    /// How all keys begin.
    pub prefix: String,
    /// How long an answer is waited for.
    pub timeout: Duration,
}

impl fmt::Debug for RedisOptions {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}/{}", self.host, self.port, self.database)
    }
}

pub(super) struct Link {
    client: Client,
    subscriber: SubscriberClient,
    looks: broadcast::Sender<Look>,
    tasks: Vec<AbortOnDropHandle<()>>,
}

impl Link {
    /// Connects, and listens to the signals of `channel`.
    pub(super) async fn open(options: &RedisOptions, channel: String) -> Result<Self, StateError> {
        let builder = builder(options);
        let (client, subscriber) = (builder.build()?, builder.build_subscriber_client()?);
        // From here on, not from when a task is first run: what comes before that would be lost.
        let messages = subscriber.message_rx();
        let looks = broadcast::channel(SIGNALS).0;
        // Whole from the beginning, so that one that fails half-way leaves no connection behind.
        let mut link = Self { client, subscriber, looks, tasks: Vec::new() };
        link.client.init().await?;
        link.subscriber.init().await?;
        let tasks = [
            link.subscriber.manage_subscriptions(),
            tokio::spawn(forward(messages, link.looks.clone())),
            tokio::spawn(tell(link.client.clone())),
        ];
        link.tasks = tasks.map(AbortOnDropHandle::new).into();
        link.subscriber.subscribe(channel).await?;
        // fred waits until this was written, not until it was read. Redis answers in the order of questions.
        let _: Value = link.subscriber.ping(None).await?;
        Ok(link)
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    pub(super) fn looks(&self) -> broadcast::Receiver<Look> {
        self.looks.subscribe()
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // The clients are tasks that would go on. Without a runtime there are none left.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let (client, subscriber) = (self.client.clone(), self.subscriber.clone());
            runtime.spawn(async move {
                let _ = client.quit().await;
                let _ = subscriber.quit().await;
            });
        }
    }
}

fn builder(options: &RedisOptions) -> Builder {
    let RedisOptions { host, port, username, password, database, timeout, .. } = options.clone();
    let config = Config {
        server: ServerConfig::new_centralized(host, port),
        username,
        password,
        database: Some(database),
        ..Config::default()
    };
    let mut builder = Builder::from_config(config);
    builder
        .with_connection_config(|connection| {
            connection.connection_timeout = timeout;
            connection.internal_command_timeout = timeout;
            connection.max_command_attempts = 2;
            // A Redis that was stopped is left, so that another in its place is found.
            connection.unresponsive =
                UnresponsiveConfig { max_timeout: Some(timeout), interval: timeout / 4 };
            connection.tcp = TcpConfig { nodelay: Some(true), ..TcpConfig::default() };
        })
        .with_performance_config(|performance| {
            performance.default_command_timeout = timeout;
            performance.broadcast_channel_capacity = SIGNALS;
        })
        .set_policy(ReconnectPolicy::new_exponential(0, 50, 2_000, 2));
    builder
}

/// Passes signals on. Those that come too fast are lost, as signals may be.
async fn forward(mut messages: broadcast::Receiver<Message>, looks: broadcast::Sender<Look>) {
    loop {
        match messages.recv().await {
            Ok(message) => {
                let text: Result<String, _> = message.value.convert();
                // Nobody listening is nobody to tell.
                text.ok().as_deref().and_then(read).map(|look| looks.send(look));
            }
            Err(broadcast::error::RecvError::Lagged(_)) => {}
            Err(broadcast::error::RecvError::Closed) => return,
        }
    }
}

/// Says when the connection breaks, and when it is there again.
async fn tell(client: Client) {
    let (mut broken, mut mended) = (client.error_rx(), client.reconnect_rx());
    loop {
        tokio::select! {
            Ok((error, _)) = broken.recv() => {
                warn!(error = &error as &dyn std::error::Error, "the connection to Redis broke");
            }
            Ok(server) = mended.recv() => info!(%server, "connected to Redis"),
            else => return,
        }
    }
}

/// A signal as it is sent.
pub(super) fn write(look: &Look) -> String {
    match look {
        Look::Job(job) => format!("job {job}"),
        Look::Board(job) => format!("board {job}"),
        Look::Workers => "workers".into(),
    }
}

/// A signal as it was sent, if it is one.
fn read(text: &str) -> Option<Look> {
    match text.split_once(' ') {
        Some(("job", job)) => job.parse().ok().map(Look::Job),
        Some(("board", job)) => job.parse().ok().map(Look::Board),
        _ => (text == "workers").then_some(Look::Workers),
    }
}

#[cfg(test)]
mod tests {
    use super::{read, write};
    use crate::model::event::Look;
    use crate::model::job::JobId;

    #[test]
    fn signals_are_read_as_they_were_written() {
        let job = JobId::generate();
        for look in [Look::Job(job), Look::Board(job), Look::Workers] {
            assert_eq!(read(&write(&look)), Some(look));
        }
        for other in ["", "job", "job x", "workers 1", "tiles"] {
            assert_eq!(read(other), None);
        }
    }
}
