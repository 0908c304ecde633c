//! The names of the keys in Redis.

use crate::model::job::JobId;

/// Makes key names with a prefix.
pub(super) struct Keys {
    prefix: String,
}

macro_rules! names {
    ($($plain:ident = $text:literal),*; $($of:ident of $kind:literal),*; $($job:ident),* $(,)?) => {
        impl Keys {
            $(pub(super) fn $plain(&self) -> String {
                format!(concat!("{}", $text), self.prefix)
            })*
            /* The key of one entry; with an empty name, the prefix of all entries of its kind. */
            $(pub(super) fn $of(&self, name: &str) -> String {
                format!(concat!("{}", $kind, ":{}"), self.prefix, name)
            })*
            $(pub(super) fn $job(&self, job: JobId) -> String {
                format!(concat!("{}", stringify!($job), ":{}"), self.prefix, job)
            })*
        }
    };
}

// The two keys of a probe are equally long. Their slots in a cluster therefore differ by the same bits for each prefix
// without a hash tag: a probe fails wherever keys can be spread over nodes.
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
