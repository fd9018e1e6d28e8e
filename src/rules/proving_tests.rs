//! Whole columns that prove their format, or do not.

use proptest::prelude::*;

use super::*;
use crate::model::Cell;
use crate::rules::draft::{Wish, draft};
use crate::rules::testing::*;

const FIELDS: &str = "name: N\n date: D\n money: M";
const COLUMNS: [&str; 3] = ["N", "D", "M"];

fn rows(cells: &[(&str, &str)]) -> Vec<Row> {
    let made = cells.iter().zip(2..).map(|((date, money), number)| {
        let mut row = row(&["n", date, money]);
        row.number = number;
        row
    });
    made.collect()
}

fn prove(
    top: &str,
    fields: &str,
    rows: &[Row],
    earlier: &[ColumnProof],
) -> Result<(Program, Vec<ColumnProof>), Problems> {
    let mut program = program(top, fields, &COLUMNS);
    let mut prover = Prover::new(&mut program, earlier);
    rows.iter().for_each(|row| prover.hear(&program, row));
    let proofs = prover.conclude(&mut program, &mapping(top, fields))?;
    Ok((program, proofs))
}

fn value(program: &Program, row: &Row, at: usize) -> String {
    match &draft(program, row).wishes[at] {
        Wish::Text(text) | Wish::Number(text) => text.to_string(),
        other => format!("{other:?}"),
    }
}

#[test]
fn the_whole_column_decides_how_each_of_its_cells_is_read() {
    let rows = rows(&[("01/02/2024", "1.234"), ("13/02/2024 9:30", "5"), ("x", "12,50"), ("", "")]);
    let (program, proofs) = prove("", FIELDS, &rows, &[]).unwrap();
    assert_eq!(value(&program, &rows[0], 1), "2024-02-01");
    assert_eq!((value(&program, &rows[0], 2), value(&program, &rows[2], 2)), ("1234".into(), "12.5".into()));
    let told: Vec<String> = proofs.iter().filter_map(notice).map(|notice| notice.0).collect();
    assert_eq!(
        told,
        [
            "\"D\" is read day-month-year: row 3 has \"13/02/2024 9:30\"",
            "\"M\" is read with a decimal comma: row 4 has \"12,50\"",
        ]
    );
}

#[test]
fn years_of_two_digits_are_told_with_their_century() {
    let told = |dates: &[&str]| {
        let cells: Vec<(&str, &str)> = dates.iter().map(|date| (*date, "1")).collect();
        let (_, proofs) = prove("", FIELDS, &rows(&cells), &[]).unwrap();
        proofs.iter().filter_map(notice).map(|notice| notice.0).collect::<String>()
    };
    let years = "; its two-digit years are read as 1969 to 2068";
    assert!(told(&["1.4.70", "13.12.1968"]).ends_with(years), "{}", told(&["1.4.70", "13.12.1968"]));
    assert!(told(&["70-4-31"]).ends_with(years), "the order alone is worth no notice");
    assert!(!told(&["1.4.1970", "13.12.1968"]).contains("two-digit"));
    assert_eq!(told(&["1970-04-01"]), "");
}

#[test]
fn what_the_column_leaves_open_is_asked_with_its_rows_and_the_keys() {
    let found = |cells: &[(&str, &str)]| prove("", FIELDS, &rows(cells), &[]).unwrap_err().to_string();
    let told = found(&[("01/02/2024", "1.234"), ("03/03/2024", "5")]);
    let wanted = "\"D\" holds dates that can be read in several ways (day-month-year, or month-day-year), and no row shows which: row 2 has \"01/02/2024\"
  --> m.yaml:6:9
6 |   date: D
  |         ^ say which: date: \"%d/%m/%Y\", or date: \"%m/%d/%Y\"
error: \"M\" holds numbers that can be read in several ways (with a decimal point, or with a decimal comma), and no row shows which: row 2 has \"1.234\"
  --> m.yaml:7:10
7 |   money: M
  |          ^ say which: decimal: \",\", or decimal: \".\"";
    assert_eq!(told, wanted);
    let told = found(&[("13/02/2024", "1.5"), ("02/13/2024", "1,5")]);
    assert!(
        told.contains("row 2 has \"13/02/2024\" (day-month-year), row 3 has \"02/13/2024\" (month-day-year)"),
        "{told}"
    );
    assert!(
        told.contains("row 2 has \"1.5\" (with a decimal point), row 3 has \"1,5\" (with a decimal comma)"),
        "{told}"
    );
}

