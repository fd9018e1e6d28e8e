"""Reads what carafe exported by the libraries that people use, and checks values and types.

    python3 tests/readers/read_exports.py FOLDER READER...

The folder is made by tests/readers/run: accounts.csv is imported into the embedded CRM, and all is
exported. READER is one of openpyxl, pyarrow, duckdb, sqlite3; what is not named need not be there.
"""

import csv
import datetime
import decimal
import json
import pathlib
import sys

D = decimal.Decimal

# What the dictionary says of the fields that are looked at: id is one of them everywhere.
NUMBERS = {"annualvalue": 2, "discount": 2, "rating": 1}
ACCOUNTS = [
    {
        "name": 'Müller & Söhne "Q"',
        "notes": "two\nlines",
        "phone": "0012345",
        "vip": True,
        "2yearpolicy": False,
        "inceptiondate": datetime.date(2024, 2, 29),
        "renewal": datetime.datetime(2026, 1, 2, 3, 4, 5),
        "annualvalue": D("12345678901.25"),
        "discount": D("0.10"),
        "employees": 12,
        "rating": D("4.5"),
        "tags": "Newsletter;Reference",
    },
    {
        "name": "Old",
        "notes": "=1+1",
        "phone": "+44 20 7946 0000",
        "vip": False,
        "2yearpolicy": True,
        "inceptiondate": datetime.date(1897, 12, 31),
        "renewal": datetime.datetime(1969, 12, 31, 23, 59, 59),
        "annualvalue": D("-0.05"),
        "discount": D("100"),
        "employees": 0,
        "rating": D("0.1"),
        "tags": None,
    },
    {
        "name": "Empty",
        **dict.fromkeys(
            ["notes", "phone", "vip", "2yearpolicy", "inceptiondate", "renewal", "annualvalue"]
            + ["discount", "employees", "rating", "tags"]
        ),
    },
]
NAMES = list(ACCOUNTS[0])
# Lines of the embedded CRM's opportunities: the opportunity, the line, what, how many, for how much.
LINES = [
    (8801, 9901, "User Subscription", D("80"), D("420")),
    (8801, 9902, "Support, gold", D("1"), D("14400")),
    (8802, 9903, "Training day", D("5"), D("1900.1")),
    (8803, 9904, "User Subscription", D("250"), D("400")),
]
LINE_NAMES = ["opportunityid", "id", "product", "quantity", "unitprice"]


def same(found, expected, what):
    """Equal, and of the same type: 1 is not True, and 1.0 not 1."""
    assert found == expected and type(found) is type(expected), f"{what}: {found!r}, not {expected!r}"


def check(records, expected, what):
    """The last of the records are the expected ones, and each has an id of its own."""
    ids = [record["id"] for record in records]
    assert all(type(id) is int for id in ids) and ids == sorted(set(ids)), f"{what}: ids {ids}"
    assert len(records) >= len(expected), f"{what}: {len(records)} records"
    for record, known in zip(records[-len(expected) :], expected):
        for field, value in known.items():
            same(record[field], value, f"{what}, {known.get('name')}, {field}")


def openpyxl_reads(folder):
    import openpyxl

    book = openpyxl.load_workbook(folder / "crm.xlsx")
    assert book.sheetnames == ["accounts", "opportunities", "opportunity_lines"], book.sheetnames
    for sheet in book:
        assert sheet.freeze_panes == "A2" and all(cell.font.b for cell in sheet[1]), sheet.title
        assert sheet.auto_filter.ref == sheet.dimensions, f"{sheet.title}: {sheet.auto_filter.ref}"
        # Neighbours of the same width are one entry.
        widths = {
            at: several.width
            for several in sheet.column_dimensions.values()
            for at in range(several.min, several.max + 1)
        }
        for column in sheet.iter_cols():
            texts = [str(cell.value) for cell in column if type(cell.value) in (str, int)]
            longest = max(len(line) for text in texts for line in text.split("\n"))
            width = widths[column[0].column]
            assert min(longest, 60) < width < 65, f"{sheet.title}, {column[0].value}: {width} for {longest}"

    def value(cell, field):
        if isinstance(cell.value, datetime.datetime) and field == "inceptiondate":
            assert cell.number_format == "yyyy-mm-dd", cell.number_format
            return cell.value.date()
        if field in NUMBERS and cell.value is not None:
            assert type(cell.value) in (int, float), f"{field}: {cell.value!r}"
            return round(D(cell.value), NUMBERS[field])
        if field in ("vip", "2yearpolicy") and cell.value is not None:
            assert cell.value in (0, 1), f"{field}: {cell.value!r}"
            return bool(cell.value)
        return cell.value

    def records(name):
        header, *rows = book[name].iter_rows()
        names = [cell.value for cell in header]
        return [{field: value(cell, field) for field, cell in zip(names, row)} for row in rows]

    # A workbook's calendar begins with 1900: what is earlier is a text.
    typed, old, empty = ACCOUNTS
    check(records("accounts"), [typed, {**old, "inceptiondate": "1897-12-31"}, empty], "XLSX")
    lines = [tuple(row[field] for field in LINE_NAMES) for row in records("opportunity_lines")]
    lines = [(*line[:3], *(D(str(number)) for number in line[3:])) for line in lines]
    assert lines == LINES, lines
    assert "lines" not in records("opportunities")[0]


