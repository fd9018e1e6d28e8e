"""Fills in a template of accounts as a person would, by openpyxl.

    python3 tests/readers/fill_template.py TEMPLATE.xlsx FILLED.xlsx

Fails where the template lacks what it promises: notes, checks, dropdowns.
"""

import datetime
import sys

import openpyxl

ROWS = [
    {
        "name": "Acme Ltd",
        "addresscounty/state": "Kent",
        "type": "Customer",
        "phone": "0012345",
        "inceptiondate": datetime.date(2024, 2, 29),
        "renewal": datetime.datetime(2026, 1, 2, 3, 4, 5),
        "annualvalue": 12.5,
        "employees": 12,
        "tags": "Newsletter;Reference",
        "vip": 1,
        "2yearpolicy": 0,
    },
    {"name": "Second", "type": "Prospect"},
]


def main(template, filled):
    book = openpyxl.load_workbook(template)
    assert [sheet.sheet_state for sheet in book] == ["visible", "visible", "hidden"], book.sheetnames
    sheet = book.worksheets[0]
    columns = {cell.value: cell.column for cell in sheet[1]}
    name = sheet.cell(1, columns["name"])
    assert "Required" in name.comment.text and name.font.b and sheet.freeze_panes == "A2"

    checks = sheet.data_validations.dataValidation
    kinds = {check.type for check in checks}
    assert kinds == {"textLength", "list", "whole", "decimal", "date"}, kinds
    letter = sheet.cell(1, columns["type"]).column_letter
    dropdown = next(check for check in checks if f"{letter}2" in check.cells)
    first, last = dropdown.formula1.split("!")[1].replace("$", "").split(":")
    values = [cell.value for (cell,) in book["Lists"][first:last]]
    assert "Customer" in values and None not in values, values

    for number, row in enumerate(ROWS, start=2):
        for field, value in row.items():
            sheet.cell(number, columns[field]).value = value
    book.save(filled)


main(*sys.argv[1:])