#[test]
fn what_the_mapping_says_needs_no_proof_and_neither_do_a_workbooks_own_cells() {
    let open = |fields: &str| {
        let mut program = program("", fields, &COLUMNS);
        !Prover::new(&mut program, &[]).is_done()
    };
    assert!(open("name: N\n date: D") && open("name: N\n number: M"));
    assert!(!open("name: N\n date: { from: D, date: '%d/%m/%Y' }\n number: { from: M, decimal: '.' }"));
    assert!(!open("name: N\n ownerid: M\n date: { const: 2024-01-01 }\n text: D"));
    let at = jiff::civil::date(2024, 2, 1).at(0, 0, 0, 0);
    let own = row_of(&[Cell::Text("n"), Cell::DateTime(at), Cell::Number("1.25")]);
    let (program, proofs) = prove("", FIELDS, std::slice::from_ref(&own), &[]).unwrap();
    assert_eq!(proofs, []);
    assert_eq!((value(&program, &own, 1), value(&program, &own, 2)), ("2024-02-01".into(), "1.25".into()));
}

#[test]
fn cells_that_the_mapping_replaces_and_rows_that_it_leaves_out_prove_nothing() {
    let fields = "name: N\n date: { from: D, values: { '13/02/2024': 2024-12-31 } }";
    assert!(prove("", fields, &rows(&[("13/02/2024", ""), ("01/02/2024", "")]), &[]).is_err());
    let top = "when: M != 'old'";
    let mixed = rows(&[("02/13/2024", "old"), ("13/02/2024", "new")]);
    let (program, _) = prove(top, "name: N\n date: D", &mixed, &[]).unwrap();
    assert_eq!(value(&program, &mixed[1], 1), "2024-02-13");
    // A row of which `when` cannot tell yet is heard.
    let unclear = rows(&[("13/02/2024", ""), ("01/02/2024", "")]);
    let (program, _) = prove("when: D > 2024-02-10", "name: N\n date: D", &unclear, &[]).unwrap();
    assert!(draft(&program, &unclear[1]).skipped && !draft(&program, &unclear[0]).skipped);
}

#[test]
fn an_earlier_proof_is_used_again_where_the_column_is_the_same() {
    let (_, proofs) = prove("", FIELDS, &rows(&[("13/02/2024", "1,5")]), &[]).unwrap();
    let few = rows(&[("01/02/2024", "1.234")]);
    let (program, again) = prove("", FIELDS, &few, &proofs).unwrap();
    assert_eq!(
        (value(&program, &few[0], 1), value(&program, &few[0], 2)),
        ("2024-02-01".into(), "1234".into())
    );
    assert_eq!(again, proofs, "what was known is kept with this run too");
    let swapped = "name: N\n date: M\n money: D";
    assert!(prove("", swapped, &rows(&[("1.234", "01/02/2024")]), &proofs).is_err());
}

#[test]
fn a_column_whose_cells_mean_the_same_in_every_way_proves_nothing() {
    let cells = rows(&[("05/05/2024", ""), ("nonsense", "")]);
    let (program, proofs) = prove("", FIELDS, &cells, &[]).unwrap();
    assert_eq!((value(&program, &cells[0], 1), proofs), ("2024-05-05".into(), Vec::new()));
}

#[test]
fn rows_of_which_when_cannot_tell_yet_are_heard() {
    let cells = rows(&[("13/02/2024", "1.234,50"), ("14/02/2024", "7")]);
    for (when, meant) in [
        ("D = 2024-02-13", [true, false]),
        ("D != 2024-02-13", [false, true]),
        ("M in (1234.5, 8)", [true, false]),
        ("not (D in ('2024-02-14'))", [true, false]),
    ] {
        let (program, _) = prove(&format!("when: {when}"), FIELDS, &cells, &[]).unwrap();
        let found: Vec<bool> = cells.iter().map(|row| !draft(&program, row).skipped).collect();
        assert_eq!(found, meant, "{when}");
    }
}

#[test]
fn a_deletion_asks_nothing_of_columns_that_it_does_not_read() {
    let ambiguous = rows(&[("01/02/2024", "1.234")]);
    assert!(prove("mode: delete\nmatch: [name]", FIELDS, &ambiguous, &[]).is_ok());
    assert!(prove("mode: delete\nmatch: [date]", FIELDS, &ambiguous, &[]).is_err());
}

