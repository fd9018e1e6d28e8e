//! Files as people really make them, and all that the program says about them:
//! each story is a snapshot that a person has read.
//!
//! A snapshot that changes is to be read again as the one who gets it: is every
//! sentence one to act on, is the place right, is nothing said twice?

use calamine::{Data, Reader, Xlsx, open_workbook};
use regex::Regex;

use crate::support::{Crm, Desk};
use crate::workbook::{Sheet, blank, book, day, error, formula, number, text, texts};

/// Commands typed one after the other, and what came of them.
struct Story {
    crm: Crm,
    desk: Desk,
    told: String,
}

impl Story {
    fn of(name: &str, content: impl AsRef<[u8]>) -> Self {
        Self { crm: Crm::start(), desk: Desk::with(name, content), told: String::new() }
    }

    /// A further file on the desk.
    fn with(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        self.desk.write(name, content);
        self
    }

    /// Types a command; blanks part its words.
    fn types(mut self, line: &'static str) -> Self {
        let done = self.crm.carafe(&self.desk, line.split(' ')).run();
        self.told += &format!("$ carafe {line}\n");
        for (stream, text) in [("stderr", &done.stderr), ("stdout", &done.stdout)] {
            if !text.is_empty() {
                self.told += &format!("--- {stream}\n{}\n", text.trim_end());
            }
        }
        self.told += &format!("--- exit code {}\n\n", done.code.unwrap());
        self
    }

    /// Reads a file, as some other program would, and saves it under another name.
    fn rewrites(self, from: &str, to: &str, how: impl FnOnce(String) -> String) -> Self {
        let text = how(self.desk.text(from));
        self.with(to, text)
    }

    /// Shows the files that the last run left, rejects decoded by this encoding.
    fn shows_files(mut self, encoding: &'static str) -> Self {
        let run = self.desk.runs().pop().unwrap();
        let kept = |name: &str| std::fs::read(run.join(name)).ok();
        if let Some(errors) = kept("errors.jsonl") {
            self.told += &format!("--- errors.jsonl\n{}\n", String::from_utf8(errors).unwrap().trim_end());
        }
        for name in ["rejects.csv", "rejects.jsonl"] {
            if let Some(bytes) = kept(name) {
                let (text, _, _) =
                    encoding_rs::Encoding::for_label(encoding.as_bytes()).unwrap().decode(&bytes);
                self.told += &format!("--- {name}\n{}\n", with_visible_ends(&text).trim_end());
            }
        }
        if kept("rejects.xlsx").is_some() {
            self.told += &format!("--- rejects.xlsx\n{}", cells_of(&run.join("rejects.xlsx")));
        }
        self
    }

    /// All that was told, without what differs from day to day.
    fn ends(self) -> String {
        let mut told = self.told;
        for run in self.desk.runs() {
            told = told.replace(run.file_name().unwrap().to_str().unwrap(), "RUN");
        }
        let address = self.crm.address();
        let told = told.replace(&address, "CRM").replace(address.trim_start_matches("http://"), "HOST");
        let told = Regex::new(r"sha256 \w{8}").unwrap().replace_all(&told, "sha256 HASH");
        // Rows are created in any order.
        let told = Regex::new(r"id \d{8}").unwrap().replace_all(&told, "id ID");
        let figures = Regex::new(r"(?m)^  \S.* · (\d+ calls?).*$").unwrap();
        figures.replace_all(&told, "  TIME · $1").into_owned()
    }
}

/// A text with its line ends shown: ␍ and ␊.
fn with_visible_ends(text: &str) -> String {
    let text = text.replace("\r\n", "\u{1}").replace('\r', "␍\n").replace('\n', "␊\n");
    text.replace("␍␊\n", "␍\n").replace('\u{1}', "␍␊\n")
}

/// The filled cells of a workbook's first sheet, a line for each row.
pub fn cells_of(path: &std::path::Path) -> String {
    let mut book: Xlsx<_> = open_workbook(path).unwrap();
    let range = book.worksheet_range_at(0).unwrap().unwrap();
    let from = range.start().unwrap_or_default().0;
    let mut out = String::new();
    for (row, number) in range.rows().zip(from + 1..) {
        let filled = row.iter().zip('A'..).filter(|(cell, _)| !matches!(cell, Data::Empty));
        let cells: Vec<String> = filled.map(|(cell, letter)| format!("{letter}{number} {cell}")).collect();
        if !cells.is_empty() {
            out += &format!("{}\n", cells.join(" | "));
        }
    }
    out
}

