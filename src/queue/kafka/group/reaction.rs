//! What a member does about each error of the group protocol.

use kafka_protocol::ResponseError;

use crate::queue::kafka::error::KafkaError;

/// What a member does about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reaction {
    /// Ask the same broker again, a little later.
    Wait,
    /// Find the coordinator again; the membership stands.
    Coordinator,
    /// Join again with the same id; the partitions are kept until the group has decided.
    Rejoin,
    /// The partitions belong to other members by now: join again with the same id.
    Lost,
    /// As [`Self::Lost`], but join with a new id.
    Forgotten,
    /// An operator has to mend it: retry now and then.
    Refused,
    /// Join again with a session that the broker allows.
    Session,
    /// Give up.
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
        // A group that was deleted, or was of another type, knows no member.
        ResponseError::UnknownMemberId | ResponseError::GroupIdNotFound => Reaction::Forgotten,
        ResponseError::InvalidSessionTimeout => Reaction::Session,
        ResponseError::InconsistentGroupProtocol
        | ResponseError::GroupAuthorizationFailed
        | ResponseError::TopicAuthorizationFailed
        | ResponseError::OffsetMetadataTooLarge
        | ResponseError::GroupMaxSizeReached => Reaction::Refused,
        ResponseError::FencedInstanceId | ResponseError::InvalidGroupId => Reaction::Fatal,
        // Among them 14: the coordinator is loading the group, and will be ready.
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
