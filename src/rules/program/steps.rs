//! What is done with a cell's text before anything is read from it: patterns
//! replaced, the text cut, its letters changed, its zeros given back.

use std::borrow::Cow;

use regex::{Regex, RegexBuilder};

use super::Fault;
use crate::model::{Code, Field, FieldKind, Stage, shown};
use crate::rules::convert::text::json_list;
use crate::rules::mapping::{Case, FieldRule, Part, Split};
use crate::rules::names::trim;
use crate::rules::problem::Problem;

/// Most digits that `pad` fills up to.
const MOST_DIGITS: u32 = 100;

/// The longest pattern, in bytes, and the most memory that one may take.
const LONGEST_PATTERN: usize = 1 << 10;
const LARGEST_PATTERN: usize = 1 << 20;

/// The longest text that is replaced in, or made by it, in bytes.
const LONGEST: usize = 64 << 10;

/// Groups that one replacement may name.
const MOST_GROUPS: usize = 20;

/// The steps of one field, in the order in which they are taken.
#[derive(Clone, Debug, Default)]
pub(super) struct Steps {
    /// Whether a JSON list stands for the values of a multi-select.
    takes_lists: bool,
    replace: Vec<(Regex, String)>,
    split: Option<Split>,
    case: Option<Case>,
    pad: Option<usize>,
    /// There are none: most fields have no steps, and every cell asks.
    is_empty: bool,
}

impl Steps {
    /// Makes the steps of a rule ready; what is wrong with them goes to `problems`.
    pub(super) fn new(field: &Field, rule: &FieldRule, problems: &mut Vec<Problem>) -> Self {
        check_split(field, rule, problems);
        if let Some(pad) = rule.pad.as_ref().filter(|pad| !(1..=MOST_DIGITS).contains(&pad.value)) {
            let message = format!("pad takes a number of digits from 1 to {MOST_DIGITS}");
            problems.push(Problem::at(pad.place, message));
        }
        let takes_lists = field.kind == FieldKind::MultiSelect;
        let rule_has_none =
            rule.replace.is_empty() && rule.split.is_none() && rule.case.is_none() && rule.pad.is_none();
        Self {
            takes_lists,
            replace: patterns(rule, problems),
            split: rule.split.as_ref().map(|split| split.value.clone()),
            case: rule.case.as_ref().map(|case| case.value),
            pad: rule.pad.as_ref().map(|pad| pad.value as usize),
            is_empty: !takes_lists && rule_has_none,
        }
    }

    /// Whether the text stays as it is.
    pub(super) fn is_empty(&self) -> bool {
        self.is_empty
    }

    /// The text after all steps; blanks at its ends are taken off again where
    /// the field says so.
    ///
    /// # Errors
    /// The text is too long for `replace`, or becomes so by it.
    pub(super) fn take<'r>(&self, text: Cow<'r, str>, trimmed: bool) -> Result<Cow<'r, str>, Fault> {
        if self.is_empty {
            return Ok(text);
        }
        let listed = self.takes_lists.then(|| json_list(&text)).flatten();
        let is_cut = listed.is_some();
        let mut text = listed.map_or(text, |values| Cow::Owned(values.join(";")));
        for (pattern, with) in &self.replace {
            if let Some(new) = replaced(pattern, &text, with)? {
                text = Cow::Owned(new);
            }
        }
        if let Some(split) = &self.split
            && !(is_cut && split.part == Part::All)
        {
            text = Cow::Owned(part_of(&text, split));
        }
        text = match self.case {
            Some(Case::Upper) => Cow::Owned(text.to_uppercase()),
            Some(Case::Lower) => Cow::Owned(text.to_lowercase()),
            Some(Case::Title) => Cow::Owned(title(&text)),
            None => text,
        };
        if trimmed && trim(&text).len() < text.len() {
            text = Cow::Owned(trim(&text).to_owned());
        }
        Ok(match self.pad {
            Some(digits) if text.len() < digits && is_digits(&text) => {
                Cow::Owned(format!("{text:0>digits$}"))
            }
            _ => text,
        })
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The text with every match replaced; none where nothing matches.
///
/// One search takes time in proportion to the text, but some patterns search
/// to the end for each match, so the text is bounded too.
fn replaced(pattern: &Regex, text: &str, with: &str) -> Result<Option<String>, Fault> {
    if text.len() > LONGEST {
        return Err(too_long());
    }
    if !pattern.is_match(text) {
        return Ok(None);
    }
    let (mut out, mut rest) = (String::with_capacity(text.len()), 0);
    for found in pattern.captures_iter(text) {
        let Some(whole) = found.get(0) else { continue };
        out.push_str(&text[rest..whole.start()]);
        found.expand(with, &mut out);
        rest = whole.end();
        if out.len() > LONGEST {
            return Err(too_long());
        }
    }
    out.push_str(&text[rest..]);
    Ok(Some(out))
}

