//! What users of CRMs write above their columns, in English and German, and
//! which field each of these headers means.
//!
//! A line of the table names fields by their API name or label, then the
//! headers that usually mean them, then those that can mean them where
//! nothing fits better. Fields that a tenant has added are found by their
//! label in the same way: `Annual revenue` is known by its own name and so by
//! `Umsatz`. Written as people write; case, accents and punctuation do not count.

use std::collections::HashMap;

use super::words::{plain, squeezed};

/// One line of the table.
struct Usage {
    /// The objects that it holds for; all of them if empty.
    objects: &'static str,
    /// The fields, by API name or label.
    fields: &'static str,
    /// Headers that usually mean them.
    usual: &'static str,
    /// Headers that can mean them.
    weak: &'static str,
}

const fn any(fields: &'static str, usual: &'static str, weak: &'static str) -> Usage {
    Usage { objects: "", fields, usual, weak }
}

const fn of(objects: &'static str, fields: &'static str, usual: &'static str, weak: &'static str) -> Usage {
    Usage { objects, fields, usual, weak }
}

/// Headers that name a company, for the account's own name and for what refers to it.
const COMPANY: &str = "company, company name, account, account name, organisation, organization, organisation name, \
    organization name, firm, firm name, business, business name, customer, customer name, client, client name, \
    trading name, legal name, supplier, supplier name, employer, Firma, Firmenname, Firmenbezeichnung, Unternehmen, \
    Unternehmensname, Kunde, Kundenname, Betrieb, Gesellschaft, Arbeitgeber, société, entreprise, raison sociale";

/// Headers that name a person at a company.
const PERSON: &str = "contact, contact name, contact person, contact email, person, Ansprechpartner, \
    Ansprechpartnerin, Kontakt, Kontaktperson, Kontaktname, member, attendee, participant, Teilnehmer, raised by, \
    reporter, reported by, caller, requester, gemeldet von";

const DEAL: &str = "deal, deal name, opportunity, opportunity name, project, project name, Verkaufschance, Projekt, \
    Projektname, Geschäft";

