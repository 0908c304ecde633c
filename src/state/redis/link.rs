//! The connections to Redis: one for commands and one for signals. Both reconnect when they break.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fred::prelude::*;
use fred::types::Message;
use fred::types::config::UnresponsiveConfig;
use tokio::sync::broadcast;
use tokio_util::task::AbortOnDropHandle;
use tracing::{info, warn};

use super::refusal;
use crate::causes;
use crate::locked::Locked;
use crate::model::event::Look;
use crate::state::StateError;

/// How many signals a receiver may fall behind before it has to look at everything.
const SIGNALS: usize = 1024;

/// How to reach a Redis.
#[derive(Clone)]
pub struct RedisOptions {
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The user to log in as; `None` for the default user.
    pub username: Option<String>,
    /// The password, if it requires one.
    pub password: Option<String>,
    /// The number of the database.
    pub database: u8,
    /// The prefix of all keys.
    pub prefix: String,
    /// The deadline of a connection attempt and of each command.
    pub timeout: Duration,
}

impl RedisOptions {
    /// Host and port, as they are configured.
    pub(super) fn address(&self) -> String {
        let Self { host, port, .. } = self;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }
}

impl fmt::Debug for RedisOptions {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}/{}", self.host, self.port, self.database)
    }
}

pub(super) struct Link {
    options: RedisOptions,
    client: Client,
    ears: Arc<Ears>,
    looks: broadcast::Sender<Look>,
    broken: Broken,
    tasks: Vec<AbortOnDropHandle<()>>,
}

/// Why the connection for commands broke or could not be restored; `None` while it is up.
type Broken = Arc<Mutex<Option<Error>>>;

/// The connection for signals.
struct Ears {
    subscriber: Client,
    channel: String,
    /// Held while an answer is awaited, so that it belongs to one request.
    turn: tokio::sync::Mutex<()>,
}

impl Link {
    /// Connects, and subscribes to the signals of `channel`.
    pub(super) async fn open(options: &RedisOptions, channel: String) -> Result<Self, Error> {
        let builder = builder(options);
        let (client, subscriber) = (builder.build()?, builder.build()?);
        // From here on, not from the first run of a task: signals before that would be lost.
        let messages = subscriber.message_rx();
        let looks = broadcast::channel(SIGNALS).0;
        let ears = Arc::new(Ears { subscriber, channel, turn: tokio::sync::Mutex::default() });
        let options = options.clone();
        // Built first, so that its `Drop` closes the connections if a step below fails.
        let mut link =
            Self { options, client, ears, looks, broken: Broken::default(), tasks: Vec::new() };
        link.client.init().await?;
        link.ears.subscriber.init().await?;
        let tasks = [
            tokio::spawn(Arc::clone(&link.ears).listen_again()),
            tokio::spawn(forward(messages, link.looks.clone())),
            tokio::spawn(tell(link.client.clone(), Arc::clone(&link.broken))),
        ];
        link.tasks = tasks.map(AbortOnDropHandle::new).into();
        link.listen().await?;
        Ok(link)
    }

    pub(super) fn options(&self) -> &RedisOptions {
        &self.options
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    pub(super) fn looks(&self) -> broadcast::Receiver<Look> {
        self.looks.subscribe()
    }

    /// Makes sure that signals are received.
    pub(super) async fn listen(&self) -> Result<(), Error> {
        self.ears.listen().await
    }

    /// What the error of a command means. Without a connection, the error is a timeout, and the reason why there is
    /// no connection says more.
    pub(super) fn meaning(&self, error: Error) -> StateError {
        let reason = self.broken.locked();
        let reason = reason.as_ref().filter(|_| !self.client.is_connected());
        let refusal = reason.and_then(|reason| refusal::of(&self.options, reason));
        refusal.unwrap_or_else(|| meaning(&self.options, error))
    }
}

/// What an error means: that Redis refuses, or that it is unavailable.
pub(super) fn meaning(options: &RedisOptions, error: Error) -> StateError {
    refusal::of(options, &error).unwrap_or_else(|| StateError::Unavailable(Box::new(error)))
}

impl Ears {
    /// Subscribes and waits until Redis has confirmed it. May be repeated.
    async fn listen(&self) -> Result<(), Error> {
        let _turn = self.turn.lock().await;
        // fred expects no answer to SUBSCRIBE: it drops a refusal, or takes it for the answer to a command that was
        // already sent. In a pipeline that command is the PING, whose answer stands for both.
        let pipeline = self.subscriber.pipeline();
        let _: () = pipeline.subscribe(self.channel.as_str()).await?;
        let _: () = pipeline.ping(None).await?;
        let _: Value = pipeline.last().await?;
        Ok(())
    }

    /// Subscribes again after each reconnect.
    async fn listen_again(self: Arc<Self>) {
        use broadcast::error::RecvError;

        let mut mended = self.subscriber.reconnect_rx();
        while !matches!(mended.recv().await, Err(RecvError::Closed)) {
            if let Err(error) = self.listen().await {
                warn!(error = causes::field(&error), "signals are not heard");
            }
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // The clients are tasks that would go on. Without a runtime, none is left.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let (client, subscriber) = (self.client.clone(), self.ears.subscriber.clone());
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
            // Drop the connection to a Redis that hangs, so that its replacement is found.
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

/// Forwards signals. Those that come too fast are lost, as signals may be.
async fn forward(mut messages: broadcast::Receiver<Message>, looks: broadcast::Sender<Look>) {
    loop {
        match messages.recv().await {
            Ok(message) => {
                let text: Result<String, _> = message.value.convert();
                // Sending fails only if there is no receiver.
                text.ok().as_deref().and_then(read).map(|look| looks.send(look));
            }
            Err(broadcast::error::RecvError::Lagged(_)) => {}
            Err(broadcast::error::RecvError::Closed) => return,
        }
    }
}

/// Logs when the connection breaks and when it is restored, and keeps the reason meanwhile.
async fn tell(client: Client, broken: Broken) {
    let note = |error| *broken.locked() = error;
    let (mut errors, mut mended) = (client.error_rx(), client.reconnect_rx());
    loop {
        tokio::select! {
            Ok((error, _)) = errors.recv() => {
                warn!(error = causes::field(&error), "the connection to Redis broke");
                note(Some(error));
            }
            Ok(server) = mended.recv() => {
                info!(%server, "connected to Redis");
                note(None);
            }
            else => return,
        }
    }
}

/// The text of a signal.
pub(super) fn write(look: &Look) -> String {
    match look {
        Look::Job(job) => format!("job {job}"),
        Look::Board(job) => format!("board {job}"),
        Look::Workers => "workers".into(),
    }
}

/// Parses the text of a signal.
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
