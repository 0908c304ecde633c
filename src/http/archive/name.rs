//! The names of files within one archive, of which no two are the same.

use std::collections::{HashMap, HashSet};

use crate::http::download;
use crate::model::job::Plan;

/// The names that were given so far.
#[derive(Default)]
pub(super) struct Names {
    given: HashSet<String>,
    /// How many results have had a name.
    copies: HashMap<String, usize>,
}

impl Names {
    /// The name of a result: the one under which it is downloaded alone, with a number if another has that already. Names
    /// that differ only in case are the same to Windows and macOS.
    pub(super) fn give(&mut self, plan: &Plan) -> String {
        let alone = download::result_name(plan, 1).to_lowercase();
        let copies = self.copies.entry(alone).or_default();
        loop {
            *copies += 1;
            let name = download::result_name(plan, *copies);
            // Long names are cut, which may make two of them the same.
            if self.given.insert(name.to_lowercase()) {
                return name;
            }
        }
    }
}
