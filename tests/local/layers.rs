//! Modules use only those below them in the list of `src/lib.rs`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The place of each module in the list, from above. Those on one line share one.
fn places() -> BTreeMap<String, usize> {
    let mut places = BTreeMap::new();
    let listed = include_str!("../../src/lib.rs").lines().filter(|line| line.starts_with("//! - "));
    for (place, line) in listed.enumerate() {
        let (modules, _) = line.split_once(": ").expect("a module is described after a colon");
        let names = modules.split('`').skip(1).step_by(2);
        places.extend(names.map(|name| (name.to_owned(), place)));
    }
    places
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] });
    files.filter(|path| path.extension().is_some_and(|ending| ending == "rs")).collect()
}

/// The modules that a source names after `crate::`, outside comments.
fn used(source: &str) -> Vec<String> {
    let code = source.lines().map(|line| line.split("//").next().unwrap_or_default());
    let code = code.collect::<Vec<_>>().join("\n");
    let word = |text: &str| -> String {
        text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    let uses = code.split("crate::").skip(1).flat_map(|rest| match rest.strip_prefix('{') {
        Some(list) => {
            list.split('}').next().unwrap_or_default().split(',').map(str::trim).collect()
        }
        None => vec![rest],
    });
    uses.map(word).filter(|name| name.starts_with(char::is_lowercase)).collect()
}

#[test]
fn no_module_uses_one_above_it() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let places = places();
    let mut wrong = Vec::new();
    for path in sources(&src) {
        let inside = path.strip_prefix(&src).unwrap();
        let module = inside.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs");
        // The raster core is a crate of its own; `lib` and `main` are above all.
        if ["raster", "lib", "main"].contains(&module) {
            continue;
        }
        let place =
            places.get(module).unwrap_or_else(|| panic!("src/lib.rs does not list {module}"));
        for name in used(&fs::read_to_string(&path).unwrap()) {
            let below = places.get(&name).is_some_and(|other| other > place);
            if name != module && !below {
                wrong.push(format!("{} uses {name}", inside.display()));
            }
        }
    }
    assert_eq!(wrong, [""; 0]);
}
