//! The columns of the file, in their order and under the user's own headers.

use std::collections::HashMap;

use crate::model::Header;
use crate::rules::names::folded;

/// A column to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    /// What stands in the header.
    pub header: String,
    /// Which column of the mapping it is.
    pub column: usize,
}

/// The columns that are written, as the mapping names them. Where it names all of some that are
/// called alike by their number (`Name#1`, `Name#2`) and a file may have such columns, they get
/// their name without the number, in the order of the numbers.
pub(super) fn placed(header: &Header, mut written: Vec<usize>, may_be_alike: bool) -> Vec<Placed> {
    written.sort_unstable();
    written.dedup();
    let name = |column: usize| header.columns.get(column).map_or("", |column| column.name.as_str());
    let mut placed: Vec<Placed> =
        written.into_iter().map(|column| Placed { header: name(column).to_owned(), column }).collect();
    if !may_be_alike {
        return placed;
    }
    let mut alike: HashMap<String, Vec<(usize, usize)>> = HashMap::new();
    for (at, column) in placed.iter().enumerate() {
        if let Some((name, number)) = numbered(&column.header) {
            alike.entry(folded(name).into_owned()).or_default().push((number, at));
        }
    }
    for mut group in alike.into_values().filter(|group| group.len() > 1) {
        let places: Vec<usize> = group.iter().map(|(_, at)| *at).collect();
        group.sort_unstable();
        if group.iter().map(|(number, _)| *number).ne(1..=group.len()) {
            continue;
        }
        let columns: Vec<usize> =
            group.iter().filter_map(|(_, at)| placed.get(*at)).map(|placed| placed.column).collect();
        for (at, column) in places.into_iter().zip(columns) {
            if let (Some(placed), Some((name, _))) = (placed.get_mut(at), numbered(name(column))) {
                *placed = Placed { header: name.trim_end().to_owned(), column };
            }
        }
    }
    placed
}

/// `Name#2` is a name and a number.
fn numbered(header: &str) -> Option<(&str, usize)> {
    let (name, number) = header.rsplit_once('#')?;
    let number = number.trim().parse().ok()?;
    (!name.trim().is_empty()).then_some((name, number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::header;

    fn headers(names: &[&str], may_be_alike: bool) -> Vec<(String, usize)> {
        let placed = placed(&header(names), (0..names.len()).rev().collect(), may_be_alike);
        placed.into_iter().map(|placed| (placed.header, placed.column)).collect()
    }

    #[test]
    fn columns_that_are_called_alike_stand_in_the_order_of_their_numbers() {
        let of = |names: &[(&str, usize)]| -> Vec<(String, usize)> {
            names.iter().map(|(name, at)| ((*name).to_owned(), *at)).collect()
        };
        assert_eq!(
            headers(&["A", "Tel#2", "B", "Tel#1"], true),
            of(&[("A", 0), ("Tel", 3), ("B", 2), ("Tel", 1)])
        );
        assert_eq!(headers(&["Tel#2", "Tel#1"], false), of(&[("Tel#2", 0), ("Tel#1", 1)]));
        // A column may well be called so.
        assert_eq!(headers(&["Ref#2", "#3"], true), of(&[("Ref#2", 0), ("#3", 1)]));
        assert_eq!(headers(&["Tel#2", "Tel#3"], true), of(&[("Tel#2", 0), ("Tel#3", 1)]));
    }
}
