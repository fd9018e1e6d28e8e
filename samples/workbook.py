"""Writes a small workbook by hand: an XLSX is a zip file of XML texts."""

import datetime
import io
import zipfile
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
SHEET = "application/vnd.openxmlformats-officedocument.spreadsheetml"


@dataclass
class Date:
    """A date cell; with a time of day where the value has one."""
    value: datetime.date


@dataclass
class Error:
    """A cell that holds an error such as #N/A."""
    text: str


@dataclass
class Formula:
    """A formula and the result that is stored with it; None if there is none."""
    text: str
    result: object


def letters(column):
    return chr(ord("A") + column)


def serial(value):
    """Days since the last of 1899, as Excel counts them."""
    at = value if isinstance(value, datetime.datetime) else datetime.datetime.combine(value, datetime.time())
    return (at - datetime.datetime(1899, 12, 30)) / datetime.timedelta(days=1)


def cell(address, value, strings):
    match value:
        case None | "":
            return ""
        case bool():
            return f'<c r="{address}" t="b"><v>{int(value)}</v></c>'
        case int() | float():
            return f'<c r="{address}"><v>{value}</v></c>'
        case Date(value):
            style = 2 if isinstance(value, datetime.datetime) else 1
            return f'<c r="{address}" s="{style}"><v>{serial(value)!r}</v></c>'
        case Error(text):
            return f'<c r="{address}" t="e"><v>{text}</v></c>'
        case Formula(text, None):
            return f'<c r="{address}"><f>{escape(text)}</f></c>'
        case Formula(text, str(result)):
            return f'<c r="{address}" t="str"><f>{escape(text)}</f><v>{escape(result)}</v></c>'
        case Formula(text, result):
            return f'<c r="{address}"><f>{escape(text)}</f><v>{result}</v></c>'
        case str():
            return f'<c r="{address}" t="s"><v>{strings.setdefault(value, len(strings))}</v></c>'
    raise TypeError(f"{address}: {value!r}")


def sheet(rows, merged, strings):
    lines = []
    for number, row in enumerate(rows, 1):
        cells = (cell(f"{letters(at)}{number}", value, strings) for at, value in enumerate(row))
        lines.append(f'<row r="{number}">{"".join(cells)}</row>')
    merge = f'<mergeCells count="1"><mergeCell ref="{merged}"/></mergeCells>' if merged else ""
    return f'{HEAD}<worksheet xmlns="{MAIN}"><sheetData>{"".join(lines)}</sheetData>{merge}</worksheet>'


STYLES = (
    f'{HEAD}<styleSheet xmlns="{MAIN}">'
    '<numFmts count="2"><numFmt numFmtId="164" formatCode="dd/mm/yyyy"/>'
    '<numFmt numFmtId="165" formatCode="dd/mm/yyyy hh:mm"/></numFmts>'
    "<fonts count=\"1\"><font><sz val=\"11\"/><name val=\"Calibri\"/></font></fonts>"
    '<fills count="1"><fill><patternFill patternType="none"/></fill></fills>'
    "<borders count=\"1\"><border/></borders>"
    '<cellStyleXfs count="1"><xf/></cellStyleXfs>'
    '<cellXfs count="3"><xf numFmtId="0"/><xf numFmtId="164" applyNumberFormat="1"/>'
    '<xf numFmtId="165" applyNumberFormat="1"/></cellXfs></styleSheet>'
)


def workbook(sheets, merged):
    """The bytes of a workbook of `sheets`: names and rows of cells."""
    strings = {}
    parts = {}
    for number, (name, rows) in enumerate(sheets, 1):
        parts[f"xl/worksheets/sheet{number}.xml"] = sheet(rows, merged.get(name), strings)
    texts = "".join(f'<si><t xml:space="preserve">{escape(text)}</t></si>' for text in strings)
    parts["xl/sharedStrings.xml"] = f'{HEAD}<sst xmlns="{MAIN}" uniqueCount="{len(strings)}">{texts}</sst>'
    parts["xl/styles.xml"] = STYLES
    names = "".join(f'<sheet name={quoteattr(name)} sheetId="{at}" r:id="rId{at}"/>'
                    for at, (name, _) in enumerate(sheets, 1))
    parts["xl/workbook.xml"] = (f'{HEAD}<workbook xmlns="{MAIN}" xmlns:r="{RELATIONS}">'
                                f"<sheets>{names}</sheets></workbook>")
    targets = [("worksheet", f"worksheets/sheet{at}.xml") for at in range(1, len(sheets) + 1)]
    targets += [("sharedStrings", "sharedStrings.xml"), ("styles", "styles.xml")]
    parts["xl/_rels/workbook.xml.rels"] = relations(targets)
    parts["_rels/.rels"] = relations([("officeDocument", "xl/workbook.xml")])
    parts["[Content_Types].xml"] = content_types(len(sheets))
    return zipped(parts)


def relations(targets):
    lines = "".join(f'<Relationship Id="rId{at}" Type="{RELATIONS}/{kind}" Target="{target}"/>'
                    for at, (kind, target) in enumerate(targets, 1))
    return f'{HEAD}<Relationships xmlns="{PACKAGE}/relationships">{lines}</Relationships>'


def content_types(sheets):
    kinds = [("/xl/workbook.xml", "sheet.main"), ("/xl/styles.xml", "styles"),
             ("/xl/sharedStrings.xml", "sharedStrings")]
    kinds += [(f"/xl/worksheets/sheet{at}.xml", "worksheet") for at in range(1, sheets + 1)]
    lines = "".join(f'<Override PartName="{part}" ContentType="{SHEET}.{kind}+xml"/>' for part, kind in kinds)
    return (f'{HEAD}<Types xmlns="{PACKAGE}/content-types">'
            '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            f'<Default Extension="xml" ContentType="application/xml"/>{lines}</Types>')


def zipped(parts):
    """Not compressed and with one date for all, so that the bytes are always the same."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(parts):
            archive.writestr(zipfile.ZipInfo(name, (2025, 5, 28, 12, 0, 0)), parts[name])
    return out.getvalue()
