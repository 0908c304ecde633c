//! One connection to one broker: one request at a time, each with a deadline.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::{
    ApiVersionsRequest, ProduceRequest, RequestHeader, ResponseHeader, VoteRequest,
};
use kafka_protocol::protocol::{
    Decodable, Encodable, HeaderVersion, Request, StrBytes, VersionRange,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::buffers::Buffers;
use super::call::{Call, NEEDED};
use super::error::{BoxError, KafkaError, accepted};
use super::guard::Guarded;
use super::standing::BrokerStanding;
use crate::health::Connected;

#[cfg(test)]
mod tests;

/// Up to this length, the memory of an answer is allocated at once; that of a larger one as it arrives.
const AT_ONCE: usize = 8 << 20;

/// The transport of a connection: TCP, or a layer above it.
pub trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for S {}

/// A connection to one broker. It cannot be used after an error other than [`KafkaError::Refused`] or
/// [`KafkaError::TooOld`].
pub struct Connection {
    stream: Box<dyn Stream>,
    address: String,
    client: StrBytes,
    /// The versions of requests that the broker knows, by key.
    versions: HashMap<i16, VersionRange>,
    correlation: i32,
    /// Whether a request after the greeting was answered.
    proven: bool,
    /// Learns whether requests are answered.
    standing: Option<Arc<BrokerStanding>>,
    /// Held only for its `Drop`.
    connected: Option<Connected>,
    /// The source of memory for large answers.
    buffers: Option<Arc<Buffers>>,
}

/// Why there is no answer, without the address.
enum NoAnswer {
    Broken(io::Error),
    Garbled(BoxError),
    Tls,
    Stranger(&'static str),
}

impl From<io::Error> for NoAnswer {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

impl Connection {
    /// Greets the broker at the other end of a stream. Errors name it by `address`.
    pub async fn open(
        stream: impl Stream + 'static,
        address: String,
        client: StrBytes,
        deadline: Duration,
    ) -> Result<Self, KafkaError> {
        let stream = Box::new(stream);
        let mut connection = Self {
            stream,
            address,
            client,
            versions: HashMap::new(),
            correlation: 0,
            proven: false,
            standing: None,
            connected: None,
            buffers: None,
        };
        let software = StrBytes::from_static_str(env!("CARGO_PKG_NAME"));
        let greeting = ApiVersionsRequest::default()
            .with_client_software_name(software)
            .with_client_software_version(StrBytes::from_static_str(env!("CARGO_PKG_VERSION")));
        let answer = connection.exchange(greeting, deadline).await?;
        accepted(answer.error_code, None, || {
            format!("the broker {} does not report its versions", connection.address)
        })?;
        connection.versions = answer
            .api_keys
            .iter()
            .map(|api| (api.api_key, VersionRange { min: api.min_version, max: api.max_version }))
            .collect();
        if connection.is_controller() {
            return Err(KafkaError::Controller { address: connection.address });
        }
        NEEDED
            .into_iter()
            .try_for_each(|(key, version, name)| connection.check(key, version, name))?;
        Ok(connection)
    }

    /// Sets what learns whether requests are answered, and what counts the connection.
    pub(super) fn watched(mut self, standing: &Arc<BrokerStanding>, connected: Connected) -> Self {
        (self.standing, self.connected) = (Some(Arc::clone(standing)), Some(connected));
        self
    }

    /// Sets the source of memory for large answers.
    pub(super) fn with_buffers(mut self, buffers: &Arc<Buffers>) -> Self {
        self.buffers = Some(Arc::clone(buffers));
        self
    }

    /// Whether this is the port of a controller: controllers vote, and keep no records. A node that is both has a port
    /// for each.
    fn is_controller(&self) -> bool {
        let knows = |key| self.versions.contains_key(&key);
        knows(VoteRequest::KEY) && !knows(ProduceRequest::KEY)
    }

    /// Sends a request and waits for its answer.
    pub(super) async fn call<C: Call>(
        &mut self,
        request: C,
        deadline: Duration,
    ) -> Result<C::Response, KafkaError> {
        self.check(C::KEY, C::VERSION, C::NAME)?;
        let answer = self.exchange(request, deadline).await;
        match (&self.standing, answer) {
            (Some(standing), Ok(answer)) if !self.proven => {
                standing.answered();
                self.proven = true;
                Ok(answer)
            }
            // A port that accepts connections and answers no request counts as unavailable, as does a broker that falls
            // silent.
            (Some(standing), Err(error))
                if !self.proven || matches!(error, KafkaError::Silent { .. }) =>
            {
                Err(standing.failed(error))
            }
            (_, answer) => answer,
        }
    }

    /// Fails unless the broker knows a request in this version.
    fn check(&self, key: i16, version: i16, request: &'static str) -> Result<(), KafkaError> {
        let known = self.versions.get(&key);
        if known.is_some_and(|range| (range.min..=range.max).contains(&version)) {
            return Ok(());
        }
        Err(KafkaError::TooOld { address: self.address.clone(), request, version })
    }

    async fn exchange<C: Call>(
        &mut self,
        request: C,
        deadline: Duration,
    ) -> Result<C::Response, KafkaError> {
        let answer = timeout(deadline, self.round_trip(&request)).await;
        let address = || self.address.clone();
        match answer {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(NoAnswer::Broken(source))) => {
                Err(KafkaError::Broken { address: address(), source })
            }
            Ok(Err(NoAnswer::Garbled(source))) => {
                Err(KafkaError::garbled::<C>(&self.address, source))
            }
            Ok(Err(NoAnswer::Tls)) => Err(KafkaError::Tls { address: address() }),
            Ok(Err(NoAnswer::Stranger(what))) => {
                Err(KafkaError::Stranger { address: address(), what })
            }
            Err(_) => {
                Err(KafkaError::Silent { address: address(), request: C::NAME, after: deadline })
            }
        }
    }

    async fn round_trip<C: Call>(&mut self, request: &C) -> Result<C::Response, NoAnswer> {
        self.correlation = self.correlation.wrapping_add(1);
        let frame = build_frame(request, self.correlation, &self.client);
        self.stream.write_all(&frame).await?;
        self.stream.flush().await?;
        let answer = self.read_frame(C::MAX_ANSWER).await?;
        read_answer::<C>(answer, self.correlation)
    }

    async fn read_frame(&mut self, limit: usize) -> Result<Bytes, NoAnswer> {
        let length = self.stream.read_u32().await?;
        if let Some(stranger) = strange(length.to_be_bytes()) {
            return Err(stranger);
        }
        let length = length as usize;
        if length > limit {
            let text = format!("it has {length} bytes, the limit is {limit}");
            return Err(NoAnswer::Garbled(text.into()));
        }
        let at_once = length.min(AT_ONCE);
        let mut answer = match &self.buffers {
            Some(buffers) => buffers.take(at_once),
            None => BytesMut::with_capacity(at_once),
        };
        let mut limited = (&mut self.stream).take(length as u64);
        // Never read into a full buffer: that would enlarge it, and copy all of it.
        while answer.len() < length {
            if limited.read_buf(&mut answer).await? == 0 {
                return Err(NoAnswer::Broken(io::ErrorKind::UnexpectedEof.into()));
            }
        }
        let answer = answer.freeze();
        if let Some(buffers) = &self.buffers {
            buffers.lend(&answer);
        }
        Ok(answer)
    }
}

/// Recognises another protocol by the first bytes: as a length, they are larger than any answer of a broker.
fn strange(bytes: [u8; 4]) -> Option<NoAnswer> {
    Some(match &bytes {
        // An alert, or any other record of TLS 1.x.
        [0x14..=0x17, 3, 0..=4, _] => NoAnswer::Tls,
        b"HTTP" => NoAnswer::Stranger("a web server"),
        b"-ERR" => NoAnswer::Stranger("a Redis"),
        b"SSH-" => NoAnswer::Stranger("an SSH server"),
        _ => return None,
    })
}

fn build_frame<C: Call>(request: &C, correlation: i32, client: &StrBytes) -> BytesMut {
    let header = RequestHeader::default()
        .with_request_api_key(C::KEY)
        .with_request_api_version(C::VERSION)
        .with_correlation_id(correlation)
        .with_client_id(Some(client.clone()));
    let header_version = C::header_version(C::VERSION);
    // If a size cannot be computed, the encoding below fails, too.
    let header_size = header.compute_size(header_version).unwrap_or_default();
    let size = request.compute_size(C::VERSION).unwrap_or_default();
    let mut frame = BytesMut::with_capacity(4 + header_size + size);
    frame.put_u32(0);
    header
        .encode(&mut frame, header_version)
        .and_then(|()| request.encode(&mut frame, C::VERSION))
        .expect("requests are built for the version that is sent");
    let length = u32::try_from(frame.len() - 4).expect("a request is smaller than four gigabytes");
    frame[..4].copy_from_slice(&length.to_be_bytes());
    frame
}

fn read_answer<C: Call>(answer: Bytes, correlation: i32) -> Result<C::Response, NoAnswer> {
    let garbled = |error: anyhow::Error| NoAnswer::Garbled(error.into());
    let mut answer = Guarded::new(answer);
    let version = <C as Request>::Response::header_version(C::VERSION);
    let header = ResponseHeader::decode(&mut answer, version).map_err(garbled)?;
    if header.correlation_id != correlation {
        let text = format!("it answers request {}, not {correlation}", header.correlation_id);
        return Err(NoAnswer::Garbled(text.into()));
    }
    C::Response::decode(&mut answer, C::VERSION).map_err(garbled)
}
