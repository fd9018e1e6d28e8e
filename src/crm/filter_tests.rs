//! Filters in the API's words, and the property that nothing is lost on the way.

use proptest::prelude::*;

use super::*;
use crate::crm::matching::{holds, matches};
use crate::model::{Record, RecordId};

fn field(name: &str, test: Test) -> Filter {
    Filter::Field(name.into(), test)
}

fn not(filter: Filter) -> Filter {
    Filter::Not(Box::new(filter))
}

fn contains(name: &str, part: &str) -> Filter {
    field(name, Test::Contains(part.into()))
}

fn query(filter: &Filter) -> String {
    let translated = translate(filter);
    assert_eq!(translated.residual, None, "{filter:?}");
    translated.query.unwrap_or_default()
}

#[test]
fn all_thirteen_operators_are_spoken() {
    let n = |number: i64| Value::from(number);
    for (test, wanted) in [
        (Test::Is("Test".into()), r#"{"f":"Test"}"#),
        (Test::Is(n(5)), r#"{"f":5}"#),
        (Test::Is(Value::Bool(true)), r#"{"f":1}"#),
        (Test::IsNot("x".into()), r#"{"f":{"$not":"x"}}"#),
        (Test::In(vec!["a".into(), n(1)]), r#"{"f":{"$in":["a",1]}}"#),
        (Test::NotIn(vec!["a".into()]), r#"{"f":{"$nin":["a"]}}"#),
        (Test::Above(n(1000)), r#"{"f":{"$gt":1000}}"#),
        (Test::AtLeast(n(1000)), r#"{"f":{"$gte":1000}}"#),
        (Test::Below(n(1000)), r#"{"f":{"$lt":1000}}"#),
        (Test::AtMost(n(1000)), r#"{"f":{"$lte":1000}}"#),
        (Test::Between(n(1000), n(2000)), r#"{"f":{"$bt":[1000,2000]}}"#),
        (Test::StartsWith("tes".into()), r#"{"f":{"$sw":"tes"}}"#),
        (Test::EndsWith("tes".into()), r#"{"f":{"$ew":"tes"}}"#),
        (Test::Contains("te\"s".into()), r#"{"f":{"$con":"te\"s"}}"#),
    ] {
        assert_eq!(query(&field("f", test)), wanted);
    }
    let either = Filter::Any(vec![Filter::is("a", n(1)), Filter::is("b/c", n(2))]);
    assert_eq!(query(&either), r#"{"$or":[{"a":1},{"b/c":2}]}"#);
}

#[test]
fn several_fields_and_several_operators_share_one_object() {
    let filter = Filter::is("name", "x".into())
        .and(field("value", Test::AtLeast(1.into())))
        .and(field("value", Test::Below(9.into())))
        .and(field("value", Test::AtLeast(1.into())));
    assert_eq!(query(&filter), r#"{"name":"x","value":{"$gte":1,"$lt":9}}"#);
    let either = Filter::Any(vec![filter, Filter::is("b", 2.into())]);
    assert_eq!(
        query(&Filter::is("c", 3.into()).and(either)),
        r#"{"c":3,"$or":[{"name":"x","value":{"$gte":1,"$lt":9}},{"b":2}]}"#
    );
}

#[test]
fn negations_are_pushed_inwards() {
    for (filter, wanted) in [
        (not(Filter::is("a", 1.into())), r#"{"a":{"$not":1}}"#),
        (not(not(Filter::is("a", 1.into()))), r#"{"a":1}"#),
        (not(Filter::any_of("a", vec![1.into()])), r#"{"a":{"$nin":[1]}}"#),
        (not(field("a", Test::Above(1.into()))), r#"{"a":{"$lte":1}}"#),
        (not(field("a", Test::Below(1.into()))), r#"{"a":{"$gte":1}}"#),
        (not(field("a", Test::Between(1.into(), 2.into()))), r#"{"$or":[{"a":{"$lt":1}},{"a":{"$gt":2}}]}"#),
        (
            not(Filter::Any(vec![Filter::is("a", 1.into()), Filter::is("b", 2.into())])),
            r#"{"a":{"$not":1},"b":{"$not":2}}"#,
        ),
        (
            not(Filter::is("a", 1.into()).and(Filter::is("b", 2.into()))),
            r#"{"$or":[{"a":{"$not":1}},{"b":{"$not":2}}]}"#,
        ),
    ] {
        assert_eq!(query(&filter), wanted);
    }
}

#[test]
fn two_groups_of_alternatives_are_multiplied_out() {
    let either = |name: &str| Filter::Any(vec![Filter::is(name, 1.into()), Filter::is(name, 2.into())]);
    assert_eq!(
        query(&either("a").and(either("b"))),
        r#"{"$or":[{"a":1,"b":1},{"a":1,"b":2},{"a":2,"b":1},{"a":2,"b":2}]}"#
    );
}

#[test]
fn what_cannot_be_said_is_left_to_the_caller() {
    let translated = translate(&contains("a", "x").and(contains("a", "y")));
    assert_eq!(translated.query.as_deref(), Some(r#"{"a":{"$con":"x"}}"#));
    assert_eq!(translated.residual, Some(contains("a", "y")));

    let translated = translate(&Filter::is("b", 1.into()).and(not(contains("a", "x"))));
    assert_eq!(translated.query.as_deref(), Some(r#"{"b":1}"#));
    assert_eq!(translated.residual, Some(not(contains("a", "x"))));

    let either = Filter::Any(vec![Filter::is("b", 1.into()), not(contains("a", "x"))]);
    assert_eq!(translate(&either), Translated { query: None, residual: Some(either), never: false });

    let pair = |n: i64| {
        Filter::Any(vec![Filter::is(format!("f{n}"), 1.into()), Filter::is(format!("f{n}"), 2.into())])
    };
    let many = Filter::All((0..8).map(pair).collect());
    let translated = translate(&many);
    assert_eq!(translated.query.unwrap().matches("f4").count(), 32);
    assert_eq!(translated.residual, Some(Filter::All(vec![pair(5), pair(6), pair(7)])));
}

#[test]
fn blank_values_are_never_left_to_the_server_alone() {
    for blank in [Value::Null, Value::from("")] {
        let is = Filter::is("a", blank.clone());
        assert_eq!(translate(&is), Translated { query: None, residual: Some(is), never: false });
        let is_not = field("a", Test::IsNot(blank.clone()));
        let translated = translate(&is_not);
        assert_eq!(
            (translated.query.as_deref(), translated.residual),
            (Some(r#"{"a":{"$not":""}}"#), Some(is_not))
        );
        let among = Filter::any_of("a", vec![1.into(), blank]);
        assert_eq!(translate(&among).query, None);
    }
    for part in ["", "a\\b"] {
        assert_eq!(translate(&contains("a", part)).query, None);
    }
    let percent = translate(&contains("a", "50%"));
    assert!(percent.query.is_some() && percent.residual.is_some());
}

#[test]
fn always_and_never_need_no_question() {
    assert_eq!(translate(&Filter::All(vec![])), Translated::default());
    for never in [
        Filter::Any(vec![]),
        Filter::any_of("a", vec![]),
        Filter::is("b", 1.into()).and(Filter::any_of("a", vec![])),
        not(field("a", Test::NotIn(vec![]))),
    ] {
        assert!(translate(&never).never, "{never:?}");
    }
    let always = Filter::Any(vec![Filter::is("b", 1.into()), field("a", Test::NotIn(vec![]))]);
    assert_eq!(translate(&always), Translated::default());
}

#[test]
fn names_that_look_like_operators_and_filters_that_are_too_long_stay_here() {
    assert_eq!(translate(&Filter::is("$or", 1.into())).query, None);
    let long = Filter::any_of("a", (1_000_000..1_001_000).map(Value::from).collect());
    let translated = translate(&long.clone().and(Filter::is("b", 1.into())));
    assert_eq!(translated.query.as_deref(), Some(r#"{"b":1}"#));
    assert_eq!(translated.residual, Some(long));
}

/// What a server makes of `q`, said once more in the simplest way.
fn server(q: &serde_json::Value, record: &Record) -> bool {
    let value = |name: &str| record.get(name).cloned().unwrap_or(Value::Null);
    let of = |json: &serde_json::Value| Value::from_json(&json.to_string()).unwrap();
    let all = |json: &serde_json::Value| json.as_array().unwrap().iter().map(of).collect::<Vec<_>>();
    let text = |json: &serde_json::Value| json.as_str().unwrap().to_owned();
    q.as_object().unwrap().iter().all(|(key, tests)| {
        if key == "$or" {
            return tests.as_array().unwrap().iter().any(|one| server(one, record));
        }
        let Some(tests) = tests.as_object() else {
            return holds(&Test::Is(of(tests)), &value(key)) == Some(true);
        };
        tests.iter().all(|(operator, json)| {
            let test = match operator.as_str() {
                "$not" => Test::IsNot(of(json)),
                "$in" => Test::In(all(json)),
                "$nin" => Test::NotIn(all(json)),
                "$gt" => Test::Above(of(json)),
                "$gte" => Test::AtLeast(of(json)),
                "$lt" => Test::Below(of(json)),
                "$lte" => Test::AtMost(of(json)),
                "$bt" => Test::Between(of(&json[0]), of(&json[1])),
                "$sw" => Test::StartsWith(text(json)),
                "$ew" => Test::EndsWith(text(json)),
                "$con" => Test::Contains(text(json)),
                other => panic!("{other}"),
            };
            holds(&test, &value(key)) == Some(true)
        })
    })
}

fn values() -> impl Strategy<Value = Value> {
    prop_oneof![
        (0_i64..4).prop_map(Value::from),
        proptest::sample::select(vec!["", "a", "ab", "B", "2", "%", "\\"]).prop_map(Value::from),
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
    ]
}

fn tests_of_a_field() -> impl Strategy<Value = Test> {
    let texts = || proptest::sample::select(vec!["", "a", "b", "2", "%", "a\\"]).prop_map(str::to_owned);
    let many = || proptest::collection::vec(values(), 0..3);
    prop_oneof![
        values().prop_map(Test::Is),
        values().prop_map(Test::IsNot),
        many().prop_map(Test::In),
        many().prop_map(Test::NotIn),
        values().prop_map(Test::Above),
        values().prop_map(Test::AtLeast),
        values().prop_map(Test::Below),
        values().prop_map(Test::AtMost),
        (values(), values()).prop_map(|(low, high)| Test::Between(low, high)),
        texts().prop_map(Test::StartsWith),
        texts().prop_map(Test::EndsWith),
        texts().prop_map(Test::Contains),
    ]
}

fn filters() -> impl Strategy<Value = Filter> {
    let names = proptest::sample::select(vec!["a", "b", "c/d"]);
    let leaf = (names, tests_of_a_field()).prop_map(|(name, test)| field(name, test));
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Filter::All),
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Filter::Any),
            inner.prop_map(not),
        ]
    })
}

fn records() -> impl Strategy<Value = Vec<Record>> {
    let record = proptest::array::uniform3(proptest::option::of(values())).prop_map(|all| Record {
        id: RecordId::new(1).unwrap(),
        fields: ["a", "b", "c/d"]
            .into_iter()
            .zip(all)
            .filter_map(|(name, value)| Some((name.to_owned(), value?)))
            .collect(),
    });
    proptest::collection::vec(record, 12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn server_and_caller_together_mean_the_filter(filter in filters(), records in records()) {
        let translated = translate(&filter);
        let q = translated.query.as_deref().map(|q| serde_json::from_str::<serde_json::Value>(q).unwrap());
        for record in &records {
            let direct = matches(&filter, record);
            let found = !translated.never && q.as_ref().is_none_or(|q| server(q, record));
            let kept = translated.residual.as_ref().is_none_or(|rest| matches(rest, record));
            prop_assert_eq!(found && kept, direct, "{:?} {:?} {:?}", filter, translated, record);
            prop_assert!(found || !direct, "too narrow: {:?} {:?} {:?}", filter, translated, record);
        }
    }

    #[test]
    fn a_query_never_has_a_key_twice(filter in filters()) {
        if let Some(q) = translate(&filter).query {
            prop_assert!(crate::crm::json::no_key_twice(&q).is_ok(), "{}", q);
        }
    }
}
