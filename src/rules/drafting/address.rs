//! What a mapping calls each column of a file: by its header, or by its
//! number where the header is blank or stands twice.

use std::collections::HashMap;

use super::yaml::scalar;
use crate::model::Header;
use crate::rules::names::{folded, is_invisible, trim};

/// A written name longer than this, in bytes, helps nobody; and a mapping file
/// takes no more than a megabyte.
const LONGEST: usize = 120;

/// The name under which a mapping finds each column; `None` where there is
/// none, because another column is called like its number.
pub fn addresses(header: &Header) -> Vec<Option<String>> {
    let names: Vec<String> = header.columns.iter().map(|column| folded(&column.name).into_owned()).collect();
    let mut alike: HashMap<&str, usize> = HashMap::new();
    names.iter().for_each(|name| *alike.entry(name).or_default() += 1);
    let mut met: HashMap<&str, usize> = HashMap::new();
    let mut all = Vec::with_capacity(names.len());
    for (at, (name, column)) in names.iter().zip(&header.columns).enumerate() {
        let nth = met.entry(name).or_default();
        *nth += 1;
        let seen = visible(&column.name);
        let own = match alike.get(name.as_str()) {
            _ if name.is_empty() || scalar(&seen).len() > LONGEST => None,
            Some(1) => Some(seen),
            _ => {
                Some(format!("{seen}#{nth}")).filter(|written| !alike.contains_key(folded(written).as_ref()))
            }
        };
        let numbered = || Some(format!("#{}", at + 1)).filter(|number| !alike.contains_key(number.as_str()));
        all.push(own.or_else(numbered));
    }
    all
}

/// A header as it is seen: on one line, without what no eye sees. It is found
/// by this as by itself.
fn visible(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in trim(name).chars().filter(|c| !is_invisible(*c)) {
        match c {
            c if !c.is_whitespace() => out.push(c),
            _ if out.ends_with(' ') => {}
            _ => out.push(' '),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rules::problem::{Located, Place};
    use crate::rules::program::resolve;
    use crate::rules::testing::header;

    fn of(names: &[&str]) -> Vec<Option<String>> {
        addresses(&header(names))
    }

    #[test]
    fn twins_and_blanks_are_called_by_number() {
        let some = |texts: &[&str]| texts.iter().map(|&text| Some(text.to_owned())).collect::<Vec<_>>();
        assert_eq!(of(&["Name", "", " name "]), some(&["Name#1", "#2", "name#2"]));
        assert_eq!(of(&["Street\nname", "\u{A0}\u{200B}Town"]), some(&["Street name", "Town"]));
        assert_eq!(of(&[&"x".repeat(500)]), some(&["#1"]));
        // Names that look like numbers are names.
        assert_eq!(of(&["#2", ""]), [Some("#2".to_owned()), None]);
        assert_eq!(of(&["a", "a", "a#1"]), some(&["#1", "a#2", "a#1"]));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_mapping_finds_each_column_by_the_name_that_is_written(
            names in prop::collection::vec(prop_oneof![any::<String>(), "[ab#1-3 \u{200B}\u{A0}]{0,4}"], 0..12)
        ) {
            let header = header(&names.iter().map(String::as_str).collect::<Vec<_>>());
            for (at, address) in addresses(&header).into_iter().enumerate() {
                let Some(address) = address else { continue };
                let mut problems = Vec::new();
                let found = resolve(&[Located::new(Place::default(), address.clone())], &header, &mut problems);
                prop_assert_eq!(found, Some(vec![at]), "{} {:?}", address, names);
            }
        }
    }
}
