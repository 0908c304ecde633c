//! Gives the files of one archive unique names.

use std::collections::{HashMap, HashSet};

use crate::http::download;
use crate::model::job::Plan;

/// The names that were given so far.
#[derive(Default)]
pub(super) struct Names {
    given: HashSet<String>,
    /// How many results had each name, in lower case.
    copies: HashMap<String, usize>,
}

impl Names {
    /// The name of a result: the one under which it is downloaded alone, with a number if it is taken. Case is ignored,
    /// since Windows and macOS take names that differ only in case for equal.
    pub(super) fn give(&mut self, plan: &Plan) -> String {
        let alone = download::result_name(plan, 1).to_lowercase();
        let copies = self.copies.entry(alone).or_default();
        loop {
            *copies += 1;
            let name = download::result_name(plan, *copies);
            // Long names are truncated, which may make two of them equal.
            if self.given.insert(name.to_lowercase()) {
                return name;
            }
        }
    }
}
