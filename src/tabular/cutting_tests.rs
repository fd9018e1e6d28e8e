use proptest::prelude::*;

use super::*;
use crate::tabular::records::Records;
use crate::tabular::splitting::Splitter;

/// A record: offset, row, line, its own bytes, its cells.
type Seen = (u64, u64, u64, Vec<u8>, Vec<Vec<u8>>);

fn cells_of(cells: &[u8], ends: &[usize]) -> Vec<Vec<u8>> {
    let starts = std::iter::once(&0).chain(ends);
    ends.iter().zip(starts).map(|(&end, &start)| cells[start..end].to_vec()).collect()
}

/// What `csv_core` makes of a text.
fn parsed(text: &[u8], delimiter: u8) -> (Vec<Seen>, Option<String>) {
    let mut records = Records::new(text, delimiter, Mark::START);
    let (mut raw, mut all) = (Vec::new(), Vec::new());
    loop {
        match records.next(&mut raw) {
            Ok(Some(place)) => {
                let cells = cells_of(records.cells(), records.ends());
                all.push((place.offset, place.row, place.line, raw.clone(), cells));
            }
            Ok(None) => return (all, None),
            Err(problem) => return (all, Some(problem.of("f").to_string())),
        }
    }
}

/// What cutting and splitting make of it, `block` bytes at a time.
fn cut(text: &[u8], delimiter: u8, block: usize) -> (Vec<Seen>, Option<String>) {
    let mut cutter = Cutter { block, ..Cutter::new(text, delimiter, Mark::START) };
    let (mut block, mut splitter, mut all) = (Block::default(), Splitter::new(delimiter), Vec::new());
    loop {
        match cutter.next(&mut block) {
            Ok(true) => {}
            Ok(false) => return (all, None),
            Err(problem) => return (all, Some(problem.of("f").to_string())),
        }
        for &cut in &block.cuts {
            splitter.split(block.raw(cut));
            let cells = cells_of(splitter.cells(), splitter.ends());
            all.push((cut.offset, cut.row, cut.line, block.raw(cut).to_vec(), cells));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_text_is_cut_and_split_as_csv_core_does(
        pieces in prop::collection::vec(
            prop::sample::select(vec!["\"", "\"", ",", ",", ";", "\n", "\r\n", "\r", "a", "Zoë", " ", "\u{FEFF}", "\"\"", ",\"", "\",", "\0"]),
            0..40,
        ),
        block in 1..20_usize,
        semicolon: bool,
    ) {
        let text = pieces.concat();
        let delimiter = if semicolon { b';' } else { b',' };
        prop_assert_eq!(cut(text.as_bytes(), delimiter, block), parsed(text.as_bytes(), delimiter));
        prop_assert_eq!(cut(text.as_bytes(), delimiter, BLOCK), parsed(text.as_bytes(), delimiter));
    }
}

#[test]
fn what_cannot_be_a_table_is_refused_with_the_same_words() {
    let cells = format!("a,b\n{}\n", ",".repeat(MAX_CELLS));
    let line = format!("a,b\n{}\nc,d\n", "x".repeat(MAX_RECORD + 1));
    let swallowed = format!("a,b\n1,\"{}\",\"3\nq,r\n", "2,3\n".repeat(MAX_FIELD / 4 + 1));
    let open = format!("a,b\n1,\"{}", "2,3\n".repeat(MAX_RECORD));
    for text in [cells, line, swallowed, open, "a,b\n1,\"x\ny".to_owned()] {
        let (records, problem) = parsed(text.as_bytes(), b',');
        assert!(problem.is_some());
        for block in [BLOCK, 1_000_000] {
            let (cut, told) = cut(text.as_bytes(), b',', block);
            assert_eq!(told, problem);
            assert!(cut == records, "the records before it are given out");
        }
    }
}

#[test]
fn a_text_behind_a_closing_quote_is_odd() {
    let mut splitter = Splitter::new(b',');
    for (raw, odd) in
        [("\"a\"b,c", true), ("\"a\" ,c", true), ("\"a\",\"\"", false), ("a\"b\",\"c\"\"\"", false)]
    {
        splitter.split(raw.as_bytes());
        assert_eq!(splitter.is_odd(), odd, "{raw}");
    }
}
