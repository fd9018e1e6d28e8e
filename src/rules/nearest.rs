//! The nearest name to a mistyped one.

/// How alike two names must be before one is suggested for the other.
const ALIKE: f64 = 0.75;

/// The longest text that can be a mistyped name, in bytes. Comparing two texts
/// costs the product of their lengths, and a cell may hold a megabyte.
const LONGEST: usize = 200;

/// Of `names`, the one most like `wanted`, if it is like enough to suggest; of
/// several alike, the first.
pub fn nearest<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = wanted.trim();
    if wanted.is_empty() || wanted.len() > LONGEST {
        return None;
    }
    let wanted = wanted.to_lowercase();
    let mut best: Option<(f64, &str)> = None;
    for name in names.into_iter().filter(|name| name.len() <= LONGEST) {
        let score = likeness(&wanted, &name.to_lowercase());
        if score >= ALIKE && best.is_none_or(|(so_far, _)| score > so_far) {
            best = Some((score, name));
        }
    }
    best.map(|(_, name)| name)
}

/// From 0 (nothing in common) to 1 (the same); both in lower case.
fn likeness(a: &str, b: &str) -> f64 {
    let swapped_letters_allowed = strsim::normalized_damerau_levenshtein(a, b);
    // A common beginning counts for more in names of many words.
    swapped_letters_allowed.max(strsim::jaro_winkler(a, b) - 0.1)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn suggests_the_name_that_was_meant() {
        let fields = ["name", "addresscity", "addresscountry", "phone", "type"];
        assert_eq!(nearest("adresscity", fields), Some("addresscity"));
        assert_eq!(nearest("Phnoe", fields), Some("phone"));
        assert_eq!(nearest("TYPE ", fields), Some("type"));
        assert_eq!(nearest("zzz", fields), None);
        assert_eq!(nearest("", fields), None);
        assert_eq!(nearest(&"x".repeat(1 << 20), ["x", &"x".repeat(1 << 20)]), None);
        assert_eq!(nearest("Custmer", ["Customer", "Prospect"]), Some("Customer"));
        assert_eq!(nearest("Prospct", ["Customer", "Prospect"]), Some("Prospect"));
    }
}
