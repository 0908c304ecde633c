//! One broker, as this process uses it: how it is connected to, and asked.

use std::sync::Arc;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::SaslHandshakeRequest;
use kafka_protocol::protocol::StrBytes;
use tokio::sync::Mutex;

use super::call::Call;
use super::connection::Connection;
use super::dial::Dialer;
use super::error::KafkaError;
use super::standing::BrokerStanding;
use crate::health::Health;

/// A broker at one address.
pub(super) struct Peer {
    address: String,
    /// The connection for requests that are answered at once, one at a time. `None` while there is none.
    prompt: Mutex<Option<Connection>>,
    standing: Arc<BrokerStanding>,
    /// Where its connections are counted.
    health: Health,
}

impl Peer {
    pub(super) fn new(address: &str, health: Health) -> Self {
        let (prompt, standing) = Default::default();
        Self { address: address.to_owned(), prompt, standing, health }
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Opens a connection. If the last attempt failed a moment ago, none is made: the error is that of the last
    /// attempt.
    pub(super) async fn connect(&self, dialer: &Dialer) -> Result<Connection, KafkaError> {
        self.standing.is_worth_trying()?;
        match dialer.open(&self.address).await {
            Ok(connection) => Ok(connection.watched(&self.standing, self.health.connected())),
            Err(error) => Err(self.standing.failed(error)),
        }
    }

    /// Sends a request that is answered at once, over the connection for such requests.
    pub(super) async fn ask<C: Call + Clone>(
        &self,
        dialer: &Dialer,
        request: C,
    ) -> Result<C::Response, KafkaError> {
        let mut place = self.prompt.lock().await;
        // A broker closes a connection that was idle for long: then another one is opened.
        if let Some(mut connection) = place.take() {
            match connection.call(request.clone(), dialer.timeout()).await {
                Err(KafkaError::Broken { .. }) => {}
                Err(error) if error.ends_connection() => return Err(error),
                answer => {
                    *place = Some(connection);
                    return answer;
                }
            }
        }
        let mut connection = self.connect(dialer).await?;
        let answer = connection.call(request, dialer.timeout()).await;
        match answer {
            Err(error) if error.is_broken() => Err(self.explain(dialer, error).await),
            Err(error) if error.ends_connection() => Err(error),
            answer => {
                *place = Some(connection);
                answer
            }
        }
    }

    /// Why it answers the greeting and then closes the connection: it may require SASL, which it says when that is
    /// tried.
    async fn explain(&self, dialer: &Dialer, error: KafkaError) -> KafkaError {
        let Ok(mut connection) = dialer.open(&self.address).await else { return error };
        let request = SaslHandshakeRequest::default();
        let Ok(answer) = connection.call(request, dialer.timeout()).await else { return error };
        let unknown = ResponseError::UnsupportedSaslMechanism.code();
        if answer.error_code != unknown {
            return error;
        }
        let mechanisms: Vec<_> = answer.mechanisms.iter().map(StrBytes::as_str).collect();
        let (address, mechanisms) = (self.address.clone(), mechanisms.join(", "));
        self.standing.failed(KafkaError::Sasl { address, mechanisms })
    }
}
