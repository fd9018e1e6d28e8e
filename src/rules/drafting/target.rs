//! How well a header alone means a field.

use super::usage::{Headers, Strength, is_no_slip, is_qualifier, own_words};
use super::words::{Heading, slip, squeezed, stem};
use crate::model::{Field, shown};

/// Why a header is taken to mean a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// It is the field's name.
    Name,
    /// It is the field's name in another spelling.
    NameAlike,
    /// It is the field's label.
    Label(String),
    /// It is the field's label in another spelling.
    LabelAlike(String),
    /// People usually call it so.
    Usual,
    /// People sometimes call it so.
    Weak,
    /// It is made of the first letters of the label.
    Initials(String),
    /// It is a part of the name or label.
    PartOf(String),
    /// It ends with the name, label or a usual header.
    EndsWith(String),
    /// It is like the name, label or a usual header.
    Like(String),
    /// The header says nothing, the cells do.
    Cells,
    /// No header says it, and only these cells look like names.
    Names,
}

impl Why {
    /// A few words for a comment.
    pub fn words(&self) -> String {
        let quoted = |text: &String| format!("\"{}\"", shown(text).cut(60));
        match self {
            Self::Name => "the field's name".to_owned(),
            Self::NameAlike => "the field's name in another spelling".to_owned(),
            Self::Label(label) => format!("the label {}", quoted(label)),
            Self::LabelAlike(label) => format!("the label {} in another spelling", quoted(label)),
            Self::Usual => "a usual header for it".to_owned(),
            Self::Weak => "a header that can mean it".to_owned(),
            Self::Initials(label) => format!("the initials of {}", quoted(label)),
            Self::PartOf(label) => format!("a part of {}", quoted(label)),
            Self::EndsWith(label) => format!("it ends with {}", quoted(label)),
            Self::Like(label) => format!("like {}", quoted(label)),
            Self::Cells => "the header does not say, the cells do".to_owned(),
            Self::Names => "no header says so, but only these cells are all filled and different".to_owned(),
        }
    }
}

/// What a header says about a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// From 0 to 100.
    pub score: u8,
    /// Why.
    pub why: Why,
}

impl Said {
    fn new(score: u8, why: Why) -> Option<Self> {
        Some(Self { score, why })
    }
}

/// A header that is likely right whatever the cells look like.
pub const EXACT: u8 = 95;

/// A field as headers are held against it.
#[derive(Debug)]
pub struct Target<'d> {
    /// The field.
    pub field: &'d Field,
    name: Heading,
    label: Option<Heading>,
    initials: Option<String>,
    headers: Headers,
    own: Vec<String>,
    /// Name and label.
    whole: Vec<Known>,
    /// Name, label and what people usually write.
    usual: Vec<Known>,
}

/// A name in plain words, with and without the blanks.
#[derive(Clone, Debug)]
struct Known {
    plain: String,
    squeezed: String,
}

impl Known {
    fn new(plain: &str) -> Self {
        Self { plain: plain.to_owned(), squeezed: squeezed(plain) }
    }
}

impl<'d> Target<'d> {
    /// Makes a field of an object ready.
    pub fn new(object: &str, field: &'d Field) -> Self {
        let label = field.label.as_deref().map(Heading::new).filter(|label| !label.is_empty());
        let initials =
            label.as_ref().map(|label| initials(&label.plain)).filter(|letters| letters.len() >= 3);
        let (name, headers) =
            (Heading::new(&field.name), Headers::of_field(object, &field.name, field.label.as_deref()));
        let whole = label.iter().chain([&name]).map(|heading| Known::new(&heading.plain));
        let whole: Vec<Known> = whole.filter(|known| !known.plain.is_empty()).collect();
        let usual =
            whole.iter().cloned().chain(headers.usual.iter().map(|plain| Known::new(plain))).collect();
        Self { field, name, headers, own: own_words(object), label, initials, whole, usual }
    }

