//! The resources of this process, under the names that all Prometheus clients use.

use std::fs;
use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use rustix::param::{clock_ticks_per_second, page_size};

/// The resources that this process uses. Each is known on Linux only.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct ProcessUsage {
    cpu_seconds: Option<f64>,
    resident_bytes: Option<u64>,
    virtual_bytes: Option<u64>,
    open_fds: Option<u64>,
    max_fds: Option<u64>,
    start_seconds: Option<f64>,
    threads: Option<u64>,
}

impl ProcessUsage {
    /// The resources in use now. Reads files below `/proc`, which blocks.
    pub(super) fn now() -> Self {
        let read = |file: &str| fs::read_to_string(file).unwrap_or_default();
        let usage =
            Self::of(&read("/proc/self/stat"), &read("/proc/stat"), &read("/proc/self/limits"));
        // Without the one that is open for listing them.
        let open = fs::read_dir("/proc/self/fd").map(|fds| fds.count().saturating_sub(1) as u64);
        Self { open_fds: open.ok(), ..usage }
    }

    /// Reads these numbers from the text of the files; their fields are described in proc(5).
    fn of(stat: &str, system: &str, limits: &str) -> Self {
        // The second field is a name in parentheses, which may itself contain parentheses.
        let behind_name = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
        let fields: Vec<&str> = behind_name.split(' ').collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        let boot = line(system, "btime ").and_then(|at| at.trim().parse::<u64>().ok());
        let most = line(limits, "Max open files").and_then(|soft| soft.split_whitespace().next());
        Self {
            cpu_seconds: field(14).zip(field(15)).map(|(user, kernel)| seconds(user + kernel)),
            resident_bytes: field(24).map(|pages| pages * page_size() as u64),
            virtual_bytes: field(23),
            open_fds: None,
            max_fds: most.and_then(|most| most.parse().ok()),
            start_seconds: boot
                .zip(field(22))
                .map(|(boot, after)| seconds(boot * clock_ticks_per_second() + after)),
            threads: field(20),
        }
    }

    pub(super) fn register(self, registry: &mut Registry) {
        if let Some(seconds) = self.cpu_seconds {
            let counter = Counter::<f64, AtomicU64>::default();
            counter.inc_by(seconds);
            registry.register("process_cpu_seconds", "Time on processors", counter);
        }
        if let Some(seconds) = self.start_seconds {
            let gauge = Gauge::<f64, AtomicU64>::default();
            gauge.set(seconds);
            let help = "When the process started, in seconds since 1970";
            registry.register("process_start_time_seconds", help, gauge);
        }
        let counts = [
            ("process_resident_memory_bytes", "Memory in use", self.resident_bytes),
            ("process_virtual_memory_bytes", "Address space in use", self.virtual_bytes),
            ("process_open_fds", "Open file descriptors", self.open_fds),
            ("process_max_fds", "File descriptors that may be open", self.max_fds),
            ("process_threads", "Threads", self.threads),
        ];
        for (name, help, count) in counts {
            if let Some(count) = count {
                super::add(registry, name, help, count);
            }
        }
    }
}

fn line<'a>(text: &'a str, start: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(start))
}

#[expect(clippy::cast_precision_loss, reason = "exact for millions of years")]
fn seconds(ticks: u64) -> f64 {
    ticks as f64 / clock_ticks_per_second() as f64
}

#[cfg(test)]
mod tests {
    use super::ProcessUsage;

    #[test]
    fn fields_are_found_behind_a_name_with_spaces_and_parentheses() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 9 0 0 0 250 50 0 0 20 0 12 0 1000 4096 3 18446744073709551615";
        let limits = "Limit  Soft Limit  Hard Limit  Units\nMax open files            1024                 524288               files\n";
        let usage = ProcessUsage::of(stat, "cpu 1 2\nbtime 1700000000\n", limits);
        assert_eq!((usage.threads, usage.virtual_bytes), (Some(12), Some(4096)));
        assert_eq!((usage.cpu_seconds, usage.max_fds), (Some(3.0), Some(1024)));
        assert_eq!(usage.start_seconds, Some(1_700_000_010.0));
    }

    #[test]
    fn what_cannot_be_read_is_left_out() {
        assert_eq!(ProcessUsage::of("", "", ""), ProcessUsage::default());
        assert!(
            ProcessUsage::of("7 (a) S 1", "btime x", "Max open files unlimited").max_fds.is_none()
        );
    }
}