#[test]
fn a_workbooks_own_number_keeps_its_point_through_joins_and_expressions() {
    let own = row_of(&[Cell::Text("n"), Cell::Blank, Cell::Number("234.567")]);
    let text = row(&["n", "", "12,5"]);
    for from in ["{ from: [M, D], join: '' }", "{ expr: M }", "{ expr: 'M if M else D' }"] {
        let fields = format!("name: N\n number: {from}");
        let (program, _) = prove("", &fields, &[own.clone(), text.clone()], &[]).unwrap();
        assert_eq!(value(&program, &own, 1), "234.567", "{from}");
        assert_eq!(value(&program, &text, 1), "12.5", "{from}");
    }
    let mixed = row_of(&[Cell::Text("n"), Cell::Text("9"), Cell::Number("1.5")]);
    let program = program("", "name: N\n number: { from: [D, M], join: '', decimal: ',' }", &COLUMNS);
    let findings = draft(&program, &mixed).findings;
    assert!(findings[0].message.contains("another decimal mark"), "{findings:?}");
}

#[test]
fn values_of_the_mapping_stay_plain_whatever_the_column_proves() {
    let fields = "name: N\n money: { from: M, default: 7.5 }";
    let rows = rows(&[("", "1,5"), ("", "")]);
    let (program, _) = prove("", fields, &rows, &[]).unwrap();
    assert_eq!(value(&program, &rows[1], 1), "7.5");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_column_heard_in_parts_proves_what_it_proves_as_a_whole(
        cells in prop::collection::vec(("'?[0-3]?[0-9][/.-][0-3]?[0-9][/.-](20)?[0-9]{2}|[0-9]{4}-[01][0-9]-[0-3][0-9]| ?[a-z#]{0,3}", "[0-9]{1,3}([.,][0-9]{1,3}){0,3}"), 1..8),
        parts in prop::collection::vec(any::<bool>(), 8),
    ) {
        let cells: Vec<(&str, &str)> = cells.iter().map(|(date, money)| (date.as_str(), money.as_str())).collect();
        let rows = rows(&cells);
        let fields = "name: N\n date: D\n money: M";
        let mapping = mapping("", fields);
        let program = program("", fields, &["N", "D", "M"]);
        let told = |result: Result<Vec<ColumnProof>, Problems>| result.map_err(|problems| problems.to_string());
        let (mut one, mut other) = (program.clone(), program);
        let mut whole = Prover::new(&mut one, &[]);
        rows.iter().for_each(|row| whole.hear(&one, row));
        let (mut sum, mut part) = (Prover::new(&mut other, &[]), Prover::new(&mut other, &[]));
        for ((row, (date, money)), ends) in rows.iter().zip(&cells).zip(parts) {
            let text = format!("{}{date}{money}", row.cell(0));
            let ends_at = [text.len() - date.len() - money.len(), text.len() - money.len(), text.len()];
            if !part.hear_plain(&other, row.number, &PlainCells::new(&text, &ends_at, 0)) {
                part.hear(&other, row);
            }
            if ends {
                let next = part.fresh();
                sum.merge(std::mem::replace(&mut part, next));
            }
        }
        sum.merge(part);
        prop_assert_eq!(told(sum.conclude(&mut other, &mapping)), told(whole.conclude(&mut one, &mapping)));
    }

    /// The promise of the whole: no two cells of a column are read by two formats.
    #[test]
    fn no_column_is_ever_read_in_two_ways(
        cells in prop::collection::vec(("[0-3]?[0-9][/.-][0-3]?[0-9][/.-](20)?[0-9]{2}|[0-9]{4}-[01][0-9]-[0-3][0-9]|[a-z]{0,3}", "[0-9]{1,3}([.,][0-9]{1,3}){0,3}"), 1..8),
    ) {
        let cells: Vec<(&str, &str)> = cells.iter().map(|(date, money)| (date.as_str(), money.as_str())).collect();
        let rows = rows(&cells);
        let fields = "name: N\n date: D\n number: M";
        let Ok((program, proofs)) = prove("", fields, &rows, &[]) else { return Ok(()) };
        for (row, (date, number)) in rows.iter().zip(&cells) {
            for proof in &proofs {
                match proof.reading {
                    Reading::Date(order) => {
                        let alone = crate::rules::convert::order::read_in_order(date, order);
                        let alone = alone.map(crate::rules::convert::date::date_text);
                        let read = value(&program, row, 1);
                        prop_assert!(alone.as_ref().is_ok_and(|alone| *alone == read) || alone.is_err() && !read.contains('-'), "{date}: {read} {alone:?}");
                    }
                    Reading::Decimal(mark) => {
                        let notation = crate::rules::convert::number::Notation { decimal: Some(mark), ..Default::default() };
                        let alone = crate::rules::convert::number::read(number, notation);
                        let read = value(&program, row, 2);
                        prop_assert!(alone.as_ref().is_ok_and(|alone| *alone == read) || alone.is_err() && read == "Faulty", "{number}: {read} {alone:?}");
                    }
                }
            }
        }
    }
}
