"""Writes a workbook of leads by openpyxl: one fit to import, two to reject.

    python3 tests/readers/write_leads.py LEADS.xlsx
"""

import datetime
import sys

import openpyxl

book = openpyxl.Workbook()
sheet = book.active
sheet.title = "Leads"
sheet.append(["Company", "Kind", "Since"])
sheet.append(["Fit Ltd", "Customer", datetime.date(2024, 1, 31)])
sheet.append(["Wrong kind Ltd", "Custmer", datetime.date(2024, 1, 31)])
sheet.append(["Wrong day Ltd", "Customer", "soon"])
book.save(sys.argv[1])
