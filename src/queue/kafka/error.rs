//! The errors of requests to brokers, and of calls that append or find records.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::ResponseError;
use rskafka::client::error::Error;

use super::call::Call;
use crate::queue::QueueError;

/// Any error.
pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a request to a broker failed.
#[derive(Debug, thiserror::Error)]
pub enum KafkaError {
    /// No connection could be made.
    #[error("cannot connect to the broker {address}")]
    Connect {
        /// The broker.
        address: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The connection broke.
    #[error("the connection to the broker {address} broke")]
    Broken {
        /// The broker.
        address: String,
        /// How.
        #[source]
        source: io::Error,
    },
    /// No answer came.
    #[error("the broker {address} did not answer {request} within {} s", .after.as_secs_f32())]
    Silent {
        /// The broker.
        address: String,
        /// The request.
        request: &'static str,
        /// The deadline.
        after: Duration,
    },
    /// The answer makes no sense.
    #[error("the answer of the broker {address} to {request} cannot be read")]
    Garbled {
        /// The broker.
        address: String,
        /// The request.
        request: &'static str,
        /// What is wrong with it.
        #[source]
        source: BoxError,
    },
    /// The broker does not know the request in the version that is sent.
    #[error(
        "the broker {address} does not know version {version} of {request}: Apache Kafka 2.8 or \
         later is needed, or something compatible"
    )]
    TooOld {
        /// The broker.
        address: String,
        /// The request.
        request: &'static str,
        /// The version.
        version: i16,
    },
    /// The port requires TLS.
    #[error(
        "{address} wants TLS, which tilemill does not use for Kafka: set `kafka.brokers` to a listener \
         without TLS (PLAINTEXT in the broker's `listeners`)"
    )]
    Tls {
        /// The address.
        address: String,
    },
    /// The port requires its clients to sign in.
    #[error(
        "{address} wants its clients to sign in (SASL, by {mechanisms}), which tilemill does not do: \
         set `kafka.brokers` to a listener without SASL (PLAINTEXT in the broker's `listeners`)"
    )]
    Sasl {
        /// The address.
        address: String,
        /// The mechanisms that it offers.
        mechanisms: String,
    },
    /// The port is that of a controller, which keeps no records.
    #[error(
        "{address} is the port of a controller: set `kafka.brokers` to a broker, in many set-ups port \
         9092 on the same host"
    )]
    Controller {
        /// The address.
        address: String,
    },
    /// Another service than Kafka listens there.
    #[error("{address} is not a Kafka broker: it answers like {what}; correct `kafka.brokers`")]
    Stranger {
        /// The address.
        address: String,
        /// What it seems to be.
        what: &'static str,
    },
    /// The error of an attempt a moment ago; it is not tried again yet.
    #[error(transparent)]
    Again(Arc<KafkaError>),
    /// The broker refused.
    #[error("{what}: {code}{}", .message.as_deref().map(|text| format!(": {text}")).unwrap_or_default())]
    Refused {
        /// What was refused, in words.
        what: String,
        /// The protocol's error.
        code: ResponseError,
        /// The broker's message.
        message: Option<String>,
    },
}

impl KafkaError {
    /// A refusal without a message.
    pub(super) fn refused(what: String, code: ResponseError) -> Self {
        Self::Refused { what, code, message: None }
    }

    /// Whether the error is permanent: a retry would get it again.
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

    /// The protocol's error, if a broker answered with one.
    pub(super) fn code(&self) -> Option<ResponseError> {
        match self {
            Self::Refused { code, .. } => Some(*code),
            Self::Again(error) => error.code(),
            _ => None,
        }
    }

    /// The error for an answer of the broker at `address` that makes no sense.
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

    /// Whether the connection that it came from cannot be used any more.
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

/// Why records could not be appended, or the ends of a partition not be found.
#[derive(Debug, thiserror::Error)]
pub(super) enum RecordsError {
    /// The broker refused the record for its size.
    #[error(
        "the record has {bytes} bytes, which is more than the topic takes (`topics.max_message`)"
    )]
    TooLarge { bytes: usize },
    /// It took too long.
    #[error("no answer for partition {partition} of {topic} within {} s", .after.as_secs_f32())]
    TimedOut { topic: String, partition: u32, after: Duration },
    /// The writer's task has ended.
    #[error("the writer of a partition has ended")]
    Ended,
    /// A request to a broker failed.
    #[error(transparent)]
    Broker(Arc<KafkaError>),
    /// A request of `rskafka` failed.
    #[error("a request to a broker failed")]
    Client(#[source] Box<Error>),
}

impl From<RecordsError> for QueueError {
    fn from(error: RecordsError) -> Self {
        match error {
            RecordsError::TooLarge { .. } => Self::Refused(Box::new(error)),
            RecordsError::Broker(cause) if cause.is_final() => Self::Refused(Box::new(cause)),
            other => Self::Unavailable(Box::new(other)),
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
