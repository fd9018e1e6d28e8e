#!/usr/bin/env python3
"""Makes every sample from sp500-constituents.csv, the same bytes each time.

    python3 samples/generate.py

Needs Python 3 and nothing else. What is wrong in a sample is written here on
purpose: the tables named BAD, TWICE and the like say which row has which mess.
"""

import csv
import datetime
import hashlib
import io
import pathlib
import re
import sys

sys.dont_write_bytecode = True  # no __pycache__ beside the samples

from small import SMALL
from workbook import Date, Error, Formula, workbook

HERE = pathlib.Path(__file__).parent


def constituents():
    with open(HERE / "sp500-constituents.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def pick(choices, *keys):
    """One of the choices, always the same one for the same keys."""
    digest = hashlib.sha256("|".join(keys).encode()).digest()
    return choices[int.from_bytes(digest[:4], "big") % len(choices)]


def text_of(rows, delimiter=",", end="\n"):
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator=end).writerows(rows)
    return out.getvalue()


def write(name, content):
    data = content if isinstance(content, bytes) else content.encode("utf-8")
    (HERE / name).write_bytes(data)


# --- accounts.csv: the sample of the README's first command ------------------

ACCOUNTS = ["Company", "Ticker", "Type", "Sector", "Industry", "City", "State", "Country",
            "Member since", "CIK", "Founded", "Annual value", "E-mail", "Account manager"]

ABROAD = {"Ireland", "United Kingdom", "Switzerland", "Bermuda", "Netherlands", "Canada"}

MANAGERS = ["Ann Archer", "Ben Baker", "Carla Mendes", "David Okafor", "Elif Yilmaz"]

# Cells of companies that a new sandbox knows already. The first two are there
# just as the sandbox has them, so they come out unchanged.
KNOWN = {
    "MMM": {"Type": "Client", "Annual value": "$125,000.50", "Member since": "", "CIK": "", "E-mail": "",
            "Account manager": "Ann Archer"},
    "ABT": {"Type": "Lead", "State": "", "Member since": "", "CIK": "", "Annual value": "", "E-mail": "",
            "Account manager": "Ann Archer"},
    "AAPL": {"Type": "Client"},
    "AMZN": {"Type": "Supplier"},
}

# Cells that no CRM should take.
BAD = {
    "AMCR": {"Type": "Prospct"},
    "CCL": {"Type": "Prospct", "E-mail": "info@"},
    "HSIC": {"Type": "Prospct"},
    "CLX": {"Type": "Custmer"},
    "KVUE": {"Type": "Custmer"},
    "DVN": {"City": "333 West Sheridan Avenue, Oklahoma City, Oklahoma 73102-5015"},
    "PLD": {"City": "Pier 1, Bay 1, San Francisco, California 94111, United States"},
    "EL": {"Member since": "02/30/2006"},
    "NOC": {"Member since": "11/31/1957"},
    "BALL": {"E-mail": "info@ball"},
    "FAST": {"E-mail": "sales at fast.example"},
    "HUM": {"Annual value": "1.2m"},
    "SYY": {"Annual value": "tbc"},
}

# The same companies once more, further down and spelled another way.
TWICE = ["APPLE INC.", " Microsoft ", "nvidia", "Coca-Cola  Company (the)"]


def place(location):
    """City, state and country of "Saint Paul, Minnesota" and its like."""
    location = re.sub(r"\[\d+\]", "", location).split(";")[0]
    if "," not in location:
        return "", "", "USA"
    city, last = location.rsplit(", ", 1)
    return (city, "", last) if last in ABROAD else (city, last, "USA")


def account(row):
    symbol = row["Symbol"]
    city, state, country = place(row["Headquarters Location"])
    added = datetime.date.fromisoformat(row["Date added"])
    amount = pick(range(20, 2400), symbol, "amount") * 125
    cells = {
        "Company": row["Security"],
        "Ticker": symbol,
        "Type": pick(["Client", "Client", "Lead", "Lead", "Prospect", "customer", "Supplier", "Partner"], symbol),
        "Sector": row["GICS Sector"],
        "Industry": row["GICS Sub-Industry"],
        "City": city,
        "State": state,
        "Country": country,
        "Member since": added.strftime("%m/%d/%Y"),
        "CIK": row["CIK"].zfill(10),
        "Founded": row["Founded"][:4],
        "Annual value": pick([f"${amount:,}.00", f"{amount:,}", str(amount), ""], symbol, "form"),
        "E-mail": pick([f"info@{symbol.lower()}.example", ""], symbol, "mail"),
        "Account manager": pick(MANAGERS + [""], symbol, "manager"),
    }
    cells.update(KNOWN.get(symbol, {}))
    cells.update(BAD.get(symbol, {}))
    return [cells[name] for name in ACCOUNTS]


def other(**cells):
    names = {name.replace(" ", "_").replace("-", "_"): name for name in ACCOUNTS}
    filled = {names[key]: value for key, value in cells.items()}
    return [filled.get(name, "") for name in ACCOUNTS]


