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
    /// Nothing helps.
    Fatal,
}

/// The reaction to an error.
pub(super) fn reaction(error: &KafkaError) -> Reaction {
    match error {
        KafkaError::TooOld { .. } => Reaction::Fatal,
        KafkaError::Refused { code, .. } => to_code(*code),
        KafkaError::Connect { .. }
        | KafkaError::Broken { .. }
        | KafkaError::Silent { .. }
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
        ResponseError::UnknownMemberId => Reaction::Forgotten,
        ResponseError::FencedInstanceId
        | ResponseError::InconsistentGroupProtocol
        | ResponseError::InvalidGroupId
        | ResponseError::InvalidSessionTimeout
        | ResponseError::GroupAuthorizationFailed
        | ResponseError::TopicAuthorizationFailed
        | ResponseError::GroupMaxSizeReached => Reaction::Fatal,
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
            (&[25], Reaction::Forgotten),
            (&[82, 23, 24, 26, 30, 81], Reaction::Fatal),
        ] {
            for code in codes {
                let error = ResponseError::try_from_code(*code).unwrap();
                assert_eq!(to_code(error), expected, "{code}");
            }
        }
    }
}
