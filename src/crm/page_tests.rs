//! Reading in one go is held against reading with care.

use proptest::prelude::*;

use crate::crm::page;
use crate::crm::wire::{self, Odd};
use crate::model::Record;

const USUAL: &str = r#"{"metadata":{"url":"/accounts","total_count":2,"has_more":true},"list":[
    {"metadata":{"url":"/accounts/7","record_type":"account","parent":null},
     "record":{"id":7,"name":"A \"b\" \u00e9 ü","value":1.50,"big":12345678901234567890,"none":null,"yes":true,"no":false}},
    {"record":{"id":"8","name":"","lines":[{"id":1,"q":0.10}],"value":-0.0,"odd":1e999}}]}"#;

/// The records, how many there are, and whether more follow.
type Whole = (Vec<Record>, Option<u64>, Option<bool>);

fn by_care(object: &str, body: &[u8]) -> Result<Whole, Odd> {
    wire::page(object, body).map(|page| (page.records, page.total, page.has_more))
}

fn in_one_go(object: &str, body: &[u8]) -> Result<Whole, Odd> {
    wire::read_page(object, body).map(|page| (page.records.to_records(), page.total, page.has_more))
}

#[test]
fn the_documented_form_is_read_in_one_go_and_gives_the_same() {
    let (records, total, has_more) = page::read("accounts", USUAL).unwrap();
    assert_eq!(by_care("accounts", USUAL.as_bytes()).unwrap(), (records.to_records(), total, has_more));
    let name = records.iter().next().unwrap().get("name").unwrap();
    assert_eq!(name.to_text(), "A \"b\" é ü");
}

#[test]
fn what_is_unusual_is_read_with_care() {
    for body in [
        r#"{"list":[{"record":{"id":7,"a":1,"a":2}}]}"#,
        r#"{"list":[{"record":{"id":7,"a":1}},{"record":{"a":1,"id":7,"b":2,"b":2}}]}"#,
        r#"{"list":[{"record":{"id":7,"lines":[{"a":1,"a":2}]}}]}"#,
        r#"{"list":[{"record":{"id":7,"name":"\ud800"}}]}"#,
        r#"{"list":[{"record":{"name":"x"}}]}"#,
        r#"{"list":[{"record":{"id":7.0}}]}"#,
        r#"{"list":[{"record":{"id":7},"record":{"id":8}}]}"#,
        r#"{"list":[{"metadata":{"record_type":"contact"},"record":{"id":7}}]}"#,
        r#"{"list":[{"metadata":{"record_type":"account"},"record":{"id":7}},{"metadata":{"record_type":"contact"},"record":{"id":8}}]}"#,
        r#"{"list":[{"metadata":{"links":{"a":1}},"record":{"id":7}}]}"#,
        r#"{"list":[{"metadata":7,"record":{"id":7}}],"more":[]}"#,
        r#"{"list":[]} x"#,
        r#"{"list":[],"list":[]}"#,
        r#"{"metadata":7,"list":[]}"#,
        r#"{"message":"API call limit reached"}"#,
        "{}",
        "[]",
        "",
    ] {
        assert!(page::read("accounts", body).is_none(), "{body}");
        assert_eq!(in_one_go("accounts", body.as_bytes()), by_care("accounts", body.as_bytes()), "{body}");
    }
    let nested = |levels: usize| {
        let (open, close) = ("[".repeat(levels), "]".repeat(levels));
        format!(r#"{{"list":[{{"record":{{"id":7,"lines":{open}{close}}}}}]}}"#)
    };
    assert!(page::read("accounts", &nested(60)).is_some());
    for levels in [59, 60, 61, 200] {
        let body = nested(levels);
        assert_eq!(in_one_go("accounts", body.as_bytes()), by_care("accounts", body.as_bytes()), "{levels}");
    }
}

/// JSON values as they come, and as they should not.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "\\PC{0,12}".prop_map(|text| serde_json::to_string(&text).unwrap()),
        2 => "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,6})?([eE][+-]?[0-9]{1,3})?",
        1 => prop::sample::select(vec![
            "null", "true", "false", "\"\"", "[]", "{}", "[1,{\"a\":[null]}]", "{\"a\":1,\"a\":2}", "\"\\ud83d\\ude00\"",
            "\"\\n\\u0041\\/\"", "\"\\ud800\"", "nul", "01", "-", "\"\t\"",
        ]).prop_map(str::to_owned),
    ]
}

fn record() -> impl Strategy<Value = String> {
    let fields =
        prop::collection::vec((prop::sample::select(vec!["a", "b", "é", "\\u0061", "c/d"]), value()), 0..4);
    let id = prop_oneof![9 => (1..99_u64).prop_map(|id| id.to_string()), 1 => value()];
    (id, fields, any::<bool>(), prop::sample::select(vec!["account", "Accounts", "contact", "", "policy"]))
        .prop_map(|(id, fields, described, kind)| {
            let fields: String = fields.iter().map(|(name, value)| format!(",\"{name}\": {value}")).collect();
            let metadata = if described {
                format!("\"metadata\":{{\"record_type\":\"{kind}\"}},")
            } else {
                String::new()
            };
            format!("{{{metadata}\"record\":{{\"id\":{id}{fields}}}}}")
        })
}

proptest! {
    #[test]
    fn any_list_gives_the_same_either_way(
        records in prop::collection::vec(record(), 0..5), cut in 0..10_usize, junk in "\\PC{0,3}", at: prop::sample::Index,
    ) {
        let mut body = format!("{{\"metadata\":{{\"total_count\":9}},\"list\":[{}]}}", records.join(","));
        if cut == 0 {
            let mut place = at.index(body.len());
            while !body.is_char_boundary(place) {
                place -= 1;
            }
            body.insert_str(place, &junk);
        }
        prop_assert_eq!(in_one_go("accounts", body.as_bytes()), by_care("accounts", body.as_bytes()));
    }
}
