//! Numbers as people read them.

/// A number with thousands separators: `12,480`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 row`, `2 rows`.
pub fn count(number: u64, one: &str, more: &str) -> String {
    format!("{} {}", thousands(number), if number == 1 { one } else { more })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_people_read_them() {
        assert_eq!(
            [0, 999, 1_000, 12_480, 1_000_000].map(thousands),
            ["0", "999", "1,000", "12,480", "1,000,000"]
        );
        assert_eq!(count(1, "row", "rows"), "1 row");
        assert_eq!(count(1_200, "row", "rows"), "1,200 rows");
    }
}