def accounts(companies):
    lines = [text_of([ACCOUNTS])]
    for at, row in enumerate(companies):
        line = text_of([account(row)])
        if row["Symbol"] == "COO":
            # Somebody wrote this line by hand and forgot the quotes.
            line = line.replace("San Ramon,California", "San Ramon, California,California")
        lines.append(line)
        if at == 249:
            lines.append("," * (len(ACCOUNTS) - 1) + "\n")
    lines.append(text_of(
        [other(Company=name, Type="Lead", Country="USA") for name in TWICE]
        + [
            other(Company="Harbour Dental Practice", Type="Client", Sector="Health Care", City="Whitby",
                  E_mail="desk@harbourdental.example"),
            other(Company="Eastgate Logistics", Type="Former Customer", City="Felixstowe", Country="UK",
                  Account_manager="Elif Yilmaz"),
            other(Company="Café Zoë", Type="Client", City="Genève", Country="Switzerland",
                  E_mail="zoe@cafezoe.example"),
        ]))
    return "".join(lines)


# --- accounts-german.csv: Windows-1252, semicolons, German and French --------

GERMAN = ["Firmenname", "Straße", "Haus-Nr.", "PLZ", "Ort", "Land", "Kundentyp", "Branche", "Kunde seit",
          "Umsatz (€)", "Rabatt", "Mitarbeiter", "Betreuer", "E-Mail", "Téléphone", "Schlüsselkunde", "Tags",
          "Herkunft", "Bemerkung", "Interne Nr."]

PLACES = [("D", "80331", "München", "Löwengrube", "Deutschland GmbH", "+49 89"),
          ("D", "50667", "Köln", "Hohe Straße", "Deutschland GmbH", "+49 221"),
          ("D", "01067", "Dresden", "Schäferstraße", "Deutschland GmbH", "+49 351"),
          ("A", "1010", "Wien", "Kärntner Straße", "Österreich GmbH", "+43 1"),
          ("CH", "8001", "Zürich", "Rämistrasse", "Schweiz AG", "+41 44"),
          ("CH", "1204", "Genève", "Rue de la Cité", "Suisse SA", "+41 22"),
          ("F", "25000", "Besançon", "Grande Rue", "France SARL", "+33 3 81"),
          ("F", "45000", "Orléans", "Rue Royale", "France SARL", "+33 2 38")]

BRANCHEN = {"Communication Services": "Kommunikation", "Consumer Discretionary": "Konsumgüter",
            "Consumer Staples": "Grundbedarf", "Energy": "Énergie", "Financials": "Finanzen",
            "Health Care": "Gesundheit", "Industrials": "Industrie", "Information Technology": "Informatik",
            "Materials": "Rohstoffe", "Real Estate": "Immobilien", "Utilities": "Versorger"}

GERMAN_BAD = {
    3: {"Kundentyp": "Custmer"},
    7: {"Kundentyp": "Prospct", "Kunde seit": "31.02.2019"},
    11: {"Branche": "Raumfahrt"},
    14: {"Ort": ""},
    17: {"Ort": "Gewerbegebiet Süd, Halle 7, Zufahrt über die Kölner Straße"},
    20: {"Umsatz (€)": "1,234.56"},
    23: {"Kunde seit": "2019-05-01"},
    26: {"Schlüsselkunde": "vielleicht"},
    29: {"Rabatt": "7,555"},
    32: {"E-Mail": "büro@"},
}


def german_row(at, row):
    land, plz, ort, street, suffix, dial = PLACES[at % len(PLACES)]
    amount = pick(range(1000, 99_000_000), row["Symbol"], "umsatz")
    grouped = f"{amount // 100:,}".replace(",", ".") + f",{amount % 100:02}"
    number = pick(range(1, 99), row["Symbol"], "nr")
    cells = {
        "Firmenname": f"{row['Security']} {suffix}",
        "Straße": street,
        "Haus-Nr.": str(number),
        "PLZ": plz,
        "Ort": ort,
        "Land": land,
        "Kundentyp": pick(["Kunde", "Interessent", "Lieferant", "Partner", "kunde "], row["Symbol"]),
        "Branche": BRANCHEN[row["GICS Sector"]],
        "Kunde seit": datetime.date.fromisoformat(row["Date added"]).strftime("%d.%m.%Y"),
        "Umsatz (€)": pick([grouped, grouped + " €", "€ " + grouped, ""], row["Symbol"], "form"),
        "Rabatt": pick(["", "7,5", "12,25 %", "3"], row["Symbol"], "rabatt"),
        "Mitarbeiter": f"{number * 137:,}".replace(",", "."),
        "Betreuer": pick(["Ann Archer", "elif yilmaz", "Frank O'Neil", "Otto Normal", ""], row["Symbol"], "b"),
        "E-Mail": f"info@{row['Symbol'].lower()}.example",
        "Téléphone": f"{dial} {number * 7919}",
        "Schlüsselkunde": pick(["ja", "nein", "oui", "non", ""], row["Symbol"], "vip"),
        "Tags": pick(["", "Newsletter", "Index Member; Newsletter"], row["Symbol"], "tags"),
        "Herkunft": pick(["Messe Köln", "Empfehlung", ""], row["Symbol"], "herkunft"),
        "Bemerkung": pick(["", "Rückruf erbeten", "zahlt pünktlich"], row["Symbol"], "text"),
        "Interne Nr.": f"K-{at:04}",
    }
    cells.update(GERMAN_BAD.get(at, {}))
    return cells


