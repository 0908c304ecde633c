//! What a member does about each error of the group protocol.

use kafka_protocol::ResponseError;

use crate::queue::kafka::error::KafkaError;

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reaction {
    /// Ask the same broker again, a little later.
    Wait,
    /// Find the coordinator again; the membership stands.
    Coordinator,
    /// Join again with the same id; the partitions are kept until the group has decided.
    Rejoin,
    /// The partitions are somebody else's by now: join again with the same id.
    Lost,
    /// The same, and the id is forgotten.
    Forgotten,
    /// Somebody has to mend something: try again now and then.
    Refused,
    /// Join again with a session of the length that the broker allows.
    Session,
    /// Nothing helps.
    Fatal,
}

/// The reaction to an error.
pub(super) fn reaction(error: &KafkaError) -> Reaction {
    match error {
        KafkaError::TooOld { .. } => Reaction::Fatal,
        KafkaError::Refused { code, .. } => to_code(*code),
        KafkaError::Again(error) => reaction(error),
        KafkaError::Connect { .. }
        | KafkaError::Broken { .. }
        | KafkaError::Silent { .. }
        | KafkaError::Tls { .. }
        | KafkaError::Sasl { .. }
        | KafkaError::Controller { .. }
        | KafkaError::Stranger { .. }
        | KafkaError::Garbled { .. } => Reaction::Coordinator,
    }
}

fn to_code(code: ResponseError) -> Reaction {
    match code {
        ResponseError::CoordinatorNotAvailable | ResponseError::NotCoordinator => {
            Reaction::Coordinator
        }
        ResponseError::RebalanceInProgress => Reaction::Rejoin,
        ResponseError::IllegalGeneration => Reaction::Lost,
        // A group that was deleted, or was one of another kind, knows no member.
        ResponseError::UnknownMemberId | ResponseError::GroupIdNotFound => Reaction::Forgotten,
        ResponseError::InvalidSessionTimeout => Reaction::Session,
        ResponseError::InconsistentGroupProtocol
        | ResponseError::GroupAuthorizationFailed
        | ResponseError::TopicAuthorizationFailed
        | ResponseError::OffsetMetadataTooLarge
        | ResponseError::GroupMaxSizeReached => Reaction::Refused,
        ResponseError::FencedInstanceId | ResponseError::InvalidGroupId => Reaction::Fatal,
        // Among them 14, the coordinator loads the group: it will be ready.
        _ => Reaction::Wait,
    }
}

#[cfg(test)]
mod tests {
    use kafka_protocol::ResponseError;

    use super::{Reaction, to_code};

    #[test]
    fn each_code_has_the_reaction_of_the_table() {
        for (codes, expected) in [
            (&[14, 3, -1][..], Reaction::Wait),
            (&[15, 16], Reaction::Coordinator),
            (&[27], Reaction::Rejoin),
            (&[22], Reaction::Lost),
            (&[25, 69], Reaction::Forgotten),
            (&[12, 23, 29, 30, 81], Reaction::Refused),
            (&[26], Reaction::Session),
            (&[82, 24], Reaction::Fatal),
        ] {
            for code in codes {
                let error = ResponseError::try_from_code(*code).unwrap();
                assert_eq!(to_code(error), expected, "{code}");
            }
        }
    }
}
