//! Number fields whose value is the id of a record.

use crate::model::{Field, FieldKind};

/// What such fields are called before their `id` (source: the API's document).
const RECORDS: [&str; 14] = [
    "account",
    "contact",
    "case",
    "opportunity",
    "campaign",
    "owner",
    "sla",
    "parent",
    "caselevel",
    "user",
    "document",
    "activity",
    "stage",
    "campaignstage",
];

/// Whether a field holds the id of a record: its own, or another one's, where
/// 0 means none. An amount such as `amountpaid` only ends alike.
pub fn holds_id(field: &Field) -> bool {
    let name = field.name.as_str();
    field.kind == FieldKind::Number
        && (name == "id" || name.strip_suffix("id").is_some_and(|stem| RECORDS.contains(&stem)))
}

#[cfg(test)]
mod tests {
    use super::holds_id;
    use crate::model::{Field, FieldKind};

    #[test]
    fn only_numbers_that_name_a_record_are_ids() {
        for name in ["id", "accountid", "campaignid", "campaignstageid"] {
            assert!(holds_id(&Field::new(name, FieldKind::Number)), "{name}");
        }
        assert!(!holds_id(&Field::new("amountpaid", FieldKind::Number)));
        assert!(!holds_id(&Field::new("accountid", FieldKind::Text)));
    }
}
