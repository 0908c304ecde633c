//! Opens all connections to brokers, and makes the clients of `rskafka`: what every connection needs, such as TLS or
//! SASL, belongs here.

use std::io;
use std::time::Duration;

use kafka_protocol::protocol::StrBytes;
use rskafka::BackoffConfig;
use rskafka::client::error::Error;
use rskafka::client::{Client, ClientBuilder};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::connection::Connection;
use super::error::KafkaError;

/// How this process reaches brokers, and what it is called there.
#[derive(Clone)]
pub(super) struct Dialer {
    client: StrBytes,
    timeout: Duration,
}

impl Dialer {
    /// `client` is the client id of this process; `timeout` is the deadline of requests that should be answered at
    /// once.
    pub(super) fn new(client: &str, timeout: Duration) -> Self {
        Self { client: StrBytes::from_string(client.to_owned()), timeout }
    }

    /// The same with another client id.
    pub(super) fn called(&self, client: &str) -> Self {
        Self::new(client, self.timeout)
    }

    /// The deadline of requests that should be answered at once.
    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Opens a connection to the broker at an address.
    pub(super) async fn open(&self, address: &str) -> Result<Connection, KafkaError> {
        let connected = timeout(self.timeout, TcpStream::connect(address)).await;
        let connected = connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        let stream = connected
            .and_then(|stream| stream.set_nodelay(true).map(|()| stream))
            .map_err(|source| KafkaError::Connect { address: address.to_owned(), source })?;
        Connection::open(stream, address.to_owned(), self.client.clone(), self.timeout).await
    }

    /// A client of `rskafka`, which tries addresses in any order, without a deadline for each.
    pub(super) async fn rskafka(&self, addresses: Vec<String>) -> Result<Client, Error> {
        let backoff_config = BackoffConfig {
            init_backoff: Duration::from_millis(50),
            max_backoff: Duration::from_secs(1),
            base: 2.0,
            deadline: Some(self.timeout),
        };
        ClientBuilder::new(addresses)
            .client_id(self.client.as_str())
            .backoff_config(backoff_config)
            .build()
            .await
    }
}
