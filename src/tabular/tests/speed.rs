//! Run by hand: `cargo test --release --lib tabular::tests::speed -- --ignored --nocapture`.

use std::time::Instant;

use super::*;

#[test]
#[ignore = "measures, proves nothing"]
fn reading_is_about_as_fast_as_the_csv_crate() {
    let folder = Folder::new();
    let line = "Zoë Smith,\"12, High Street\",London,+44 20 7946 0000,2024-02-29,1234.50,notes that go on for a while\n";
    let path = folder.file("a.csv", format!("a,b,c,d,e,f,g\n{}", line.repeat(1_000_000)));
    let megabytes = std::fs::metadata(&path).unwrap().len() as f64 / 1e6;
    let begin = Instant::now();
    let source = open(&path).unwrap();
    let opened = begin.elapsed();
    let begin = Instant::now();
    let (mut rows, mut row, mut count) = (source.rows().unwrap(), Row::default(), 0);
    while rows.read(&mut row).unwrap() {
        count += row.len();
    }
    let ours = begin.elapsed();
    let begin = Instant::now();
    let (mut reader, mut record) = (::csv::Reader::from_path(&path).unwrap(), ::csv::ByteRecord::new());
    while reader.read_byte_record(&mut record).unwrap() {
        count -= record.len();
    }
    let theirs = begin.elapsed();
    assert_eq!(count, 0);
    panic!("{megabytes} MB: open {opened:?}, rows {ours:?}, csv crate {theirs:?}");
}