const TABLE: &[Usage] = &[
    // The record itself, and others that it names.
    any("id", "id, CRM id, RSS id, Spotler id, Really Simple Systems id, id in the CRM", ""),
    of("accounts", "name", COMPANY, "name 1, partner, entity"),
    of("opportunities", "name", DEAL, "title, topic, Betreff, Chance, lead"),
    of("campaigns", "name", "campaign, campaign name, Kampagne, Kampagnenname", "title"),
    of("campaignstages", "name", "stage, stage name, phase, step", ""),
    of(
        "documents",
        "name",
        "file name, file, document, document name, Datei, Dateiname, Dokument",
        "title, Titel",
    ),
    of("documents", "parentid", COMPANY, ""),
    any("accountid", COMPANY, ""),
    any("contactid", PERSON, "email, who, with"),
    any("opportunityid", DEAL, "name"),
    any("caseid", "case, ticket, case number, ticket number, Fall, Vorgang", ""),
    any("campaignid", "campaign, campaign name, Kampagne, Kampagnenname", ""),
    any("stageid, campaignstageid", "stage, campaign stage, phase", "status, step"),
    any(
        "ownerid",
        "owner, owner name, account owner, record owner, account manager, relationship manager, key account manager, \
         sales rep, salesperson, sales representative, rep, assigned to, responsible, Betreuer, Kundenbetreuer, \
         Verantwortlich, Verantwortlicher, Verantwortliche, zuständig, Besitzer, Vertriebler, Sachbearbeiter",
        "user, manager, consultant, Benutzer, Vertrieb",
    ),
    any("parentobject", "parent object, parent type, belongs to type", ""),
    // People.
    any("first, first name", "forename, given name, christian name, fname, Vorname, Rufname, prénom", ""),
    any("middle, middle name", "middle initial, zweiter Vorname", ""),
    any("last, last name", "surname, family name, lname, Nachname, Familienname, Zuname, nom de famille", ""),
    any("salutation", "Anrede, civility, name prefix, honorific, Anredeform", "title, prefix, Titel"),
    any(
        "jobtitle, job title",
        "position, role, job, designation, job role, Funktion, Stelle, Beruf, Berufsbezeichnung, Jobtitel",
        "title, function, Titel",
    ),
    any("department", "dept, division, Abteilung", "team, Bereich"),
    any(
        "birthday, birth date, date of birth, birthdate",
        "dob, born, Geburtstag, Geburtsdatum, Geb, Geb datum, geboren, geboren am",
        "",
    ),
    any("interests", "interest, likes, topics, hobbies, interested in, Interessen, Interesse", ""),
    any(
        "decisionmaker, decision maker",
        "decides, boss, is decision maker, key decision maker, Entscheider, Entscheiderin, entscheidet",
        "decision",
    ),
    any(
        "leftcompany, left company",
        "left, has left, ausgeschieden, no longer with company",
        "former, ehemalig",
    ),
    any("hold, on hold", "gesperrt, Sperre, blocked", ""),
    // Ways to reach them.
    any(
        "email, email address, e-mail",
        "mail, mail address, E-Mail-Adresse, Mailadresse, courriel",
        "contact, address, Adresse",
    ),
    any(
        "phone, telephone, phone number",
        "tel, tel no, phone no, telephone number, telephone no, landline, switchboard, main line, Telefon, \
         Telefonnummer, Telefon Nr, Tel Nr, Fon, Rufnummer, Festnetz, Zentrale",
        "number, contact number",
    ),
    any(
        "mobile, mobile phone",
        "mobile number, mobile no, mobile phone number, cell phone number, cell, cell phone, cellphone, cell number, Handy, Mobil, Mobiltelefon, Handynummer, \
         Mobilnummer, Natel, gsm, portable",
        "",
    ),
    any(
        "direct, direct line",
        "direct dial, direct phone, ddi, did, extension, Durchwahl, Direktwahl",
        "ext",
    ),
    any("fax, fax number", "telefax, Faxnummer", ""),
    any(
        "website, web site, url",
        "web, website url, homepage, home page, web address, www, Webseite, Internet, Internetadresse, Internetseite, site web",
        "domain, site, link",
    ),
    any(
        "addressline, address, street",
        "address line, address line 1, address 1, line 1, street 1, street address, street name, postal address, \
         Straße, Str, Straße Nr, Straße und Hausnummer, Straße Hausnummer, Anschrift, Adresse, Postadresse, rue",
        "",
    ),
    any(
        "addresscity, city, town",
        "town city, city town, post town, locality, municipality, Ort, Stadt, Wohnort, Ortschaft, ville",
        "place, location",
    ),
    any(
        "addresscounty/state, county state, county, state",
        "province, region, state province, state region, state code, Bundesland, Kanton, Landkreis",
        "",
    ),
    any(
        "addresspostcode/zip, postcode zip, postcode, zip",
        "post code, zip code, zipcode, postal code, zip postal code, postcode zip code, PLZ, Postleitzahl, code postal",
        "",
    ),
    any(
        "addresscountry, country",
        "country name, country region, nation, Land, Staat, pays",
        "country code, Länderkennzeichen",
    ),
    // Companies.
    any(
        "sector, industry",
        "industry sector, business sector, vertical, line of business, Branche, Wirtschaftszweig, Industriezweig, secteur",
        "Industrie",
    ),
    any(
        "source, lead source",
        "origin, how did you hear, how did you hear about us, Herkunft, Quelle, Leadquelle",
        "channel, Kanal",
    ),
    any("leadscore, lead score", "score, lead scoring, Punkte", "rating, Bewertung"),
    any("rating", "Bewertung, stars", ""),
    any(
        "customer since, inceptiondate",
        "client since, member since, since, inception date, Kunde seit, seit, Kundenbeginn",
        "joined, date joined, start date",
    ),
    any("renewal, next renewal", "renewal date, renews, renews on, Verlängerung, Vertragsverlängerung", ""),
    any(
        "annualvalue, annual value, annual revenue, revenue, turnover",
        "annual turnover, yearly revenue, Umsatz, Jahresumsatz, chiffre d'affaires",
        "sales, value",
    ),
    any("discount", "discount rate, discount percent, Rabatt, Nachlass, Rabattsatz", ""),
    any(
        "employees, number of employees",
        "no of employees, employee count, staff, headcount, Mitarbeiter, Mitarbeiterzahl, Anzahl Mitarbeiter, \
         Beschäftigte",
        "company size, size",
    ),
    any("founded, year founded", "established, year established, Gründungsjahr, gegründet, Gründung", ""),
    any("ticker, ticker symbol", "symbol, stock symbol, stock ticker, Börsenkürzel", ""),
    any("vip, key account", "Schlüsselkunde, Großkunde, is key account, strategic account", "important"),
    any("tags", "tag, labels, keywords, Schlagworte, Schlagwörter, Stichworte, Etiketten", "label"),
    // What is said about them.
    any(
        "notes",
        "note, comment, comments, remark, remarks, Bemerkung, Bemerkungen, Notiz, Notizen, Kommentar, Kommentare, \
         Anmerkung, Anmerkungen, memo, free text, Freitext",
        "description, info, additional information, Beschreibung",
    ),
    any(
        "description",
        "details, body, content, message, text, about, Beschreibung, Inhalt, Nachricht",
        "notes, note, comment, comments, summary, Bemerkung, Notiz, Kommentar",
    ),
    any("summary", "abstract, Zusammenfassung, Kurzbeschreibung", ""),
    any("subject, emailsubject", "Betreff, headline", "title, topic, issue, name, Titel, Thema"),
    // Kinds, states, dates.
    any(
        "type",
        "kind, category, record type, Typ, Art, Kategorie, Kundentyp, Kundenart",
        "class, group, relationship, what, Klasse, Gruppe, Was",
    ),
    any(
        "status, opportunitystatus",
        "state, stage, sales stage, deal stage, pipeline stage, phase, Stand, Zustand, Verkaufsphase",
        "progress, Fortschritt",
    ),
    any("active, live", "is active, enabled, aktiv, laufend", "running, in use"),
    any("priority", "prio, urgency, importance, Priorität, Dringlichkeit", ""),
    any(
        "date",
        "day, when, date time, activity date, Datum, Termin, Zeitpunkt",
        "due, due date, start, start date, Tag, fällig, fällig am",
    ),
    any(
        "opened, opened on",
        "date opened, open date, reported on, raised on, logged, eröffnet, gemeldet am",
        "date",
    ),
    any(
        "closedate, close date",
        "closes, closes on, closing date, expected close, expected close date, closing, \
        Abschluss, Abschlussdatum, Abschluss am",
        "close, due date, target date",
    ),
    any(
        "start, start date",
        "from, begins, begin, valid from, effective from, effective date, von, ab, Beginn, \
        gültig ab, Startdatum",
        "",
    ),
    any(
        "end, end date, expiry date",
        "to, until, expires, expiry, valid to, valid until, bis, Ende, gültig bis, \
        Ablauf, Ablaufdatum, Enddatum",
        "",
    ),
    any("allday, all day", "ganztägig", ""),
    any("emailfrom", "from, sender, von, Absender", ""),
    any("emailto", "to, recipient, recipients, an, Empfänger", ""),
    any("emailcc", "cc, copy", ""),
    any("caselevelid, level", "severity, service level", ""),
    // Money and numbers.
    any(
        "value",
        "amount, deal value, deal size, opportunity value, total, Wert, Betrag, Summe, Auftragswert, Volumen",
        "price, revenue, Preis, Umsatz",
    ),
    any("forecast", "expected value, weighted value, expected revenue, Prognose, gewichtet", "weighted"),
    any(
        "probability",
        "chance, likelihood, win probability, Wahrscheinlichkeit, Chance in Prozent",
        "percent",
    ),
    any("nextstep, next step", "next, next action, next steps, nächster Schritt", ""),
    any("repeat, repeat business", "Folgegeschäft, recurring, wiederkehrend", ""),
    any("budget", "planned budget, budgeted cost, Etat", "cost, Kosten"),
    any("quantity", "qty, units, Menge, Anzahl, Stück, Stückzahl", "count, amount"),
    any(
        "unitprice, unit price",
        "price, price each, price per unit, Preis, Einzelpreis, Stückpreis",
        "rate, cost",
    ),
    any(
        "product",
        "product name, item, article, Produkt, Artikel, Bezeichnung",
        "service, description, name",
    ),
    any("position", "order, sequence, sort order, rank, Reihenfolge, pos", "number, step, Nr"),
    any("premium", "Prämie, Beitrag", "amount"),
    any(
        "reference, reference number, policy number",
        "ref, ref no, reference no, policy, policy no, Referenz, Police, Policennummer, Vertragsnummer, Aktenzeichen",
        "number, Nr, Nummer",
    ),
    // What the CRM fills.
    any(
        "createddate",
        "created, created on, created at, create date, creation date, date created, date entered, angelegt, \
         angelegt am, erstellt, erstellt am, Erstelldatum, Anlagedatum",
        "",
    ),
    any(
        "modifieddate, modified",
        "modified on, modified at, modified date, last modified, last modified date, last updated, last update, \
         updated at, updated on, last change, geändert, geändert am, zuletzt geändert, Änderungsdatum",
        "updated",
    ),
    any("createdby", "entered by, angelegt von, erstellt von", ""),
    any("modifiedby", "last modified by, updated by, geändert von", ""),
];