    /// What the header says about this field; `None` where it says nothing.
    pub fn heard(&self, heading: &Heading) -> Option<Said> {
        let known = self.known(heading);
        match &known {
            Some(said) if said.score >= EXACT => known,
            // `Account id` in another system's export is hardly this CRM's id.
            _ if self.field.name == "id" || heading.is_empty() => known,
            _ => known.into_iter().chain(self.partly(&heading.bare)).max_by_key(|said| said.score),
        }
    }

    /// The same without parts of names and names that are only alike.
    pub fn known(&self, heading: &Heading) -> Option<Said> {
        if heading.is_empty() {
            return None;
        }
        if heading.folded == self.name.folded {
            return Said::new(100, Why::Name);
        }
        let label = self.field.label.clone().unwrap_or_default();
        if self.label.as_ref().is_some_and(|known| known.folded == heading.folded) {
            return Said::new(98, Why::Label(label));
        }
        let exact = self.exact(&squeezed(&heading.plain));
        if exact.is_some() || self.field.name == "id" { exact } else { self.reworded(heading) }
    }

    /// A squeezed header that is the name, the label or a header of the table.
    fn exact(&self, header: &str) -> Option<Said> {
        let label = || self.field.label.clone().unwrap_or_default();
        // The label stands before the name, where there is one.
        match self.whole.iter().rposition(|known| known.squeezed == header) {
            Some(at) if at + 1 == self.whole.len() => return Said::new(97, Why::NameAlike),
            Some(_) => return Said::new(96, Why::LabelAlike(label())),
            None => {}
        }
        match self.headers.strength(header) {
            Some(Strength::Usual) => Said::new(92, Why::Usual),
            Some(Strength::Weak) => Said::new(76, Why::Weak),
            None if self.initials.as_deref() == Some(header) => Said::new(85, Why::Initials(label())),
            None => None,
        }
    }

    /// The header without what does not change its meaning: what stands in
    /// parentheses, what the record is called, `primary`, `no`.
    fn reworded(&self, heading: &Heading) -> Option<Said> {
        let mut best: Option<Said> = None;
        let mut words: Vec<&str> = heading.bare.split(' ').collect();
        let mut cost = 2_u8;
        loop {
            let said = self.exact(&words.concat()).or_else(|| self.exact(&singular(&words)));
            if let Some(said) = said {
                let score = said.score.saturating_sub(cost).min(EXACT);
                best = best.filter(|best| best.score >= score).or(Said::new(score, said.why));
            }
            let is_own = |word: &&str| self.own.iter().any(|own| own == word);
            let is_filler = |word: &&str| is_qualifier(word);
            match words.as_slice() {
                [first, _, ..] if is_own(first) || is_filler(first) => drop(words.remove(0)),
                [_, .., last] if is_filler(last) => drop(words.pop()),
                _ => return best,
            }
            cost = cost.saturating_add(3);
        }
    }

    /// Parts of names, and names that are alike.
    fn partly(&self, header: &str) -> Option<Said> {
        let squeezed_header = squeezed(header);
        let ends = self.usual.iter().filter_map(|known| ends_with(header, &known.plain));
        let parts = self.whole.iter().filter_map(|known| part_of(header, &known.plain));
        let alike = self.usual.iter().filter_map(|known| like(&squeezed_header, known));
        ends.chain(parts).chain(alike).max_by_key(|said| said.score)
    }
}

fn initials(plain: &str) -> String {
    plain.split(' ').filter_map(|word| word.chars().next()).collect()
}

fn singular(words: &[&str]) -> String {
    words.iter().map(|word| stem(word)).collect()
}

/// `GICS sector` is a sector, `phone type` is no phone. Germans write it in
/// one word: `Geschäftstelefon`.
fn ends_with(header: &str, known: &str) -> Option<Said> {
    let (many, few): (Vec<&str>, Vec<&str>) = (header.split(' ').collect(), known.split(' ').collect());
    let why = || Why::EndsWith(known.to_owned());
    if many.len() > few.len() && known.len() > 2 {
        return if many.ends_with(&few) {
            Said::new(70, why())
        } else if many.starts_with(&few) {
            Said::new(48, why())
        } else {
            None
        };
    }
    let one_word = many.len() == 1 && few.len() == 1;
    let compound = one_word && known.len() >= 5 && header.len() > known.len() + 2 && header.ends_with(known);
    if compound { Said::new(66, why()) } else { None }
}

