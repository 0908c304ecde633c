//! The rules that values follow: how they are written beside a key, and how one is found broken.

use super::kind::Kind;

/// What is accepted: of a value, or of a section for the sake of one of its values.
pub(super) struct Rule<T> {
    holds: Box<dyn Fn(&T) -> bool>,
    text: String,
}

/// A value that breaks a rule.
#[derive(Debug)]
pub(super) struct Violation {
    pub(super) key: &'static str,
    pub(super) value: String,
    /// What is accepted, in words.
    pub(super) text: String,
}

/// No value below `least`.
pub(super) fn at_least<T: Kind + PartialOrd + 'static>(least: T) -> Rule<T> {
    let text = format!("it must be at least {}", least.bound());
    that(move |value| *value >= least, &text)
}

/// Values from `least` to `most`.
pub(super) fn within<T: Kind + PartialOrd + 'static>(least: T, most: T) -> Rule<T> {
    let text = format!("it must be from {} to {}", least.bound(), most.bound());
    that(move |value| (&least..=&most).contains(&value), &text)
}

/// An upper bound for counts, such as of partitions, copies, attempts, jobs and uploads: more than any machine or
/// cluster can use.
pub(super) fn many<T: From<u16>>() -> T {
    10_000.into()
}

/// Values for which `holds` is true.
pub(super) fn that<T>(holds: impl Fn(&T) -> bool + 'static, text: &str) -> Rule<T> {
    Rule { holds: Box::new(holds), text: text.to_owned() }
}

impl<T> Rule<T> {
    /// Adds a reason to the words.
    pub(super) fn because(mut self, reason: &str) -> Self {
        self.text = format!("{}: {reason}", self.text);
        self
    }

    /// What is accepted, in words.
    pub(super) fn words(self) -> String {
        self.text
    }

    /// Looks at `subject`; the violation, if there is one, is that of the key with this value.
    pub(super) fn check(
        self,
        subject: &T,
        key: &'static str,
        value: &impl Kind,
    ) -> Option<Violation> {
        let holds = (self.holds)(subject);
        (!holds).then(|| Violation { key, value: value.quoted(), text: self.text })
    }
}
