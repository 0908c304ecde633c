//! The requests that are sent, each in one version: the first that Kafka writes in its newer
//! encoding, which every broker since 2.8 reads.

use kafka_protocol::messages::{
    ApiVersionsRequest, CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest,
    DescribeConfigsRequest, DescribeGroupsRequest, FetchRequest, FindCoordinatorRequest,
    HeartbeatRequest, IncrementalAlterConfigsRequest, JoinGroupRequest, LeaveGroupRequest,
    ListOffsetsRequest, MetadataRequest, OffsetCommitRequest, OffsetFetchRequest, ProduceRequest,
    SaslHandshakeRequest, SyncGroupRequest,
};
use kafka_protocol::protocol::Request;

/// A request in the version in which it is sent.
pub(super) trait Call: Request {
    /// Its name in errors.
    const NAME: &'static str;
    /// The version.
    const VERSION: i16;
    /// The most bytes of an answer; larger ones are refused.
    const MAX_ANSWER: usize = 8 << 20;
}

macro_rules! calls {
    ($($request:ident $version:literal $name:literal),* $(,)?) => {$(
        impl Call for $request {
            const NAME: &'static str = $name;
            const VERSION: i16 = $version;
        }
    )*};
}

impl Call for FetchRequest {
    const NAME: &'static str = "Fetch";
    const VERSION: i16 = 12;
    /// Large, since a broker sends every record that it once accepted, whatever its configuration is now.
    const MAX_ANSWER: usize = 128 << 20;
}

/// The key, the version and the name of a request.
pub(super) type Needed = (i16, i16, &'static str);

const fn needed<C: Call>() -> Needed {
    (C::KEY, C::VERSION, C::NAME)
}

/// The requests that every role needs: a broker that does not know one of them cannot be used.
pub(super) const NEEDED: [Needed; 3] =
    [needed::<MetadataRequest>(), needed::<ProduceRequest>(), needed::<FetchRequest>()];

calls! {
    ApiVersionsRequest 3 "ApiVersions",
    MetadataRequest 9 "Metadata",
    ProduceRequest 9 "Produce",
    CreateTopicsRequest 5 "CreateTopics",
    CreatePartitionsRequest 2 "CreatePartitions",
    DeleteTopicsRequest 4 "DeleteTopics",
    DescribeConfigsRequest 4 "DescribeConfigs",
    DescribeGroupsRequest 5 "DescribeGroups",
    IncrementalAlterConfigsRequest 1 "IncrementalAlterConfigs",
    FindCoordinatorRequest 3 "FindCoordinator",
    JoinGroupRequest 6 "JoinGroup",
    SyncGroupRequest 4 "SyncGroup",
    HeartbeatRequest 4 "Heartbeat",
    LeaveGroupRequest 4 "LeaveGroup",
    ListOffsetsRequest 6 "ListOffsets",
    OffsetCommitRequest 8 "OffsetCommit",
    OffsetFetchRequest 6 "OffsetFetch",
    SaslHandshakeRequest 1 "SaslHandshake",
}
