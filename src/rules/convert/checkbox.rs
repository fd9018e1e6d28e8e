//! Words for yes and no.

/// Reads one of the ten words that the field's other tools take, in any case.
///
/// `1 true yes y on` and `0 false no n off` (source: data traps, "Booleans").
pub fn read(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "y" | "on" => Some(true),
        "0" | "false" | "no" | "n" | "off" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn ten_words_and_no_more() {
        for word in ["1", "TRUE", "Yes", "y", "on"] {
            assert_eq!(read(word), Some(true), "{word}");
        }
        for word in ["0", "False", "no", "N", "OFF"] {
            assert_eq!(read(word), Some(false), "{word}");
        }
        for word in ["", "2", "x", "ja", "t", "-1"] {
            assert_eq!(read(word), None, "{word}");
        }
    }
}
