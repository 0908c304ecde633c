//! What can go wrong between this process and a broker.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::ResponseError;

use super::call::Call;
use crate::queue::QueueError;

/// Whatever went wrong.
pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A request that was not fulfilled.
#[derive(Debug, thiserror::Error)]
pub enum KafkaError {
    /// Nobody is there.
    #[error("the broker {address} cannot be connected to")]
    Connect {
        /// Where.
        address: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The connection broke.
    #[error("the connection to the broker {address} broke")]
    Broken {
        /// Which broker.
        address: String,
        /// How.
        #[source]
        source: io::Error,
    },
    /// No answer came.
    #[error("the broker {address} did not answer {request} within {} s", .after.as_secs_f32())]
    Silent {
        /// Which broker.
        address: String,
        /// What it was asked.
        request: &'static str,
        /// How long was waited.
        after: Duration,
    },
    /// The answer makes no sense.
    #[error("the answer of the broker {address} to {request} cannot be read")]
    Garbled {
        /// Which broker.
        address: String,
        /// What it was asked.
        request: &'static str,
        /// What is wrong with it.
        #[source]
        source: BoxError,
    },
    /// The broker does not know the request as it is sent.
    #[error(
        "the broker {address} does not know version {version} of {request}: Apache Kafka 2.8 or \
         later is needed, or something compatible"
    )]
    TooOld {
        /// Which broker.
        address: String,
        /// What it would be asked.
        request: &'static str,
        /// In which version.
        version: i16,
    },
    /// The port wants encrypted connections.
    #[error(
        "{address} wants TLS, which is not spoken here: `kafka.brokers` has to name a listener without \
         (PLAINTEXT in the broker's `listeners`)"
    )]
    Tls {
        /// Where.
        address: String,
    },
    /// The port wants its clients to sign in.
    #[error(
        "{address} wants its clients to sign in (SASL, by {mechanisms}), which tilemill does not do: \
         `kafka.brokers` has to name a listener without (PLAINTEXT in the broker's `listeners`)"
    )]
    Sasl {
        /// Where.
        address: String,
        /// The mechanisms that it offers.
        mechanisms: String,
    },
    /// The port is that of a controller, which keeps no records.
    #[error(
        "{address} is the port of a controller: `kafka.brokers` has to name a broker, in many set-ups port \
         9092 on the same host"
    )]
    Controller {
        /// Where.
        address: String,
    },
    /// Something else than Kafka is there.
    #[error("{address} is no Kafka: it answers like {what}; correct `kafka.brokers`")]
    Stranger {
        /// Where.
        address: String,
        /// What seems to be there.
        what: &'static str,
    },
    /// What was tried a moment ago, and is not tried again yet.
    #[error(transparent)]
    Again(Arc<KafkaError>),
    /// The broker refused.
    #[error("{what}: {code}{}", .message.as_deref().map(|text| format!(": {text}")).unwrap_or_default())]
    Refused {
        /// What was asked for, in words.
        what: String,
        /// The protocol's error.
        code: ResponseError,
        /// What the broker says about it.
        message: Option<String>,
    },
}

impl KafkaError {
    /// A refusal of which nothing more is known.
    pub(super) fn refused(what: String, code: ResponseError) -> Self {
        Self::Refused { what, code, message: None }
    }

    /// Whether the same would come of trying again.
    pub(super) fn is_final(&self) -> bool {
        match self {
            Self::TooOld { .. } => true,
            Self::Refused { code, .. } => {
                let says_why =
                    !matches!(code, ResponseError::UnknownServerError | ResponseError::Unknown(_));
                says_why && !code.is_retriable()
            }
            Self::Again(error) => error.is_final(),
            _ => false,
        }
    }

    /// The protocol's error, where a broker answered with one.
    pub(super) fn code(&self) -> Option<ResponseError> {
        match self {
            Self::Refused { code, .. } => Some(*code),
            Self::Again(error) => error.code(),
            _ => None,
        }
    }

    /// Why an answer of the broker at `address` makes no sense.
    pub(super) fn garbled<C: Call>(address: &str, source: impl Into<BoxError>) -> Self {
        Self::Garbled { address: address.to_owned(), request: C::NAME, source: source.into() }
    }

    /// Whether the connection broke.
    pub(super) fn is_broken(&self) -> bool {
        match self {
            Self::Broken { .. } => true,
            Self::Again(error) => error.is_broken(),
            _ => false,
        }
    }

    /// Whether the connection that brought it is of no use any more.
    pub(super) fn ends_connection(&self) -> bool {
        !matches!(self, Self::Refused { .. } | Self::TooOld { .. })
    }
}

impl From<KafkaError> for QueueError {
    fn from(error: KafkaError) -> Self {
        Arc::new(error).into()
    }
}

impl From<Arc<KafkaError>> for QueueError {
    fn from(error: Arc<KafkaError>) -> Self {
        if error.is_final() {
            Self::Refused(Box::new(error))
        } else {
            Self::Unavailable(Box::new(error))
        }
    }
}

/// Turns the error code of an answer into an error.
pub(super) fn accepted(
    code: i16,
    message: Option<&str>,
    what: impl FnOnce() -> String,
) -> Result<(), KafkaError> {
    match ResponseError::try_from_code(code) {
        None => Ok(()),
        Some(code) => {
            let message = message.filter(|text| !text.is_empty()).map(str::to_owned);
            Err(KafkaError::Refused { what: what(), code, message })
        }
    }
}
