//! The free space on the disks, and the space that the files of jobs take.

use std::sync::Arc;

use prometheus_client::registry::Registry;

use super::{Labels, add, family};
use crate::blocking;
use crate::http::Api;
use crate::service::canvas;
use crate::service::space::ServerDirectory;

/// The disks at one moment.
pub(super) struct Disks {
    free: [(ServerDirectory, Option<u64>); 2],
    reserve: u64,
    stored: [(ServerDirectory, &'static str, u64); 4],
}

impl Disks {
    /// The disks as they are now, once an earlier look has ended: one that hangs at a disk takes a thread, and the
    /// others wait without one. The bytes of pyramids are those of the last count by `service/retention`.
    pub(super) async fn now(Api { app, space, disk_look, .. }: &Api) -> Option<Self> {
        let look = Arc::clone(disk_look).acquire_owned().await.ok()?;
        let [originals, results] = app.ledger.stored_bytes();
        let pyramids = app.pyramids.bytes();
        let scratch = app.config.scratch_dir();
        let reserve = app.config.limits.min_free_space.get();
        let space = space.clone();
        let disks = blocking::run(move || {
            let _look = look;
            let canvases = canvas::bytes(&scratch).unwrap_or_default();
            let stored = [
                (ServerDirectory::Data, "originals", originals),
                (ServerDirectory::Data, "results", results),
                (ServerDirectory::Data, "pyramids", pyramids),
                (ServerDirectory::Scratch, "canvases", canvases),
            ];
            Self { free: space.free(), reserve, stored }
        });
        Some(disks.await)
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        let labels =
            |place: ServerDirectory| -> Labels { vec![("directory", place.as_str().to_owned())] };
        let help = "Free space that this server may use";
        let free = family(registry, "disk_free_bytes", help);
        for (place, bytes) in self.free {
            // A disk whose free space is unknown is left out.
            if let Some(bytes) = bytes {
                free.get_or_create(&labels(place)).set(bytes);
            }
        }
        let help = "Space to keep free: with less, uploads and jobs are refused";
        add(registry, "disk_reserve_bytes", help, self.reserve);
        let stored = family(registry, "stored_bytes", "Space that the files of jobs take");
        for (place, what, bytes) in self.stored {
            let what = [("what", what.to_owned())];
            stored.get_or_create(&[&labels(place)[..], &what].concat()).set(bytes);
        }
    }
}