fn too_long() -> Fault {
    let message = "longer than the 64 KiB that replace takes";
    Fault::new(Code::TooLong, Stage::Convert, message)
}

fn patterns(rule: &FieldRule, problems: &mut Vec<Problem>) -> Vec<(Regex, String)> {
    let mut ready = Vec::with_capacity(rule.replace.len());
    for (pattern, with) in &rule.replace {
        let text = &pattern.value;
        if text.is_empty() || text.len() > LONGEST_PATTERN {
            problems.push(Problem::at(pattern.place, "a pattern has between 1 and 1,024 characters"));
            continue;
        }
        if with.value.len() > LONGEST_PATTERN || with.value.matches('$').count() > MOST_GROUPS {
            let message = "what replaces a pattern has at most 1,024 characters and names 20 groups";
            problems.push(Problem::at(with.place, message));
            continue;
        }
        match RegexBuilder::new(text).size_limit(LARGEST_PATTERN).build() {
            Ok(regex) => {
                if let Some(group) = unknown_group(&regex, &with.value) {
                    let message = format!("the pattern has no group \"{}\"", shown(group));
                    let hint = "$1 is the first; where letters follow write ${1}, for the sign itself $$";
                    problems.push(Problem::at(with.place, message).hint(hint));
                }
                ready.push((regex, with.value.clone()));
            }
            Err(error) => problems.push(Problem::at(pattern.place, pattern_fault(&error))),
        }
    }
    ready
}

/// The first group that a replacement names and the pattern does not have; it
/// would be replaced by nothing.
fn unknown_group<'w>(regex: &Regex, with: &'w str) -> Option<&'w str> {
    let mut rest = with;
    while let Some(at) = rest.find('$') {
        rest = &rest[at + 1..];
        if let Some(behind) = rest.strip_prefix('$') {
            rest = behind;
            continue;
        }
        let name = match rest.strip_prefix('{') {
            Some(inner) => inner.split_once('}').map(|(name, _)| name)?,
            None => {
                let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
                &rest[..end]
            }
        };
        let is_known = match name.parse::<usize>() {
            Ok(number) => number < regex.captures_len(),
            Err(_) => regex.capture_names().flatten().any(|known| known == name),
        };
        // A sign that nothing follows stands for itself.
        if !name.is_empty() && !is_known {
            return Some(name);
        }
    }
    None
}

/// What is wrong with a pattern, without the drawing that the library makes.
fn pattern_fault(error: &regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(_) => "the pattern is too large".to_owned(),
        regex::Error::Syntax(words) => {
            let last = words.lines().last().unwrap_or_default().trim_start_matches("error: ");
            format!("the pattern does not read: {}", shown(last))
        }
        _ => "the pattern does not read".to_owned(),
    }
}

fn check_split(field: &Field, rule: &FieldRule, problems: &mut Vec<Problem>) {
    let Some(split) = &rule.split else { return };
    if split.value.by.is_empty() {
        let problem = Problem::at(split.place, "an empty text cuts nothing");
        problems.push(problem.hint("say what stands between two parts"));
    } else if split.value.part == Part::All && field.kind != FieldKind::MultiSelect {
        let message = format!("{} takes one value: say which part is meant", shown(&field.name));
        let by = shown(&split.value.by);
        problems.push(Problem::at(split.place, message).hint(format!("split: {{ by: \"{by}\", part: 1 }}")));
    }
}

