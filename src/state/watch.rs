//! The liveness of a worker, judged by its silence while a monitor listened.

use std::time::Duration;

use super::SERVER_TTL;
use crate::model::worker::{Heartbeat, Liveness, Phase, WorkerView};

/// When a monitor listened; each time is an age.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Watch {
    /// For how long one has listened without a break; `None` is longer than any worker is shown.
    pub(super) since: Option<Duration>,
    /// Its last sign of life.
    pub(super) last: Duration,
}

impl Watch {
    /// How much of the time since a heartbeat a monitor listened in vain: while none listens, no worker
    /// counts as silent.
    fn heard_nothing(self, arrived: Duration) -> Duration {
        let unheard = if self.last < SERVER_TTL { Duration::ZERO } else { self.last };
        arrived.min(self.since.unwrap_or(arrived)).saturating_sub(unheard)
    }
}

/// The view of a worker whose last heartbeat came `arrived` ago. Without a `watch`, no monitor has listened.
pub(super) fn view(
    heartbeat: Heartbeat,
    arrived: Duration,
    watch: Option<Watch>,
    [late_after, dead_after]: [Duration; 2],
) -> WorkerView {
    let silence = watch.map_or(Duration::ZERO, |watch| watch.heard_nothing(arrived));
    let state = if silence >= dead_after {
        Liveness::Dead
    } else if heartbeat.phase == Phase::Leaving {
        Liveness::Leaving
    } else if silence >= late_after {
        Liveness::Late
    } else {
        Liveness::Live
    };
    WorkerView { heartbeat, state, last_seen: arrived.as_secs() }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Watch;

    #[test]
    fn silence_counts_only_while_a_monitor_listens() {
        let seconds = Duration::from_secs;
        let heard = |since, last, arrived| {
            Watch { since, last: seconds(last) }.heard_nothing(seconds(arrived)).as_secs()
        };
        assert_eq!(heard(None, 1, 20), 20);
        // The monitor came back a moment ago, after a long break.
        assert_eq!(heard(Some(seconds(2)), 1, 60), 2);
        // The monitor went away half a minute ago, five seconds after the heartbeat.
        assert_eq!(heard(None, 30, 35), 5);
        assert_eq!(heard(Some(seconds(31)), 30, 60), 1);
    }
}