fn in_encoding(label: &str, text: &str) -> Vec<u8> {
    let (bytes, _, lost) = encoding_rs::Encoding::for_label(label.as_bytes()).unwrap().encode(text);
    assert!(!lost);
    bytes.into_owned()
}

macro_rules! read_by_a_person {
    ($story:expr) => {
        insta::assert_snapshot!($story.ends())
    };
}

const ERP: &str = "Kundenliste mit Umsatz;;;;;;;;
Mandant 100, Stand 31.12.2024;;;;;;;;
;;;;;;;;
Kd-Nr.;Firma;Straße;PLZ;Ort;Telefon;Art;Kunde seit;Umsatz €
10001;Müller & Söhne GmbH;Hauptstr. 5;01067;Dresden;+49 351 4960-0;Kunde;04.03.2019;1.234,50
10002;\"Bäckerei \"\"Zum Ährenkranz\"\"\";Am Markt 1;09111;Chemnitz;0371/12 34;Kunde;31.12.2020;980,00
10003;Groß KG;\"Ringstr. 8
Hinterhaus\";04103;Leipzig;;Interessent;;-12,50
10004;  Schröder  ;Weg 3;8056;Zwickau;0375 99;Lieferant;1.2.21;
10005;Weiß + Co.;Allee 2;01099;Dresden;;Partnr;30.02.2021;12.345,6
10006;Elektro Lüders;;;;;Kunde;15.05.2021;1.250,-
10007;;Gasse 9;01277;Dresden;;Kunde;;0,00

;Summe;;;;;;;15.806,10
";

const ERP_MAPPING: &str = "version: 1
object: accounts
mode: upsert
match: [name]
fields:
  name: Firma
  addressline: Straße
  addresspostcode/zip: PLZ
  addresscity: Ort
  phone: Telefon
  type: { from: Art, values: { Kunde: Customer, Interessent: Prospect, Lieferant: Supplier }, otherwise: keep }
  inceptiondate: Kunde seit
  annualvalue: Umsatz €
";

#[test]
fn a_german_erp_export_with_titles_and_a_total() {
    let known = "source: { header_row: 4 }\nwhen: Firma != \"Summe\"\nignore: [Kd-Nr.]\n";
    let story = Story::of("kunden.csv", in_encoding("windows-1252", &ERP.replace('\n', "\r\n")))
        .with("erste.yaml", ERP_MAPPING)
        .with("kunden.yaml", format!("{ERP_MAPPING}{known}"))
        .types("check kunden.csv -m erste.yaml")
        .types("check kunden.csv -m kunden.yaml")
        .types("import kunden.csv -m kunden.yaml")
        .shows_files("windows-1252");
    read_by_a_person!(story);
}

const BOOK_MAPPING: &str = "version: 1
object: accounts
mode: upsert
match: [name]
fields:
  name: Company
  addresscity: Town
  inceptiondate: Customer since
  annualvalue: Value
  phone: Telephone
  addresspostcode/zip: Postcode
";