/// `Two years` is a part of `2-Year Policy`.
fn part_of(header: &str, known: &str) -> Option<Said> {
    let few: Vec<&str> = header.split(' ').map(stem).collect();
    let many: Vec<&str> = known.split(' ').map(stem).collect();
    let holds_all = few.len() < many.len() && few.iter().all(|word| many.contains(word));
    let score = match (few.len() * 2).cmp(&many.len()) {
        _ if !holds_all => return None,
        std::cmp::Ordering::Greater => 68,
        std::cmp::Ordering::Equal => 64,
        std::cmp::Ordering::Less => 48,
    };
    Said::new(score, Why::PartOf(known.to_owned()))
}

fn like(squeezed_header: &str, known: &Known) -> Option<Said> {
    if is_no_slip(squeezed_header) {
        return None;
    }
    let likeness = slip(squeezed_header, &known.squeezed)?;
    // 0.8 gives 60, a slip in a long name up to 85.
    let score = 60.0 + (likeness - 0.8) * 125.0;
    Said::new(score as u8, Why::Like(known.plain.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::FieldKind;

    fn said(object: &str, name: &str, label: &str, header: &str) -> Option<(u8, String)> {
        let field = Field {
            label: (!label.is_empty()).then(|| label.to_owned()),
            ..Field::new(name, FieldKind::Text)
        };
        let said = Target::new(object, &field).heard(&Heading::new(header))?;
        Some((said.score, said.why.words()))
    }

    #[test]
    fn a_header_is_surer_the_nearer_it_is_to_the_field() {
        for (name, label, header, score, why) in [
            ("phone", "Phone", "Phone", 100, "the field's name"),
            ("addresscity", "Town", " town ", 98, "the label \"Town\""),
            ("email", "E-mail", "E Mail", 97, "the field's name in another spelling"),
            ("cf1", "Two-Year Plan", "two year plan", 96, "the label \"Two-Year Plan\" in another spelling"),
            ("phone", "Phone", "Telefon", 92, "a usual header for it"),
            ("annualvalue", "Annual Value", "Umsatz (netto)", 90, "a usual header for it"),
            ("phone", "Phone", "Company Phone", 92, "the field's name in another spelling"),
            ("phone", "Phone", "Business phone no", 89, "the field's name in another spelling"),
            ("salutation", "Salutation", "Title", 76, "a header that can mean it"),
            ("centralindexkey", "Central Index Key", "CIK", 85, "the initials of \"Central Index Key\""),
            ("sector", "Sector", "GICS Sector", 70, "it ends with \"sector\""),
            ("phone", "Phone", "Privattelefon", 66, "it ends with \"telefon\""),
            ("2yearpolicy", "2-Year Policy", "Two years", 68, "a part of \"2 year policy\""),
            ("phone", "Phone", "Telehpone", 71, "like \"telephone\""),
        ] {
            assert_eq!(said("accounts", name, label, header), Some((score, why.to_owned())), "{header}");
        }
    }

    #[test]
    fn a_header_about_something_else_says_little_or_nothing() {
        for (name, label, header) in [
            ("phone", "Phone", "Phone type"),
            ("email", "E-mail", "Email opt-in"),
            ("contactid", "Contact", "Contract"),
            ("id", "Id", "Account id"),
            ("name", "Account Name", "名前"),
            ("name", "Account Name", ""),
            ("phone", "Phone", "!!!"),
        ] {
            let score = said("accounts", name, label, header).map_or(0, |(score, _)| score);
            assert!(score < 60, "{header}: {score}");
        }
    }
}
