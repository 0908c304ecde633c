//! Topics in Apache Kafka, for a cluster.
//!
//! * [`topic`]: a topic of the queue port.
//! * [`admin`]: creates, changes and deletes topics.
//! * [`cluster`]: a cluster, as this process uses it.
//! * [`connection`]: one connection to a broker.
//! * [`error`]: the errors of requests to brokers.
//! * `batch`: record batches, as they are sent and fetched.
//! * `buffers`: reuses the memory of large answers.
//! * `call`: the requests that are sent, each in one version.
//! * `codec`: the codecs of compressed batches.
//! * `consumer`: a member that gets messages.
//! * `count`: the number of partitions of a topic.
//! * `dial`: opens connections to addresses.
//! * `fetch`: fetches one partition ahead of the consumer.
//! * `fetches`: the fetch requests of all partitions to one broker, combined.
//! * `group`: membership in a consumer group.
//! * `guard`: keeps answers from naming more elements than they have bytes for.
//! * `inbox`: records between fetchers and consumer.
//! * `leaders`: which broker leads a partition.
//! * `limits`: what brokers allow of sessions and notes.
//! * `messages`: parts of the protocol's messages that several requests share.
//! * `ownership`: which partitions a member owns, how far each has been dealt with, and what may be handed out.
//! * `peer`: one broker, as this process uses it.
//! * `peers`: the brokers of a cluster.
//! * `pretend`: fake brokers for tests.
//! * `producer`: batches on their way to one broker.
//! * `reader`: reads one partition from its leader.
//! * `records`: appends records to a topic, and finds where partitions begin and end.
//! * `remedy`: the remedies when a broker refuses.
//! * `standing`: whether a broker is worth trying.
//! * `writer`: writes one partition to its leader.
//!
//! A connection is opened in `dial` alone. Each of these uses only those before it: `standing`, `connection`, `dial`,
//! `peer`, `peers`, then `producer` and `leaders`, then `cluster`. What only asks brokers takes the `peers`; what also
//! needs leaders, or sends records, takes the `cluster`.

pub mod admin;
mod batch;
mod buffers;
mod call;
pub mod cluster;
mod codec;
pub mod connection;
mod consumer;
mod count;
mod dial;
pub mod error;
mod fetch;
mod fetches;
mod group;
mod guard;
mod inbox;
mod leaders;
mod limits;
mod messages;
mod ownership;
mod peer;
mod peers;
#[cfg(test)]
mod pretend;
mod producer;
mod reader;
mod records;
mod remedy;
mod standing;
pub mod topic;
mod writer;

pub use fetch::Beginning;
pub use group::Group;
pub use remedy::NOTE;

pub use super::policy::Danger;