#[test]
fn a_workbook_with_a_merged_title_hidden_rows_formulas_errors_and_mixed_dates() {
    let customers = Sheet::new("Customers")
        .row([text("Customer list 2024")])
        .merge("A1:F1")
        .blank_row()
        .row(texts(["Company", "Town", "Customer since", "Value", "Telephone", "Postcode"]))
        .row([
            text("Acme Ltd"),
            text("Leeds"),
            day("45123"),
            number("1200.5"),
            number("447912345678"),
            text("LS1 4AP"),
        ])
        .row([
            text("Beta plc"),
            text("York"),
            text("16/07/2023"),
            text("1,234.50"),
            text("01904 555 010"),
            text("YO1 7HH"),
        ])
        .hidden_row([
            text("Gamma Ltd"),
            text("Hull"),
            day("44927"),
            formula("D4*2", Some("2401")),
            blank(),
            blank(),
        ])
        .row([
            text("Delta & Sons"),
            error("#N/A"),
            text("03/04/2023"),
            formula("D5*2", None),
            blank(),
            number("2138"),
        ])
        .row([
            text("Epsilon"),
            text("Hull"),
            number("45123"),
            error("#DIV/0!"),
            number("4.47912345678E+17"),
            blank(),
        ])
        .row([text("Zeta"), text("Ripon"), text("31/02/2023"), text("n/a"), text("4.47912E+11"), blank()])
        .blank_row()
        .row([text("Total"), blank(), blank(), formula("SUM(D4:D9)", Some("4836"))]);
    let old = Sheet::new("Old").row(texts(["Company", "Town"])).row(texts(["Omega", "Leeds"]));
    let known = "source: { sheet: Customers, header_row: 3 }\nwhen: Company != \"Total\"\n";
    let story = Story::of("customers.xlsx", book(&[customers, old]))
        .with("first.yaml", BOOK_MAPPING)
        .with("second.yaml", format!("{BOOK_MAPPING}source: {{ sheet: Customers }}\n"))
        .with("customers.yaml", format!("{BOOK_MAPPING}{known}"))
        .types("check customers.xlsx -m first.yaml")
        .types("check customers.xlsx -m second.yaml")
        .types("check customers.xlsx -m customers.yaml")
        .types("import customers.xlsx -m customers.yaml")
        .shows_files("utf-8");
    read_by_a_person!(story);
}

#[test]
fn a_csv_saved_by_excel_on_an_old_mac() {
    let rows = "Name,Firm,E-mail,Born\rRené Müller,Café Zoë,rene@cafezoe.example,1.4.70\r\"Weiß, Jörg\",Café Zoë,\"joerg@cafezoe.example\",13.12.68\rÅsa Öberg,\"Fjord Energi AS\",asa@fjord,31.2.71\r\"Ingrid\rBerg\",Fjord Energi,ingrid@fjord.example,\r";
    let mapping = "version: 1
object: contacts
mode: create
fields:
  accountid: { from: Firm, ref: { object: accounts, by: name } }
  last: Name
  email: E-mail
  birthday: Born
";
    let story = Story::of("contacts.csv", in_encoding("macintosh", rows))
        .with("contacts.yaml", mapping)
        .types("check contacts.csv -m contacts.yaml")
        .types("import contacts.csv -m contacts.yaml")
        .shows_files("macintosh");
    read_by_a_person!(story);
}

#[test]
fn an_export_of_another_crm_with_its_ids_zones_and_quoted_line_breaks() {
    let rows = r#""ID","ISDELETED","NAME","TYPE","BILLINGSTREET","BILLINGCITY","PHONE","WEBSITE","ANNUALREVENUE","NUMBEROFEMPLOYEES","DESCRIPTION","CREATEDDATE"
"0015g00000AbCdEAAV","false","Burlington Textiles","Customer - Direct","525 S. Lexington Ave
Suite 4","Burlington","(336) 222-7000","www.burlington.example","3.5E8","9000","They said:
""call in May"", then nothing.","2019-04-01T09:30:00.000Z"
"0015g00000AbCdFAAV","false","Pyramid Construction","Customer - Channel","2 Place Jussieu","Paris","(014) 427-4427","www.pyramid.example","9.5E8","2680","","2019-04-02T10:11:12.000Z"
"0015g00000AbCdGAAV","true","Dickenson plc","Prospect","1301 Hoch Drive","Lawrence","(785) 241-6200","dickenson","50000000","120","","2019-04-03T00:00:00.000Z"
"0015g00000AbCdHAAV","false","dickenson PLC","","","","","","","","","2019-04-04T00:00:00.000Z"
"#;
    let mapping = |since: &str| {
        format!(
            "version: 1
object: accounts
mode: upsert
match: [name]
fields:
  name: NAME
  type: {{ from: TYPE, values: {{ Customer - Direct: Customer, Customer - Channel: Customer }}, otherwise: keep }}
  addressline: BILLINGSTREET
  addresscity: BILLINGCITY
  phone: PHONE
  website: WEBSITE
  annualvalue: ANNUALREVENUE
  employees: NUMBEROFEMPLOYEES
  notes: DESCRIPTION
  inceptiondate: {since}
"
        )
    };
    let story = Story::of("Account.csv", rows)
        .with("first.yaml", mapping("CREATEDDATE"))
        .with("accounts.yaml", mapping("{ from: CREATEDDATE, replace: { \"Z$\": \"\" } }"))
        .types("check Account.csv -m first.yaml")
        .types("check Account.csv -m accounts.yaml")
        .types("import Account.csv -m accounts.yaml")
        .shows_files("utf-8");
    read_by_a_person!(story);
}

