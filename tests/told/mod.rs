//! Metrics, as a server tells them and as docs/operations.md has them.

use std::collections::{BTreeMap, BTreeSet};

/// Type and labels of each metric, by name.
pub type Metrics = BTreeMap<String, (String, BTreeSet<String>)>;

/// What is in the text of a server.
pub fn served(text: &str) -> Metrics {
    let mut metrics = Metrics::new();
    for line in text.lines() {
        if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|of| of.split_once(' ')) {
            metrics.insert(name.to_owned(), (kind.to_owned(), BTreeSet::new()));
        } else if !line.starts_with('#') {
            let series = line.rsplit_once(' ').expect("a series and its value").0;
            // Those of one metric come behind its type.
            let name = series.split('{').next().unwrap_or_default();
            let of = |metric: &&String| name.starts_with(metric.as_str());
            let metric = metrics.keys().filter(of).max_by_key(|metric| metric.len()).cloned();
            let metric = metric.unwrap_or_else(|| panic!("no type of {series}"));
            metrics.get_mut(&metric).expect("it is there").1.extend(labels(series));
        }
    }
    metrics
}

/// The names of the labels of a series. None of the values that are told contains what looks like a label.
fn labels(series: &str) -> impl Iterator<Item = String> {
    let parts = series.split("=\"").collect::<Vec<_>>();
    let names = parts[..parts.len() - 1].iter().map(|part| {
        let start = part.rfind(['{', ',']).map_or(0, |at| at + 1);
        part[start..].to_owned()
    });
    names.filter(|name| name != "le").collect::<Vec<_>>().into_iter()
}

/// What is in the table.
pub fn documented() -> Metrics {
    let text = include_str!("../../docs/operations.md");
    let table = text.split("\n## Numbers\n").nth(1).expect("it has numbers");
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `"));
    let row = |row: &str| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [name, kind, labels, unit, of, meaning, ""] = cells[..] else {
            panic!("not six columns: {row}")
        };
        let name = name.trim_matches('`').to_owned();
        assert!(["server", "mill"].contains(&of) && !meaning.is_empty(), "{row}");
        let stem = name.trim_end_matches("_total");
        let suffix = ["seconds", "bytes"].into_iter().find(|unit| stem.ends_with(unit));
        assert_eq!(suffix.unwrap_or(""), unit, "{row}");
        let labels = labels.split(", ").filter(|label| !label.is_empty()).map(String::from);
        (name, (kind.to_owned(), labels.collect()))
    };
    rows.map(row).collect()
}