def pyarrow_reads(folder):
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(folder / "parquet" / "accounts.parquet")
    types = {field.name: field.type for field in table.schema}
    expected = {
        "id": pa.int64(),
        "ownerid": pa.int64(),
        "employees": pa.int64(),
        "name": pa.string(),
        "phone": pa.string(),
        "vip": pa.bool_(),
        "inceptiondate": pa.date32(),
        "renewal": pa.timestamp("us"),
        "annualvalue": pa.decimal128(38, 2),
        "rating": pa.decimal128(38, 1),
        "_rest": pa.string(),
    }
    for field, kind in expected.items():
        assert types[field] == kind, f"Parquet, {field}: {types[field]}, not {kind}"
    check(table.to_pylist(), ACCOUNTS, "Parquet by pyarrow")
    assert set(table["_rest"].to_pylist()) == {None}
    lines = pq.read_table(folder / "parquet" / "opportunity_lines.parquet", columns=LINE_NAMES)
    assert [tuple(line.values()) for line in lines.to_pylist()] == LINES


def duckdb_reads(folder):
    import duckdb

    def records(source):
        found = duckdb.sql(f"SELECT * FROM {source} ORDER BY id")
        rows = [dict(zip(found.columns, row)) for row in found.fetchall()]
        return rows, dict(zip(found.columns, found.types))

    accounts, types = records(f"'{folder}/parquet/accounts.parquet'")
    expected = {
        "id": "BIGINT",
        "phone": "VARCHAR",
        "vip": "BOOLEAN",
        "inceptiondate": "DATE",
        "renewal": "TIMESTAMP",
        "annualvalue": "DECIMAL(38,2)",
    }
    assert {field: str(types[field]) for field in expected} == expected, types
    check(accounts, ACCOUNTS, "Parquet by DuckDB")
    lines, _ = records(f"'{folder}/parquet/opportunity_lines.parquet'")
    assert [tuple(line[field] for field in LINE_NAMES) for line in lines] == LINES
    # The formula guard is taken off by carafe alone; the rest is as it was.
    from_csv, _ = records(f"read_csv('{folder}/crm.csv', all_varchar = true)")
    assert [record["phone"] for record in from_csv[-3:]] == ["0012345", "+44 20 7946 0000", None]
    from_json, types = records(f"read_json('{folder}/crm.jsonl')")
    assert str(types["id"]) == "BIGINT"
    assert [record["name"] for record in from_json[-3:]] == [record["name"] for record in ACCOUNTS]


def sqlite3_reads(folder):
    import sqlite3

    # Brought up to date: the first export was before the accounts were imported.
    database = sqlite3.connect(f"file:{folder / 'crm.sqlite'}?mode=ro", uri=True)
    database.row_factory = sqlite3.Row
    assert database.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    columns = {row["name"]: row for row in database.execute("PRAGMA table_info(accounts)")}
    types = {field: columns[field]["type"] for field in ("id", "employees", "vip", "phone", "annualvalue")}
    assert list(types.values()) == ["INTEGER", "INTEGER", "INTEGER", "TEXT", "TEXT"], types
    assert [row["name"] for row in columns.values() if row["pk"]] == ["id"]
    indexed = {
        database.execute(f"PRAGMA index_info({index['name']!r})").fetchone()["name"]
        for index in database.execute("PRAGMA index_list(opportunities)")
    }
    assert {"accountid", "contactid", "ownerid"} <= indexed, indexed

    def value(field, value):
        """SQLite has no decimals, no dates, no booleans: they are texts and whole numbers."""
        if value is None:
            return None
        if field in NUMBERS:
            return D(value)
        if field == "inceptiondate":
            return datetime.date.fromisoformat(value)
        if field == "renewal":
            return datetime.datetime.fromisoformat(value)
        if field in ("vip", "2yearpolicy"):
            same(value, int(value), field)
            return bool(value)
        return value

    rows = database.execute("SELECT * FROM accounts ORDER BY id").fetchall()
    check([{field: value(field, row[field]) for field in row.keys()} for row in rows], ACCOUNTS, "SQLite")
    joined = database.execute(
        "SELECT o.id AS opportunityid, l.id, product, quantity, unitprice FROM opportunities o"
        " JOIN opportunity_lines l ON l.opportunityid = o.id ORDER BY l.id"
    )
    lines = [(*row[:3], D(row[3]), D(row[4])) for row in joined]
    assert lines == LINES, lines


def texts_read(folder):
    """CSV and JSON Lines, by what Python brings along."""
    with open(folder / "crm.csv", encoding="utf-8", newline="") as file:
        records = list(csv.DictReader(file))[-3:]
    assert [record["notes"] for record in records] == ["two\nlines", "'=1+1", ""], records
    assert [record["name"] for record in records] == [record["name"] for record in ACCOUNTS]
    lines = (folder / "crm.jsonl").read_text(encoding="utf-8").splitlines()
    records = [json.loads(line, parse_float=D) for line in lines][-3:]
    assert len(records) == len(ACCOUNTS), records
    for record, known in zip(records, ACCOUNTS):
        for field in ("name", "notes", "phone", "annualvalue", "employees"):
            found, expected = record[field], known[field]
            assert found == expected, f"JSON Lines, {field}: {found!r}, not {expected!r}"


READERS = {
    "openpyxl": openpyxl_reads,
    "pyarrow": pyarrow_reads,
    "duckdb": duckdb_reads,
    "sqlite3": sqlite3_reads,
}


def main(folder, *readers):
    folder = pathlib.Path(folder)
    texts_read(folder)
    for reader in readers:
        READERS[reader](folder)
        print(f"{reader} reads all of it with its types")


main(*sys.argv[1:])