#[test]
fn unicode_text_of_excel() {
    let rows = "Company\tTown\tSector\tCustomer since\r\nŁódzkie Zakłady\tŁódź\tIndustrials\t2023-07-16\r\n\"株式会社\t東京\"\t東京\tInformation Tech\t16/07/2023\r\nΑθηνά\tΑθήνα\tEnergy\t2024-02-30\r\n";
    let mut bytes = vec![0xFF, 0xFE];
    bytes.extend(rows.encode_utf16().flat_map(u16::to_le_bytes));
    let mapping = "version: 1
object: accounts
mode: create
fields:
  name: Company
  addresscity: Town
  sector: Sector
  inceptiondate: Customer since
";
    let story = Story::of("export.txt", bytes)
        .with("first.yaml", mapping)
        .with(
            "accounts.yaml",
            mapping.replace("Customer since", "{ from: Customer since, date: \"%Y-%m-%d\" }"),
        )
        .types("check export.txt -m first.yaml")
        .types("check export.txt -m accounts.yaml")
        .types("import export.txt -m accounts.yaml")
        .shows_files("utf-16le");
    read_by_a_person!(story);
}

#[test]
fn a_file_with_a_missing_quote() {
    let mapping = "version: 1\nobject: accounts\nmode: create\nfields:\n  name: Company\n  phone: Tel\n  notes: Notes\n";
    let open = "Company,Tel,Notes\nAcme,1,\"fine\"\nBeta,2,\"never closed\nGamma,3,\nDelta,4,x\n";
    let closed_by_the_next = "Company,Tel,Notes\nAcme,1,\"fine\"\nBeta,2,\"never closed\nGamma,3,\nDelta,4,\"closed here\"\nEpsilon,5,\"4\" pipe\"\n";
    let story = Story::of("open.csv", open)
        .with("swallowed.csv", closed_by_the_next)
        .with("accounts.yaml", mapping)
        .types("check open.csv -m accounts.yaml")
        .types("check swallowed.csv -m accounts.yaml")
        .types("import swallowed.csv -m accounts.yaml")
        .shows_files("utf-8");
    read_by_a_person!(story);
}

