//! Membership in a consumer group, by Kafka's classic protocol.
//!
//! * `assignor`: assigns partitions to members.
//! * `coordinator`: the requests to the broker that coordinates the group.
//! * `member`: the life of a member.
//! * `observer`: looks at a group without being a member.
//! * `protocol`: the data that members and their leader exchange.
//! * `reaction`: what a member does about each error.
//! * `settings`: a group, as it is configured, and how its members behave.

use std::sync::Arc;

use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::ownership::Ownership;
use super::peers::Peers;

mod assignor;
mod coordinator;
mod member;
mod observer;
mod protocol;
mod reaction;
pub(super) mod settings;
#[cfg(test)]
mod tests;

use coordinator::Coordinator;
use member::Member;
pub(super) use observer::Observer;
pub use settings::Group;
pub(super) use settings::Settings;

/// A member that runs in a task of its own. When dropped, it leaves the group as soon as it can.
pub(super) struct Membership {
    leave: DropGuard,
    member: JoinHandle<()>,
}

impl Membership {
    /// Leaves in an orderly way. Gives up after the time of a session.
    pub(super) async fn leave(self) {
        drop(self.leave);
        // A member that panicked counts as gone.
        let _ = self.member.await;
    }
}

/// Joins the group.
pub(super) fn join(peers: Peers, settings: Settings, ownership: Arc<Ownership>) -> Membership {
    let leave = CancellationToken::new();
    let member = Member::new(Coordinator::new(peers, settings.clone()), settings, ownership);
    let member = tokio::spawn(member.run(leave.clone()));
    Membership { leave: leave.drop_guard(), member }
}
