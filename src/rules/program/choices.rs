//! A closed set of values, found by how people write them.

use std::collections::{HashMap, HashSet};

use crate::model::Number;
use crate::rules::names::{folded, trim};
use crate::rules::nearest::nearest;

/// So many values are compared sooner than one is hashed.
const SHORT: usize = 16;

/// Values in their order. Case, blanks at the ends and characters that nobody
/// sees do not count; of values that differ only so, the exact one is found.
#[derive(Clone, Debug, Default)]
pub struct Choices {
    ordered: Vec<String>,
    /// How each begins and how long it is: compared sooner than the texts.
    marks: Vec<u64>,
    exact: HashSet<String>,
    by_folded: HashMap<String, usize>,
}

impl Choices {
    /// The choices of a list.
    pub fn new(values: impl IntoIterator<Item = String>) -> Self {
        let mut choices = Self::default();
        for value in values {
            choices.by_folded.entry(folded(&value).into_owned()).or_insert(choices.ordered.len());
            choices.exact.insert(value.clone());
            choices.marks.push(mark(&value));
            choices.ordered.push(value);
        }
        choices
    }

    /// The choice that a text means, in its own spelling.
    pub fn find(&self, text: &str) -> Option<&str> {
        let exact = match self.ordered.len() {
            0..=SHORT => self.ordered.iter().find(|known| *known == text),
            _ => self.exact.get(text),
        };
        exact
            .map(String::as_str)
            .or_else(|| self.ordered.get(*self.by_folded.get(folded(text).as_ref())?).map(String::as_str))
    }

    /// Whether a text is one of the choices to the letter.
    pub fn has(&self, text: &str) -> bool {
        match self.ordered.len() {
            0..=SHORT => {
                let marks = self.marks.iter().zip(&self.ordered);
                let wanted = mark(text);
                marks.into_iter().any(|(mark, known)| *mark == wanted && known == text)
            }
            _ => self.exact.contains(text),
        }
    }

    /// Whether one of the choices is this number in whatever notation (`5.0`).
    pub(super) fn has_number(&self, number: &str) -> bool {
        let Some(wanted) = Number::parse(number) else { return false };
        self.all().any(|choice| Number::parse(trim(choice)).is_some_and(|choice| choice == wanted))
    }

    /// Every choice, in order.
    pub fn all(&self) -> impl Iterator<Item = &str> {
        self.ordered.iter().map(String::as_str)
    }

    /// The choice that a mistyped text is most like; of equals the first in order.
    pub fn nearest(&self, text: &str) -> Option<&str> {
        nearest(text, self.ordered.iter().map(String::as_str))
    }
}

/// The first seven bytes of a text, and its length as far as a byte shows it.
fn mark(text: &str) -> u64 {
    let bytes = text.as_bytes();
    let mut mark = [0; 8];
    match bytes.first_chunk::<7>() {
        Some(first) => mark[..7].copy_from_slice(first),
        None => mark[..bytes.len()].copy_from_slice(bytes),
    }
    mark[7] = bytes.len() as u8;
    u64::from_le_bytes(mark)
}

#[cfg(test)]
mod tests {
    use super::Choices;

    fn choices(values: &[&str]) -> Choices {
        Choices::new(values.iter().map(|&value| value.to_owned()))
    }

    #[test]
    fn a_value_is_found_in_any_dress_and_given_in_its_own() {
        let list = choices(&["Customer ", "Zoë & Co"]);
        assert_eq!(list.find(" CUSTOMER"), Some("Customer "));
        assert_eq!(list.find("zoe\u{308} & co"), Some("Zoë & Co"));
        assert_eq!(list.find("Custmer"), None);
    }

    #[test]
    fn of_values_that_differ_only_in_case_the_exact_one_is_found_else_the_first() {
        let list = choices(&["UK", "uk", "Uk"]);
        assert_eq!([list.find("uk"), list.find("UK"), list.find("uK")], [Some("uk"), Some("UK"), Some("UK")]);
    }

    #[test]
    fn values_that_begin_alike_are_told_apart() {
        let list = choices(&["Consumer Staples", "Consumer Discretionary", "Zoë", ""]);
        for known in ["Consumer Staples", "Consumer Discretionary", "Zoë", ""] {
            assert!(list.has(known), "{known}");
        }
        for other in ["Consumer Stapled", "Consumer", "Zo\u{eb}\0", "zoë"] {
            assert!(!list.has(other), "{other}");
        }
    }

    #[test]
    fn the_nearest_of_equals_is_always_the_same() {
        let list = choices(&["Type B", "Type A", "Type C"]);
        for _ in 0..20 {
            assert_eq!(choices(&["Type B", "Type A", "Type C"]).nearest("Type X"), list.nearest("Type X"));
        }
        assert_eq!(list.nearest("Type X"), Some("Type B"));
    }
}