/// What is taken of a text; blank where it has no such part.
fn part_of(text: &str, split: &Split) -> String {
    if let Part::From(first) = split.part {
        return rest_from(text, &split.by, first).trim().to_owned();
    }
    let parts: Vec<&str> = if is_blanks(&split.by) {
        text.split_whitespace().collect()
    } else {
        text.split(split.by.as_str()).map(trim).collect()
    };
    let one = match split.part {
        Part::All | Part::From(_) => return parts.join(";"),
        Part::One(number) => parts.get(number - 1),
        Part::Last(number) => parts.len().checked_sub(number).and_then(|at| parts.get(at)),
    };
    one.copied().unwrap_or_default().to_owned()
}

/// A blank, or several: they stand for any run of blanks. A tab or a line break
/// stands for itself.
fn is_blanks(by: &str) -> bool {
    by.chars().all(|c| c == ' ')
}

/// The part with this number and all behind it, as they stand in the text.
fn rest_from<'t>(text: &'t str, by: &str, first: usize) -> &'t str {
    let mut rest = text;
    for _ in 1..first {
        rest = if is_blanks(by) {
            let word = rest.trim_start();
            word.find(char::is_whitespace).map_or("", |at| word[at..].trim_start())
        } else {
            rest.split_once(by).map_or("", |(_, behind)| behind)
        };
    }
    rest
}