def german(companies):
    rows = [german_row(at, row) for at, row in enumerate(companies[:480:12])]
    rows[5]["Bemerkung"] = "Lieferung nur vormittags;\nbitte \"Tor 3\" benutzen"
    rows[7]["Bemerkung"] = "Ansprechpartnerin: Frau Öztürk;\nsonst Zentrale"
    rows[8]["Bemerkung"] = "Lange Geschichte: " + "schwierig, aber größtenteils gelöst; " * 16
    rows.append(dict(rows[0], Firmenname=rows[0]["Firmenname"].upper()))
    rows.append(dict(rows[1], Firmenname=f"\u00a0{rows[1]['Firmenname']}  "))
    rows.append(dict(rows[2], Firmenname=""))
    lines = text_of([GERMAN] + [[row[name] for name in GERMAN] for row in rows], ";", "\r\n")
    # The export broke off in the middle of its last line.
    lines += "Schluss & Söhne KG;Am Ende;1;04109;Leip\r\n"
    return lines.encode("cp1252")


# --- contacts-event.xlsx: a workbook as people send it ------------------------

EVENT = ["Company", "Salutation", "First name", "Last name", "Full name", "Job title", "E-mail", "Phone",
         "Birthday", "Registered", "Decides", "Score", "Interests", "Badge"]

FIRST = ["Amélie", "Björn", "Chen", "Deirdre", "Emeka", "Fatima", "George", "Hana", "Ivan", "Jaya"]
LAST = ["Ångström", "Brooks", "Castillo", "Dubois", "Eriksen", "Fischer", "Green", "Haddad", "Ito", "Jones",
        "Kowalska", "Lindqvist", "Moreau"]
JOBS = ["Buyer", "Head of IT", "Sales Director", "Office Manager", "Controller"]

EVENT_BAD = {
    2: {"E-mail": "hana.castillo@"},
    5: {"Company": "Acme Corporation"},
    9: {"Last name": ""},
    12: {"Score": Error("#N/A")},
    16: {"Company": "Globex"},
    19: {"E-mail": "no mail please"},
    22: {"Phone": 4989123456789012345},
    25: {"Score": Formula("VLOOKUP(D29,Codes!A1:B9,2)", None)},
    28: {"Birthday": "unknown"},
    31: {"Decides": "maybe"},
    34: {"Company": "Amcor"},
    37: {"E-mail": ""},
}


def event_row(at, row):
    first, last = pick(FIRST, row["Symbol"], "first"), LAST[at % len(LAST)]
    mail = f"{first}.{last}@{row['Symbol']}.example".lower()
    mail = mail.translate(str.maketrans("éåöø", "eaoo"))
    line = at + 4
    cells = {
        "Company": row["Security"],
        "Salutation": pick(["Mr", "Ms", "Mme", "Herr", "", "Sir"], row["Symbol"], "s"),
        "First name": first,
        "Last name": last,
        "Full name": Formula(f'C{line}&" "&D{line}', f"{first} {last}"),
        "Job title": pick(JOBS, row["Symbol"], "job"),
        "E-mail": Formula(f'LOWER(C{line}&"."&D{line})&"@…"', mail) if at % 7 == 3 else mail,
        "Phone": 4420_7946_0000 + at,
        "Birthday": Date(datetime.date(1950 + at, 1 + at % 12, 1 + at % 28)) if at % 3 else None,
        "Registered": Date(datetime.datetime(2025, 5, 1 + at % 28, 9 + at % 8, 30)),
        "Decides": at % 2 == 0 if at % 5 else "yes",
        "Score": Formula(f"LEN(F{line})*3", 3 * len(pick(JOBS, row["Symbol"], "job"))),
        "Interests": pick([None, "Sales; Marketing", "Service"], row["Symbol"], "i"),
        "Badge": f"B-{at:03}",
    }
    cells.update(EVENT_BAD.get(at, {}))
    return [cells[name] for name in EVENT]


def event(companies):
    # Companies that accounts.csv brings in.
    good = [row for row in companies if row["Symbol"] not in BAD and row["Symbol"] != "COO"]
    rows = [event_row(at, row) for at, row in enumerate(good[3:443:11])]
    rows.append([*rows[4][:3], "Twice", *rows[4][4:]])
    titles = [["Customer day 2025: who came"], ["printed by the front desk, 28 May 2025; please do not sort"]]
    codes = [["code", "meaning"], ["B", "badge printed"]]
    return workbook([
        ("Read me", [["The second sheet has the attendees."]]),
        ("Attendees", titles + [EVENT] + rows),
        ("Codes", codes),
    ], merged={"Attendees": "A1:N1"})


def main():
    companies = constituents()
    write("accounts.csv", accounts(companies))
    write("accounts-german.csv", german(companies))
    write("contacts-event.xlsx", event(companies))
    for name, rows in SMALL.items():
        write(name, text_of(rows))


if __name__ == "__main__":
    main()