#[test]
fn a_contact_list_with_whole_names_ruined_phones_and_words_for_nothing() {
    let rows = "Name,Company,Phone,E-mail,Notes\nDr. Jane Smith,3M,4.47912E+11,jane.smith@3m.example,\n\"Smith, John\",3m,N/A,N/A,-\nMadonna,Adobe,+44 20 7946 0018,,N/A\nJosé  García Márquez,Apple Inc.,00442079460018,jose@apple.example; jg@apple.example,\nTim Cook,Apple Inc. ,-,TIM.COOK@APPLE.EXAMPLE,Old friend\nN/A,N/A,N/A,N/A,N/A\n";
    let mapping = |more: &str| {
        format!(
            "version: 1
object: contacts
mode: upsert
match: [email]
fields:
  accountid: {{ from: Company, ref: {{ object: accounts, by: name }} }}
  first: {{ from: Name, split: {{ by: \" \", part: 1 }} }}
  last: {{ from: Name, split: {{ by: \" \", part: 2- }} }}
  phone: {{ from: Phone{more} }}
  email: {{ from: E-mail{more} }}
ignore: [Notes]
"
        )
    };
    let story = Story::of("people.csv", rows)
        .with("first.yaml", mapping(""))
        .with("people.yaml", mapping(", replace: { \"^(N/A|-)$\": \"\" }"))
        .types("check people.csv -m first.yaml")
        .types("check people.csv -m people.yaml")
        .types("import people.csv -m people.yaml")
        .shows_files("utf-8");
    read_by_a_person!(story);
}

#[test]
fn a_sheet_whose_header_was_sorted_away() {
    let mapping = "version: 1\nobject: accounts\nmode: upsert\nmatch: [name]\nfields:\n  name: Company\n  addresscity: Town\n  phone: Tel\n";
    let sheet = Sheet::new("Sheet1")
        .row(texts(["Acme Ltd", "Leeds", "0113 1"]))
        .row(texts(["Beta plc", "York", "01904 2"]))
        .row(texts(["Company", "Town", "Tel"]))
        .row(texts(["Delta & Sons", "Hull", "01482 3"]));
    let fields = "Acme Ltd,Leeds\nname,addresscity\nBeta plc,York\n";
    let story = Story::of("sorted.xlsx", book(&[sheet]))
        .with("fields.csv", fields)
        .with("accounts.yaml", mapping)
        .types("check sorted.xlsx -m accounts.yaml")
        .types("import sorted.xlsx -m accounts.yaml")
        .types("import fields.csv --object accounts");
    read_by_a_person!(story);
}

#[test]
fn json_lines_with_nested_objects_numbers_as_texts_and_broken_lines() {
    let rows = r#"{"name":"Acme","annualvalue":"1234.50","employees":"12","vip":"true","tags":["Newsletter","Reference"]}
{"name":"Beta","annualvalue":1e3,"employees":12.0,"vip":1,"address":{"city":"Leeds","zip":"LS1"}}
{"name":"Gamma","annualvalue":"1,234.50"
{'name': 'Delta'}
{"name":"Epsilon","employees":"many","vip":"maybe","inceptiondate":"2024-02-30T00:00:00Z"}

["Zeta"]
{"name":"Eta","name":"Theta"}
{"name":null,"annualvalue":null}
"#;
    let story = Story::of("accounts.jsonl", rows)
        .types("check accounts.jsonl --object accounts")
        .types("import accounts.jsonl --object accounts")
        .shows_files("utf-8");
    read_by_a_person!(story);
}

#[test]
fn our_own_export_edited_in_excel() {
    let first = "name,addresspostcode/zip,centralindexkey,inceptiondate,renewal,annualvalue,notes
Acme,01067,0000066740,2024-02-03,2026-12-31 12:00:00,1200.50,=SUM(A1)
Beta,09111,0000001800,2023-12-25,,7,\"two
lines\"
Gamma,LS1 4AP,,2023-12-25,2027-01-15 09:30:00,7,@home
";
    let mended = "version: 1
object: accounts
mode: update
match: [id]
fields:
  id: id
  name: name
  addresspostcode/zip: { from: addresspostcode/zip, pad: 5 }
  centralindexkey: { from: centralindexkey, pad: 10 }
  inceptiondate: inceptiondate
  renewal: renewal
  annualvalue: annualvalue
  notes: notes
";
    let story = Story::of("new.csv", first)
        .types("import new.csv --object accounts")
        .types("export accounts -o crm.csv --order name --where notes!=\"\" --fields name,addresspostcode/zip,centralindexkey,inceptiondate,renewal,annualvalue,notes")
        .rewrites("crm.csv", "edited.csv", |text| {
            // What a double click and Ctrl-S do to it, in Britain.
            let shown = text
                .replace("01067", "1067")
                .replace("09111", "9111")
                .replace("0000066740", "66740")
                .replace("0000001800", "1800")
                .replace("2024-02-03", "03/02/2024")
                .replace("2023-12-25", "25/12/2023")
                .replace("2026-12-31 12:00:00", "31/12/2026 12:00")
                .replace("2027-01-15 09:30:00", "15/01/2027 09:30");
            format!("\u{FEFF}{}", shown.replace("\r\n", "\n").replace('\n', "\r\n"))
        })
        .with("mended.yaml", mended)
        .types("check edited.csv --object accounts")
        .types("import edited.csv --object accounts --dry-run")
        .types("import edited.csv -m mended.yaml");
    read_by_a_person!(story);
}