/// Words that look like a slip of one of the table's and are not.
const NO_SLIPS: &[&str] = &["contract", "contracts", "stated", "emailed", "telephones", "sectors"];

/// How sure a header means a field, by the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strength {
    /// It can.
    Weak,
    /// It usually does.
    Usual,
}

/// The headers that mean one field, squeezed.
#[derive(Clone, Debug, Default)]
pub struct Headers {
    strengths: HashMap<String, Strength>,
    /// The usual ones in plain words, for names that are like them.
    pub usual: Vec<String>,
}

impl Headers {
    /// What the table knows of a field of this object, by its name and label.
    pub fn of_field(object: &str, name: &str, label: Option<&str>) -> Self {
        let own: Vec<String> =
            [Some(name), label].into_iter().flatten().map(|n| squeezed(&plain(n))).collect();
        let mut headers = Self::default();
        for usage in TABLE {
            let here = usage.objects.is_empty() || listed(usage.objects).any(|o| o == object);
            if !here || !listed(usage.fields).any(|field| own.contains(&squeezed(&plain(field)))) {
                continue;
            }
            headers.add(usage.weak, Strength::Weak);
            headers.add(usage.fields, Strength::Usual);
            headers.add(usage.usual, Strength::Usual);
        }
        headers
    }

    fn add(&mut self, words: &'static str, strength: Strength) {
        for words in listed(words).map(plain) {
            let known = self.strengths.entry(squeezed(&words)).or_insert(strength);
            *known = strength.max(*known);
            if strength == Strength::Usual {
                self.usual.push(words);
            }
        }
    }

