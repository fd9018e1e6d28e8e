#!/usr/bin/env python3
"""Carafe beside other tools, on the files that `cargo bench --bench compare` has made.

    python3 -m venv target/peers
    target/peers/bin/pip install polars frictionless dlt openpyxl XlsxWriter
    cargo bench --bench compare -- 1 5            # makes the files
    target/peers/bin/python benches/peers.py      # --quick: those of a tenth of the size

A peer that is not installed is left out. Each runs as a process of its own; seconds and the peak of
its memory include its start. None of them does quite what Carafe does; the table says what it does.
"""

import csv
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
FILES = TARGET / "tmp" / "compare"
CARAFE = TARGET / "release" / "carafe"
TYPES = ["Customer", "Prospect", "Supplier", "Partner", "Competitor", "Former Customer", "Other"]


def python_csv(path):
    """read every row"""
    with open(path, newline="", encoding="utf-8") as file:
        return sum(1 for _ in csv.reader(file))


def polars_read(path):
    """read every column as text"""
    import polars

    return polars.read_csv(path, infer_schema=False).height


def polars_check(path):
    """read; dates, numbers, dropdown, required and duplicate names checked"""
    import polars as pl

    frame = pl.read_csv(path, infer_schema=False)
    text = pl.col
    bad = frame.select(
        text("Customer since").str.to_date("%Y-%m-%d", strict=False).is_null()
        | text("Annual value").cast(pl.Decimal(18, 2), strict=False).is_null()
        | text("Staff").cast(pl.Int64, strict=False).is_null()
        | ~text("Kind").is_in(TYPES)
        | (text("E-mail").str.len_chars().fill_null(0) > 0) & ~text("E-mail").str.contains("@").fill_null(True)
        | text("Company").is_duplicated()
        | (text("Company").str.len_chars() > 100)
    )
    return bad.to_series().sum()


def frictionless_check(path):
    """validate with types, required, a dropdown and a unique name"""
    from frictionless import Resource, Schema, system

    text = ["Street", "Town", "Postcode", "Country", "Sector", "Telephone", "Website", "E-mail", "Remarks"]
    fields = {name: {"name": name, "type": "string"} for name in text}
    fields["Company"] = {
        "name": "Company",
        "type": "string",
        "constraints": {"required": True, "unique": True, "maxLength": 100},
    }
    fields["Kind"] = {"name": "Kind", "type": "string", "constraints": {"enum": TYPES}}
    fields["Customer since"] = {"name": "Customer since", "type": "date"}
    fields["Annual value"] = {"name": "Annual value", "type": "number"}
    fields["Staff"] = {"name": "Staff", "type": "integer"}
    with open(path, newline="", encoding="utf-8") as file:
        header = next(csv.reader(file))
    schema = Schema.from_descriptor({"fields": [fields[name] for name in header]})
    with system.use_context(trusted=True):
        report = Resource(path=str(path), schema=schema).validate(limit_errors=100_000)
    return report.stats["errors"]


def dlt_rows(path):
    """the first 100,000 rows through a pipeline into a file"""
    import itertools

    import dlt

    def rows():
        with open(path, newline="", encoding="utf-8") as file:
            yield from itertools.islice(csv.DictReader(file), 100_000)

    with tempfile.TemporaryDirectory() as folder:
        os.environ["DESTINATION__FILESYSTEM__BUCKET_URL"] = f"file://{folder}/out"
        os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
        pipeline = dlt.pipeline("peers", destination="filesystem", dataset_name="x", pipelines_dir=folder)
        pipeline.run(rows(), table_name="accounts", loader_file_format="csv")
    return 100_000


def openpyxl_read(path):
    """read every cell, read-only mode"""
    import openpyxl

    book = openpyxl.load_workbook(path, read_only=True)
    return sum(len(row) for row in book.active.iter_rows(values_only=True))


def xlsxwriter_write(path):
    """write as many rows from the CSV file, constant memory"""
    import xlsxwriter

    rows = int(path.name.split("-")[2])
    with tempfile.TemporaryDirectory() as folder, open(csv_file(), newline="", encoding="utf-8") as file:
        book = xlsxwriter.Workbook(f"{folder}/out.xlsx", {"constant_memory": True})
        sheet = book.add_worksheet()
        for at, row in zip(range(rows + 1), csv.reader(file)):
            for column, value in enumerate(row):
                sheet.write_string(at, column, value)
        book.close()
    return rows


def is_quick():
    return "--quick" in sys.argv


def csv_file():
    rows = 100_000 if is_quick() else 1_000_000
    return FILES / f"accounts-1-{rows}-stated-true.csv"


def xlsx_file():
    return FILES / f"accounts-1-{20_000 if is_quick() else 200_000}-shared.xlsx"


# Name, what must be there to be imported, the file, the work.
PEERS = [
    ("Python's csv", "csv", csv_file, python_csv),
    ("polars", "polars", csv_file, polars_read),
    ("polars", "polars", csv_file, polars_check),
    ("frictionless", "frictionless", csv_file, frictionless_check),
    ("dlt", "dlt", csv_file, dlt_rows),
    ("openpyxl", "openpyxl", xlsx_file, openpyxl_read),
    ("XlsxWriter", "xlsxwriter", xlsx_file, xlsxwriter_write),
]


def measured(command):
    """Seconds, and MiB at the peak, of a command; whether it ended as it should."""
    begun = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    # 4 says that rows were rejected, which some of the data are made for.
    well = os.waitstatus_to_exitcode(status) in (0, 4)
    return time.monotonic() - begun, usage.ru_maxrss / 1024, well


def line(name, what, file, command):
    if not file.exists():
        print(f"| {name} | {what} | {file.name} is not there: see the head of this script | |")
        return
    runs = [measured(command) for _ in range(1 if name == "frictionless" else 3)]
    seconds, peak, well = min(runs)
    print(f"| {name} | {what} | {seconds:.2f} s | {peak:.0f} MiB |" if well else f"| {name} | failed | | |", flush=True)


def carafe(file):
    options = ["-m", FILES / "upsert-true-stated.yaml", "--dictionary", FILES / "snapshot.json"]
    return [CARAFE, "check", file, *options, "--offline", "--quiet", "--json"]


def is_there(module):
    return subprocess.run([sys.executable, "-c", f"import {module}"], capture_output=True).returncode == 0


def main():
    if len(sys.argv) > 2 and sys.argv[1] == "--run":
        _, _, file, work = PEERS[int(sys.argv[2])]
        print(work(file()))
        return
    quick = ["--quick"] if is_quick() else []
    print("| tool | what it does | seconds | peak memory |\n| --- | --- | --- | --- |")
    for file, kind in [(csv_file(), "CSV"), (xlsx_file(), "XLSX")]:
        line("carafe check", f"{kind}: every rule of the mapping, unique names", file, carafe(file))
    for number, (name, module, file, work) in enumerate(PEERS):
        if not is_there(module):
            print(f"| {name} | not installed: see the head of this script | | |")
            continue
        kind = "XLSX" if file is xlsx_file else "CSV"
        command = [sys.executable, __file__, "--run", str(number), *quick]
        line(name, f"{kind}: {work.__doc__}", file(), command)


if __name__ == "__main__":
    main()
