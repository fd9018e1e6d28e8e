"""Corrects a reject workbook of accounts as a person would, by openpyxl.

    python3 tests/readers/correct_rejects.py REJECTS.xlsx CORRECTED.xlsx

REJECTS.xlsx comes from a file with the columns "Company", "Kind" and "Since",
the first two for the fields name and type. Every cell that has a note is
corrected: a kind becomes "Customer", a date the last of February 2024, a blank
name "Corrected" and the row's number.

Exits with 0 where every noted cell is coloured and tells what is wrong, and the
kinds have a dropdown that offers "Customer" from a hidden sheet; with 1 and a
traceback where anything is amiss.
"""

import datetime
import sys

import openpyxl


def offered(book, sheet, cell):
    """The values of a cell's dropdown."""
    checks = sheet.data_validations.dataValidation
    (check,) = [check for check in checks if cell.coordinate in check.cells]
    assert check.type == "list" and not check.showErrorMessage, check
    name, cells = check.formula1.rsplit("!", 1)
    lists = book[name.strip("'").replace("''", "'")]
    assert lists.sheet_state == "hidden", lists.sheet_state
    first, last = cells.replace("$", "").split(":")
    return [value.value for (value,) in lists[first:last]]


def main(rejects, corrected):
    book = openpyxl.load_workbook(rejects)
    sheet = next(sheet for sheet in book if sheet.sheet_state == "visible" and sheet.max_row > 1)
    header = int(sheet.freeze_panes[1:]) - 1
    columns = {cell.value: cell.column for cell in sheet[header]}
    assert "_errors" in columns, columns

    noted = 0
    for row in sheet.iter_rows(min_row=header + 1):
        told = str(row[columns["_errors"] - 1].value)
        for cell in row:
            is_coloured = cell.fill.fill_type == "solid" and cell.fill.fgColor.rgb == "FFFFC7CE"
            assert is_coloured == (cell.comment is not None), cell.coordinate
            if cell.comment is None:
                continue
            noted += 1
            for line in cell.comment.text.split("\n"):
                assert line in told, (line, told)
            if cell.column == columns["Kind"]:
                assert "Customer" in offered(book, sheet, cell)
                cell.value = "Customer"
            elif cell.column == columns.get("Since"):
                cell.value = datetime.date(2024, 2, 29)
            else:
                cell.value = f"Corrected {cell.row}"
            cell.comment = None
    assert noted, "no cell has a note"
    book.save(corrected)


main(*sys.argv[1:])
