//! Topics in Apache Kafka, for a cluster.
//!
//! * [`topic`]: a topic of the queue port.
//! * [`admin`]: topics made, changed and deleted.
//! * [`wire`]: what a record holds.
//! * [`cluster`]: the brokers, and how they are reached.
//! * [`connection`]: one connection to one of them.
//! * [`error`]: what can go wrong between this process and a broker.
//! * `batch`: records as they are sent.
//! * `call`: the requests that are sent, each in one version.
//! * `codec`: how brokers and other producers compress batches.
//! * `consumer`: a member that gets messages.
//! * `count`: how many partitions a topic has.
//! * `fetch`: one partition, fetched ahead.
//! * `fetches`: requests of all partitions to one broker, together.
//! * `group`: membership in a consumer group.
//! * `guard`: keeps answers from naming more elements than they have bytes for.
//! * `inbox`: records between fetchers and consumer.
//! * `leaders`: which broker has a partition's records.
//! * `ownership`: which partitions are a member's, how far each has been dealt with, and what may be handed out.
//! * `peer`: one broker, as this process uses it.
//! * `pretend`: brokers that only pretend to be some, for tests.
//! * `producer`: batches on their way to one broker.
//! * `reader`: one partition, read from its leader.
//! * `records`: the records of a topic: how they are appended, and where partitions begin and end.
//! * `remedy`: what helps where a broker refuses.
//! * `writer`: one partition, written at its leader.

pub mod admin;
mod batch;
mod buffers;
mod call;
pub mod cluster;
mod codec;
pub mod connection;
mod consumer;
mod count;
pub mod error;
mod fetch;
mod fetches;
mod group;
mod guard;
mod inbox;
mod leaders;
mod ownership;
mod peer;
#[cfg(test)]
mod pretend;
mod producer;
mod reader;
mod records;
mod remedy;
pub mod topic;
pub mod wire;
mod writer;

pub use consumer::Beginning;
pub use group::Group;
pub use ownership::Danger;
pub use remedy::NOTE;
