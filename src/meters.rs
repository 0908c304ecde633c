//! What a server has counted of its jobs and their tiles since its start. A job belongs to one server, which counts
//! it whichever process works on it: the sum over all servers counts each job once.

use std::time::Duration;

use jiff::Timestamp;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::model::job::{Outcome, Plan, Status, Timings};
use crate::model::mosaic::Mosaic;

/// Labels whose values are known beforehand.
type Label = [(&'static str, &'static str); 1];
type Counters = Family<Label, Counter>;
type Histograms = Family<Label, Histogram, fn() -> Histogram>;

/// Upper bounds of the buckets, in seconds: tiles take milliseconds, jobs of large images minutes.
const SECONDS: [f64; 14] =
    [0.005, 0.02, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0];
const ENDS: [Status; 3] = [Status::Complete, Status::Failed, Status::Cancelled];

/// Why a tile is sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resent {
    /// The previous attempt failed.
    Failed,
    /// The queue no longer holds it.
    Lost,
    /// The worker that got it could not take it on.
    PutOff,
}

impl Resent {
    const ALL: [Self; 3] = [Self::Failed, Self::Lost, Self::PutOff];

    const fn label(self) -> Label {
        let reason = match self {
            Self::Failed => "failed",
            Self::Lost => "lost",
            Self::PutOff => "put_off",
        };
        [("reason", reason)]
    }
}

/// The meters of one server. Clones share them.
#[derive(Debug, Clone)]
pub struct Meters {
    accepted: Counter,
    ended: Counters,
    waits: Histogram,
    durations: Histogram,
    phases: Histograms,
    tiles: Histogram,
    sent: Counter,
    resent: Counters,
}

impl Default for Meters {
    fn default() -> Self {
        let seconds = || Histogram::new(SECONDS);
        let meters = Self {
            accepted: Counter::default(),
            ended: Counters::default(),
            waits: seconds(),
            durations: seconds(),
            phases: Family::new_with_constructor(seconds),
            tiles: seconds(),
            sent: Counter::default(),
            resent: Counters::default(),
        };
        meters.begin_at_zero();
        meters
    }
}

impl Meters {
    /// Creates every series: in one that appears with its first event, that event is no increase.
    fn begin_at_zero(&self) {
        for status in ENDS {
            let _ = self.ended.get_or_create(&outcome(status));
        }
        for reason in Resent::ALL {
            let _ = self.resent.get_or_create(&reason.label());
        }
        for (phase, _) in phases(&Timings::default()) {
            let _ = self.phases.get_or_create(&[("phase", phase)]);
        }
    }

    /// Counts a job that was accepted.
    pub fn accepted(&self) {
        self.accepted.inc();
    }

    /// Notes that a job left the queue.
    pub fn begun(&self, plan: &Plan) {
        let waited = Timestamp::now().duration_since(plan.created_at);
        self.waits.observe(Duration::try_from(waited).unwrap_or_default().as_secs_f64());
    }

    /// Counts a job that ended; of a complete one also the time spent in each phase.
    pub fn ended(&self, outcome: &Outcome) {
        self.ended.get_or_create(&self::outcome(outcome.status())).inc();
        let Outcome::Complete { timings, .. } = outcome else { return };
        let phases = phases(timings);
        for (phase, seconds) in phases {
            self.phases.get_or_create(&[("phase", phase)]).observe(seconds);
        }
        self.durations.observe(phases.iter().map(|(_, seconds)| seconds).sum());
    }

    /// Notes the filter times of the tiles of a job that has ended.
    pub fn filtered(&self, mosaic: &Mosaic) {
        for time in mosaic.times() {
            self.tiles.observe(time.as_secs_f64());
        }
    }

    /// Counts a tile that was sent.
    pub fn sent(&self) {
        self.sent.inc();
    }

    /// Counts tiles that have to be sent again.
    pub fn resent(&self, reason: Resent, tiles: usize) {
        self.resent.get_or_create(&reason.label()).inc_by(tiles as u64);
    }

    /// Adds the meters to `registry`.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("jobs_accepted", "Jobs that were accepted", self.accepted.clone());
        registry.register("jobs_ended", "Jobs that have ended, by outcome", self.ended.clone());
        registry.register("tiles_sent", "Tiles sent, retries included", self.sent.clone());
        let help = "Tiles that had to be sent again, by reason";
        registry.register("tile_retries", help, self.resent.clone());
        let mut seconds = |name: &str, help: &str, histogram: &Histogram| {
            registry.register_with_unit(name, help, Unit::Seconds, histogram.clone());
        };
        let help = "Time from acceptance of a job to its start";
        seconds("job_wait", help, &self.waits);
        let help = "Time from acceptance to the outcome, of complete jobs";
        seconds("job_duration", help, &self.durations);
        seconds(
            "tile_filter",
            "Time of the filter chain on a tile, of jobs that have ended",
            &self.tiles,
        );
        let help = "Time of complete jobs in each phase";
        registry.register_with_unit("job_phase", help, Unit::Seconds, self.phases.clone());
    }
}

fn outcome(status: Status) -> Label {
    [("outcome", status.as_str())]
}

/// The phases under their names in the API. Together they are the time from acceptance to the outcome.
fn phases(Timings { split, filter, stitch }: &Timings) -> [(&'static str, f64); 3] {
    [("split", *split), ("filter", *filter), ("stitch", *stitch)]
}
