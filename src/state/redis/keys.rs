//! The names of the keys.

use crate::model::job::JobId;

/// Names behind a prefix.
pub(super) struct Keys {
    prefix: String,
}

macro_rules! names {
    ($($plain:ident = $text:literal),*; $($of:ident of $kind:literal),*; $($job:ident),* $(,)?) => {
        impl Keys {
            $(pub(super) fn $plain(&self) -> String {
                format!(concat!("{}", $text), self.prefix)
            })*
            /* One of a kind; with an empty name, how all of them begin. */
            $(pub(super) fn $of(&self, name: &str) -> String {
                format!(concat!("{}", $kind, ":{}"), self.prefix, name)
            })*
            $(pub(super) fn $job(&self, job: JobId) -> String {
                format!(concat!("{}", stringify!($job), ":{}"), self.prefix, job)
            })*
        }
    };
}

// The two of a probe are equally long. Their slots in a cluster therefore differ by the same bits whatever the prefix
// is, unless that has a hash tag: a probe fails wherever keys can be spread over nodes.
names! {
    processes = "processes", active_jobs = "active", workers = "workers", monitored = "monitored",
    monitored_since = "monitored:since", channel = "look", probe_entry = "probe:entry",
    probe_index = "probe:index";
    process of "process", active of "active", worker of "worker";
    owner, board, mosaic, makers,
}

impl Keys {
    pub(super) fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned() }
    }
}