/// Each word with a capital first: `O'NEIL-SMITH` is `O'Neil-Smith`, `it's` is `It's`.
fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    // Letters of the word so far.
    let mut letters = 0;
    for c in text.chars() {
        let after_apostrophe = out.ends_with(['\'', '’']);
        if !c.is_alphanumeric() {
            // Behind one letter an apostrophe begins a name (O'Neil), behind more it does not.
            if !matches!(c, '\'' | '’') || letters == 1 {
                letters = 0;
            }
            out.push(c);
        } else if letters == 0 {
            out.extend(c.to_uppercase());
            letters = 1;
        } else {
            out.extend(c.to_lowercase());
            letters += usize::from(!after_apostrophe);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::{mapping, refusals};

    fn taken(keys: &str, text: &str) -> String {
        let mapping = mapping("", &format!("tags: {{ from: A, {keys} }}"));
        let field = Field::new("tags", FieldKind::MultiSelect);
        let mut problems = Vec::new();
        let steps = Steps::new(&field, &mapping.fields[0].1, &mut problems);
        assert_eq!(problems, []);
        steps.take(Cow::Borrowed(text), true).map_or_else(|fault| fault.message, Cow::into_owned)
    }

    #[test]
    fn texts_are_cut_into_parts() {
        for (keys, text, wanted) in [
            ("split: { by: ' ', part: 1 }", "Ada  King Lovelace", "Ada"),
            ("split: { by: ' ', part: -1 }", "Ada  King Lovelace", "Lovelace"),
            ("split: { by: ' ', part: 2- }", "Ada  King  Lovelace", "King  Lovelace"),
            ("split: { by: ' ', part: 4 }", "Ada King", ""),
            ("split: { by: ' ', part: -4 }", "Ada King", ""),
            ("split: { by: ' ', part: 4- }", "Ada King", ""),
            ("split: { by: ', ', part: 1 }", "King, Ada", "King"),
            ("split: { by: ',', part: 2- }", "a, b, c", "b, c"),
            ("split: ','", "Red, Green,Blue", "Red;Green;Blue"),
            ("split: { by: '|' }", "Red|Green", "Red;Green"),
            // A list of JSON Lines is cut already.
            ("split: ','", r#"["Red", "Green, dark", null, 7]"#, "Red;Green, dark;;7"),
            ("split: ','", r#"["Red",["Green"]]"#, r#"["Red";["Green"]]"#),
            ("case: lower", "[\"RED\"] ", "[\"red\"]"),
        ] {
            assert_eq!(taken(keys, text), wanted, "{keys} {text}");
        }
    }

    #[test]
    fn letters_are_changed_and_names_keep_their_shape() {
        for (case, text, wanted) in [
            ("upper", "straße", "STRASSE"),
            ("lower", "ÄBC", "äbc"),
            ("title", "ADA o'neil-SMITH", "Ada O'Neil-Smith"),
            ("title", "it's dell’aria d’angelo", "It's Dell’aria D’Angelo"),
            ("title", "3m uk ltd", "3m Uk Ltd"),
        ] {
            assert_eq!(taken(&format!("case: {case}"), text), wanted, "{case}");
        }
    }

    #[test]
    fn patterns_are_replaced_in_order_before_all_else() {
        for (keys, text, wanted) in [
            (r"replace: { '[^0-9+]': '' }", "+44 (0)20", "+44020"),
            (r"replace: { '^0': '+44', ' ': '' }", "020 7946", "+44207946"),
            (r"replace: { '(\w+), (\w+)': '$2 $1' }", "King, Ada", "Ada King"),
            (r"replace: { '(?i)ltd\.?$': '' }, case: upper", "Acme LTD.", "ACME"),
            (r"replace: { '[^0-9]': '' }, pad: 6", "no 12", "000012"),
            (r"replace: { x: '' }, pad: 6", "x", ""),
            (r"replace: { '\b': '|' }", "é a", "|é| |a|"),
            (r"replace: { LTD: Limited }, case: upper", "Acme LTD", "ACME LIMITED"),
            (r"replace: { '/': ',' }, split: { by: ',', part: 2 }", "a/b", "b"),
            (r"split: { by: ' x ', part: 1 }, case: upper", "a x b", "A"),
            (r"replace: { x: ' ' }, pad: 3", "x7", "007"),
            (r"replace: { '(B)(?P<t>T)': '${t}a$1$$ $' }", "BT", "TaB$ $"),
            (r"replace: { 'x*': '-' }", "ab", "-a-b-"),
        ] {
            assert_eq!(taken(keys, text), wanted, "{keys}");
        }
    }

    #[test]
    fn steps_that_cannot_be_meant_are_told_with_their_place() {
        let long = "x".repeat(1_025);
        for (keys, complaint) in [
            ("split: ','".to_owned(), "text takes one value: say which part is meant"),
            ("split: { by: '', part: 1 }".to_owned(), "an empty text cuts nothing"),
            ("replace: { '(': x }".to_owned(), "the pattern does not read: unclosed group"),
            ("replace: { '': x }".to_owned(), "a pattern has between 1 and 1,024 characters"),
            (format!("replace: {{ '{long}': x }}"), "a pattern has between 1 and 1,024 characters"),
            (r"replace: { '(\w{1000}){1000}': x }".to_owned(), "the pattern is too large"),
            ("replace: { '([0-9]+)': '$1a' }".to_owned(), "the pattern has no group \"1a\""),
            ("replace: { '(B)(T)': '$2_$1' }".to_owned(), "the pattern has no group \"2_\""),
            ("replace: { '(B)': '$2' }".to_owned(), "the pattern has no group \"2\""),
        ] {
            let refused = refusals("", &format!("name: N\n text: {{ from: A, {keys} }}"), &["N", "A"]);
            assert_eq!(refused, [format!("6: {complaint}")], "{keys}");
        }
    }

    #[test]
    fn a_hostile_text_or_pattern_takes_neither_time_nor_memory() {
        // Exponential for engines that go back.
        assert_eq!(taken("replace: { '^(a+)+$': x }", &format!("{}!", "a".repeat(50_000))).len(), 50_001);
        // A text that would be cut is refused, whatever the field takes.
        let told = "longer than the 64 KiB that replace takes";
        assert_eq!(taken(r"replace: { a: '$0$0$0$0$0$0$0$0$0$0' }", &"a".repeat(40_000)), told);
        assert_eq!(taken(r"replace: { b: x }", &"a".repeat(70_000)), told);
        let many = format!("name: N\n text: {{ from: A, replace: {{ x: '{}' }} }}", "$0".repeat(21));
        let refused = refusals("", &many, &["N", "A"]);
        assert_eq!(refused, ["6: what replaces a pattern has at most 1,024 characters and names 20 groups"]);
    }

    #[test]
    fn only_blanks_stand_for_any_run_of_blanks() {
        let text = "12 High Street\nNew York\tUSA";
        for (keys, wanted) in [
            (r#"split: { by: "\n", part: 1 }"#, "12 High Street"),
            (r#"split: { by: "\n", part: -1 }"#, "New York\tUSA"),
            (r#"split: { by: "\t", part: 2- }"#, "USA"),
            (r#"split: { by: " ", part: -1 }"#, "USA"),
        ] {
            assert_eq!(taken(keys, text), wanted, "{keys}");
        }
    }
}