    /// How sure a squeezed header means the field; `None` where the table does not say.
    pub fn strength(&self, squeezed: &str) -> Option<Strength> {
        self.strengths.get(squeezed).copied()
    }
}

fn listed(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.split(',').map(str::trim).filter(|word| !word.is_empty())
}

/// Whether a squeezed header is a word of its own though it looks mistyped.
pub fn is_no_slip(squeezed: &str) -> bool {
    NO_SLIPS.contains(&squeezed)
}

/// What an object's records are called, for headers such as `Customer city`.
pub fn own_words(object: &str) -> Vec<String> {
    let words = match object {
        "accounts" => {
            "account, company, customer, client, organisation, organization, business, firm, Firmen, Kunden, \
                       Kunde, Unternehmens, Firma"
        }
        "contacts" => "contact, person, Kontakt, Ansprechpartner",
        "opportunities" => "opportunity, deal, Projekt",
        "activities" => "activity, task",
        "cases" => "case, ticket",
        "documents" => "document, file",
        "opportunity_lines" => "line, item, product",
        _ => "",
    };
    let singular = match object {
        name if name.ends_with("ies") => format!("{}y", &name[..name.len() - 3]),
        name if name.ends_with('s') => name[..name.len() - 1].to_owned(),
        name => name.to_owned(),
    };
    let own = listed(words).map(str::to_owned).chain([object.to_owned(), singular]);
    own.map(|word| squeezed(&plain(&word))).collect()
}

/// Words before or behind a name that do not change which field is meant.
const QUALIFIERS: &str = "primary, main, business, work, office, billing, mailing, postal, registered, default, \
    no, 1, nr, nummer, field, value, your, geschaeftlich, dienstlich, beruflich, buero";

/// Whether a word before or behind a name changes nothing.
pub fn is_qualifier(word: &str) -> bool {
    listed(QUALIFIERS).any(|known| known == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strength(object: &str, field: &str, label: Option<&str>, header: &str) -> Option<Strength> {
        Headers::of_field(object, field, label).strength(&squeezed(&plain(header)))
    }

    #[test]
    fn headers_of_both_languages_mean_the_field() {
        for (object, field, header) in [
            ("accounts", "name", "Firmenname"),
            ("accounts", "name", "Organisation"),
            ("contacts", "accountid", "Firma"),
            ("contacts", "last", "Nachname"),
            ("contacts", "last", "SURNAME"),
            ("contacts", "first", "Forename"),
            ("accounts", "addressline", "Straße"),
            ("accounts", "addressline", "Strasse"),
            ("accounts", "addresspostcode/zip", "PLZ"),
            ("accounts", "addresspostcode/zip", "Post Code"),
            ("accounts", "addresscity", "Ort"),
            ("accounts", "addresscounty/state", "State"),
            ("accounts", "phone", "Téléphone"),
            ("accounts", "ownerid", "Betreuer"),
        ] {
            assert_eq!(
                strength(object, field, None, header),
                Some(Strength::Usual),
                "{object}.{field} {header}"
            );
        }
        assert_eq!(strength("contacts", "salutation", None, "Title"), Some(Strength::Weak));
        assert_eq!(strength("contacts", "name", None, "Company"), None);
    }

    #[test]
    fn a_tenants_own_field_is_known_by_its_label() {
        assert_eq!(strength("accounts", "cf17", Some("Annual Revenue"), "Umsatz"), Some(Strength::Usual));
        assert_eq!(strength("accounts", "cf17", Some("Colour"), "Umsatz"), None);
    }

    #[test]
    fn what_records_are_called_is_known_of_custom_tables_too() {
        assert!(own_words("policies").contains(&"policy".to_owned()));
        assert!(own_words("accounts").contains(&"kunden".to_owned()));
    }

    #[test]
    fn every_word_of_the_table_can_be_met() {
        for usage in TABLE {
            for word in listed(usage.fields).chain(listed(usage.usual)).chain(listed(usage.weak)) {
                assert!(!plain(word).is_empty(), "{word}");
            }
        }
    }
}
