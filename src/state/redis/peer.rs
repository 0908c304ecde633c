//! Finds out what listens at a port where a Redis was expected.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::RedisOptions;
use super::refusal::refused;
use crate::state::StateError;

/// The deadline of one question: short, since the failure that led here has taken its time already.
const PATIENCE: Duration = Duration::from_secs(1);
/// How many bytes of an answer are read.
const ENOUGH: usize = 64;
/// How many characters of it are shown.
const SHOWN: usize = 40;

/// The empty line ends an HTTP request, so that a server answers; Redis skips it.
const PING: &[u8] = b"PING\r\n\r\n";
/// PING gets the same answer from Redis and from Sentinel; this does not.
const ROLE: &[u8] = b"ROLE\r\n";
/// `ApiVersions` 0 with correlation id 7 and no client id, which every version of Kafka answers.
const API_VERSIONS: &[u8] = &[0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 0xFF, 0xFF];
/// A truncated `ClientHello`, which a TLS server answers with an alert.
const CLIENT_HELLO: &[u8] = &[0x16, 3, 1, 0, 5, 1, 0, 0, 1, 0];

/// Names the service that listens, if it is recognised and is not Redis.
pub(super) async fn look(options: &RedisOptions) -> Option<StateError> {
    let address = options.address();
    let RedisOptions { host, port, .. } = options;
    let correct = "correct `redis.address`";
    let (what, remedy) = match Peer::find(host, *port).await? {
        Peer::Sentinel => (
            format!("{address} is a Sentinel, not a Redis"),
            format!(
                "set `redis.address` to the Redis that it watches, which \
                 `redis-cli -h {host} -p {port} sentinel masters` names"
            ),
        ),
        Peer::Tls => (
            format!("{address} expects TLS, which tilemill does not use for Redis"),
            "set `redis.address` to the port without TLS, `port` in redis.conf".into(),
        ),
        Peer::Http => (format!("{address} is an HTTP server, not a Redis"), correct.into()),
        Peer::Kafka => (format!("{address} is a Kafka broker, not a Redis"), correct.into()),
        Peer::Other(says) => {
            (format!("{address} is not a Redis: it says {says:?}"), correct.into())
        }
    };
    Some(refused(what, remedy))
}

#[derive(Debug, PartialEq)]
enum Peer {
    Sentinel,
    Tls,
    Http,
    Kafka,
    /// Anything else, with the beginning of its answer.
    Other(String),
}

impl Peer {
    async fn find(host: &str, port: u16) -> Option<Self> {
        let ask = async |question| ask(host, port, question).await;
        let answer = ask(PING).await?;
        if is_resp(&answer) {
            let role = ask(ROLE).await?;
            return contains(&role, b"sentinel").then_some(Self::Sentinel);
        }
        if !answer.is_empty() {
            return Some(Self::by(&answer));
        }
        // Kafka and TLS servers close the connection when they do not understand a request. So does a proxy whose Redis
        // is away, which is neither.
        if ask(API_VERSIONS).await?.get(4..8) == API_VERSIONS.get(8..12) {
            return Some(Self::Kafka);
        }
        is_tls(&ask(CLIENT_HELLO).await?).then_some(Self::Tls)
    }

    /// The peer that gives an answer that is not RESP.
    fn by(answer: &[u8]) -> Self {
        let start = answer.to_ascii_lowercase();
        if is_tls(answer) {
            Self::Tls
        } else if [&b"http/"[..], b"<html", b"<!doctype"].iter().any(|sign| contains(&start, sign))
        {
            Self::Http
        } else {
            let text = String::from_utf8_lossy(answer);
            Self::Other(text.lines().next().unwrap_or_default().chars().take(SHOWN).collect())
        }
    }
}

/// The beginning of the answer to a question; empty if the peer closes the connection without one, `None` if it cannot
/// be reached or stays silent.
async fn ask(host: &str, port: u16, question: &[u8]) -> Option<Vec<u8>> {
    let exchange = async {
        let mut stream = TcpStream::connect((host, port)).await.ok()?;
        // A peer may answer and close the connection before it has read the whole question.
        let _ = stream.write_all(question).await;
        let mut answer = vec![0; ENOUGH];
        let length = stream.read(&mut answer).await.unwrap_or(0);
        answer.truncate(length);
        Some(answer)
    };
    timeout(PATIENCE, exchange).await.ok().flatten()
}

fn is_resp(answer: &[u8]) -> bool {
    answer.first().is_some_and(|first| b"+-:$*".contains(first))
}

/// Whether this is the beginning of a TLS alert or handshake.
fn is_tls(answer: &[u8]) -> bool {
    matches!(answer, [0x15 | 0x16, 3, ..])
}

fn contains(text: &[u8], sign: &[u8]) -> bool {
    text.windows(sign.len()).any(|window| window == sign)
}
