//! Headers as plain words: how two names are compared that people write in
//! different ways (`E-Mail`, `eMail`, `e_mail`; `Straße`, `Strasse`).

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::rules::names::folded;

/// The most characters of a header that are looked at: a name is never longer.
const LONGEST: usize = 120;

/// Two words must be at least this long before one can be the other mistyped.
const SHORTEST_SLIP: usize = 5;

/// How alike two words must be to be one word mistyped.
const ALIKE: f64 = 0.8;

/// A name in plain words: lower case, without accents and punctuation, one
/// blank between words. `ä` is `ae`, as Germans write it where they must.
pub fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut before = ' ';
    let begun: String = text.chars().take(LONGEST).collect();
    for c in begun.nfc().flat_map(unaccented) {
        if !c.is_alphanumeric() {
            if !matches!(c, '\'' | '\u{2019}') {
                before = ' ';
            }
            continue;
        }
        // `FirstName` and `address2` are two words.
        let word_begins = before == ' '
            || (before.is_lowercase() && c.is_uppercase())
            || before.is_ascii_digit() != c.is_ascii_digit();
        if word_begins && !out.is_empty() {
            out.push(' ');
        }
        out.extend(c.to_lowercase());
        before = c;
    }
    out
}

/// A character without its accent; umlauts as two letters.
fn unaccented(c: char) -> Vec<char> {
    let pair = match c {
        'ä' => "ae",
        'ö' => "oe",
        'ü' => "ue",
        'Ä' => "Ae",
        'Ö' => "Oe",
        'Ü' => "Ue",
        'ß' => "ss",
        c if c.is_ascii() => return vec![c],
        c => return c.nfd().filter(|c| !is_combining_mark(*c)).collect(),
    };
    pair.chars().collect()
}

/// Plain words without the blanks between them.
pub fn squeezed(plain: &str) -> String {
    plain.chars().filter(|c| *c != ' ').collect()
}

/// A header's ways to be read.
#[derive(Clone, Debug)]
pub struct Heading {
    /// As names are compared everywhere.
    pub folded: String,
    /// In plain words.
    pub plain: String,
    /// The same without what stands in parentheses: `Umsatz (€)`.
    pub bare: String,
}

impl Heading {
    /// Reads a header.
    pub fn new(text: &str) -> Self {
        let begun: String = text.chars().take(4 * LONGEST).collect();
        let plain_text = plain(&begun);
        let bare = plain(&without_parentheses(&begun));
        let bare = if bare.is_empty() { plain_text.clone() } else { bare };
        Self { folded: folded(&begun).into_owned(), plain: plain_text, bare }
    }

    /// Whether nothing of it can be read.
    pub fn is_empty(&self) -> bool {
        self.plain.is_empty()
    }
}

fn without_parentheses(text: &str) -> String {
    let mut depth = 0_u32;
    text.chars()
        .filter(|c| {
            match c {
                '(' | '[' | '{' => depth += 1,
                ')' | ']' | '}' => {
                    depth = depth.saturating_sub(1);
                    return false;
                }
                _ => {}
            }
            depth == 0
        })
        .collect()
}

/// A word as it is compared inside a longer name: `years` is `year`, `two` is `2`.
pub fn stem(word: &str) -> &str {
    match word {
        "one" | "eins" => "1",
        "two" | "zwei" => "2",
        "three" | "drei" => "3",
        "four" | "vier" => "4",
        "five" | "fuenf" => "5",
        word if word.len() > 3 && word.ends_with('s') && !word.ends_with("ss") => &word[..word.len() - 1],
        word => word,
    }
}

/// How much one squeezed name is the other mistyped, from 0 to 1; `None` where
/// they are not alike enough to suppose it.
pub fn slip(a: &str, b: &str) -> Option<f64> {
    let (long, short) = if a.len() >= b.len() { (a, b) } else { (b, a) };
    // Hardly anybody mistypes a first letter; and a length this far off is another word.
    let same_start = a.bytes().next() == b.bytes().next();
    if short.len() < SHORTEST_SLIP || !same_start || short.len() * 5 < long.len() * 4 {
        return None;
    }
    let likeness = strsim::normalized_damerau_levenshtein(a, b);
    (likeness >= ALIKE).then_some(likeness)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_in_many_spellings_is_the_same_words() {
        for (written, wanted) in [
            ("E-Mail", "e mail"),
            ("  First_Name* ", "first name"),
            ("firstName", "first name"),
            ("Téléphone", "telephone"),
            ("STRASSE", "strasse"),
            ("Straße", "strasse"),
            ("Schlüsselkunde", "schluesselkunde"),
            ("Schlu\u{308}sselkunde", "schluesselkunde"),
            ("Address2", "address 2"),
            ("2-Year Policy", "2 year policy"),
            ("Customer's ref", "customers ref"),
            ("addresscounty/state", "addresscounty state"),
            ("€", ""),
            ("名前", "名前"),
        ] {
            assert_eq!(plain(written), wanted, "{written}");
        }
        assert_eq!(squeezed("e mail"), "email");
        assert_eq!(Heading::new("Umsatz (€, netto)").bare, "umsatz");
        assert_eq!(Heading::new("(leer)").bare, "leer");
    }

    #[test]
    fn a_slip_is_seen_and_another_word_is_not() {
        assert!(slip("telphone", "telephone").is_some());
        assert!(slip("compnay", "company").is_some());
        for (a, b) in [("city", "cit"), ("tate", "date"), ("street", "streetname"), ("", "")] {
            assert!(slip(a, b).is_none(), "{a} {b}");
        }
    }

    #[test]
    fn words_inside_a_name_are_compared_without_their_plural() {
        assert_eq!(["two", "years", "address", "is"].map(stem), ["2", "year", "address", "is"]);
    }

    #[test]
    fn a_header_of_a_megabyte_is_cut_before_it_is_looked_at() {
        let heading = Heading::new(&"ä (".repeat(1 << 18));
        assert!(heading.plain.len() < 1_000 && heading.folded.len() < 4_000);
    }
}
