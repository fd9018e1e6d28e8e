//! Everything that can go wrong between here and the CRM, and what to do about
//! it: one enum, and one match without a wildcard.

use std::time::Duration;

use crate::model::{Code, shown};

/// The longest pause that the CRM can ask for before the run stops instead.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(15 * 60);

/// Why a request brought no usable answer. Server text in it has the token
/// taken out and is cut; no variant holds a query or a body that was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CrmError {
    /// Name resolution, connecting or the secure connection failed: nothing was sent.
    #[error("cannot reach the CRM at {host}: {why}")]
    Unreachable {
        /// Host, with its port where unusual.
        host: String,
        /// In plain words.
        why: String,
    },
    /// The client was told to stop before this request was sent.
    #[error("stopped before the request was sent")]
    Cancelled,
    /// It had to wait for its turn until it was no longer wanted as it was; nothing was sent.
    #[error("it waited for its turn for too long, and was not sent")]
    Waited,
    /// `--max-calls` requests have been sent; this one was not.
    #[error("the limit of {limit} requests is used up")]
    BudgetSpent {
        /// The limit given.
        limit: u64,
    },
    /// No request can be made of what was asked for; nothing was sent.
    #[error("cannot ask the CRM: {why}")]
    Unsendable {
        /// In plain words.
        why: String,
    },
    /// Sent, and no complete answer within the deadline.
    #[error("the CRM did not answer within {} s", .after.as_secs_f64())]
    TimedOut {
        /// The deadline, from the first byte sent to the last byte read.
        after: Duration,
    },
    /// Sent, as far as is known, and the connection ended before the answer.
    #[error("the connection to the CRM broke before it answered ({why})")]
    ConnectionLost {
        /// In plain words.
        why: String,
    },
    /// 429: the CRM asks for a slower pace; it did not do what was asked.
    #[error("the CRM asks to slow down{}{}", waits(.wait), says(.message))]
    RateLimited {
        /// Its `Retry-After`; `None` where absent or unreadable.
        wait: Option<Duration>,
        /// Its words.
        message: Option<String>,
    },
    /// 401, 402 or 403: the token, or what it may do.
    #[error("the CRM refuses the access token, or this part of the CRM is not in your plan ({status}){}", says(.message))]
    TokenRefused {
        /// The status code.
        status: u16,
        /// Its words.
        message: Option<String>,
    },
    /// 3xx: never followed, as the token would travel along.
    #[error("the CRM's address sends us elsewhere ({status}, to {}), as it does when the access token is not valid", .to.as_deref().unwrap_or("an unnamed address"))]
    Redirected {
        /// The status code.
        status: u16,
        /// Host of the target; its path and query are left out.
        to: Option<String>,
    },
    /// 404: no such record, or no such address.
    #[error("the CRM has no such record{}", says(.message))]
    NotFound {
        /// Its words.
        message: Option<String>,
        /// Whether the answer has the API's form; a web page says only that the address is wrong.
        by_api: bool,
    },
    /// 400, 405 and other refusals that concern this request alone.
    #[error("the CRM refuses the request ({status}){}", says(.message))]
    Refused {
        /// The status code.
        status: u16,
        /// Its words.
        message: Option<String>,
    },
    /// 422: its rules refuse the record.
    #[error("the CRM's rules refuse the record{}{}", says(.message), list_of(.faults))]
    Invalid {
        /// Its words.
        message: Option<String>,
        /// Field by field, rule by rule.
        faults: Vec<FieldFault>,
    },
    /// 500 "Invalid record type": it does not know the object.
    #[error("the CRM does not know this object{}", says(.message))]
    UnknownObject {
        /// Its words.
        message: Option<String>,
    },
    /// 500 of type "Invalid Request error": the same for every record of the object.
    #[error("the CRM says the request is invalid{}", says(.message))]
    InvalidRequest {
        /// Its words.
        message: Option<String>,
    },
    /// Any other 5xx but 502 to 504, and 408: it may have done what was asked.
    #[error("the CRM had an error of its own ({status}){}", says(.message))]
    ServerError {
        /// The status code.
        status: u16,
        /// Its words.
        message: Option<String>,
    },
    /// 502, 503, 504: it may have done what was asked.
    #[error("the CRM is not available at the moment ({status}){}{}", waits(.wait), says(.message))]
    Unavailable {
        /// The status code.
        status: u16,
        /// Its `Retry-After`.
        wait: Option<Duration>,
        /// Its words.
        message: Option<String>,
    },
    /// An answer that is not the API's: HTML, broken JSON, another record, an unheard-of status.
    #[error("the CRM's answer cannot be understood ({status}): {why}{}", begins(.excerpt))]
    Unexpected {
        /// The status code.
        status: u16,
        /// In plain words.
        why: String,
        /// How the answer begins.
        excerpt: String,
    },
    /// A data dictionary or a dropdown's list in a form that nobody has described.
    #[error("the CRM's description of {what} cannot be read: {why}{}", begins(.excerpt))]
    Undescribed {
        /// The object, or object and field.
        what: String,
        /// In plain words.
        why: String,
        /// How the answer begins.
        excerpt: String,
    },
    /// A file that was to be sent cannot be read, or is another than planned; nothing was sent.
    #[error("the file {file} cannot be sent: {why}")]
    Unreadable {
        /// Where it is, fit to be shown.
        file: String,
        /// What the machine says, or what changed.
        why: String,
    },
    /// A download that cannot be written on this machine.
    #[error("what the CRM sends cannot be written: {why}")]
    Unwritten {
        /// What the machine says.
        why: String,
    },
    /// More bytes than any answer of the API has.
    #[error("the CRM's answer is larger than {} MiB", .limit / 1_048_576)]
    TooLarge {
        /// Most bytes taken, after decompression.
        limit: u64,
    },
    /// The CRM's own quota of calls is used up.
    #[error("the CRM's quota of API calls is used up{}", says(.message))]
    QuotaSpent {
        /// Its words.
        message: Option<String>,
    },
}

/// What the one who asked should do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextStep {
    /// Certainly not done; the same request may be sent again.
    RetryAsIs,
    /// In doubt: it may have been done. A write is looked up before anything is sent again.
    LookUpFirst,
    /// Certainly not done, and never will be as it is.
    RejectRow,
    /// Certainly not done, and the same for every row: stop (exit code 3, or 2 for what cannot be sent).
    StopRun,
    /// Certainly not done; a budget or quota is used up: stop, `resume` goes on (exit code 6).
    StopBudget,
    /// Certainly not sent, because the user stopped the run.
    LeaveUnprocessed,
}

impl CrmError {
    /// What to do about it: the one place where that is decided.
    pub fn next_step(&self) -> NextStep {
        match self {
            // Nothing left this machine.
            Self::Unreachable { .. } | Self::Waited => NextStep::RetryAsIs,
            Self::Cancelled => NextStep::LeaveUnprocessed,
            Self::BudgetSpent { .. } => NextStep::StopBudget,
            Self::Unsendable { .. } | Self::Unwritten { .. } => NextStep::StopRun,
            // Sent, and nobody said what became of it. A reset on a reused
            // connection looks the same whether the CRM committed or not.
            Self::TimedOut { .. } | Self::ConnectionLost { .. } => NextStep::LookUpFirst,
            // 429 means "not done" by definition; a wait of hours is a quota by another name.
            Self::RateLimited { wait: Some(wait), .. } if *wait > LONGEST_PAUSE => NextStep::StopBudget,
            Self::RateLimited { .. } => NextStep::RetryAsIs,
            Self::QuotaSpent { .. } => NextStep::StopBudget,
            Self::TokenRefused { .. } | Self::Redirected { .. } => NextStep::StopRun,
            Self::UnknownObject { .. } | Self::InvalidRequest { .. } | Self::Undescribed { .. } => {
                NextStep::StopRun
            }
            Self::NotFound { .. } | Self::Refused { .. } | Self::Invalid { .. } | Self::Unreadable { .. } => {
                NextStep::RejectRow
            }
            Self::ServerError { .. } | Self::Unavailable { .. } => NextStep::LookUpFirst,
            // It answered "done", perhaps: the record may be there under an id we cannot read.
            Self::Unexpected { .. } | Self::TooLarge { .. } => NextStep::LookUpFirst,
        }
    }

    /// The word for scripts (`error.code` of `--json`).
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "unreachable",
            Self::Cancelled => "cancelled",
            Self::Waited => "waited",
            Self::BudgetSpent { .. } => "budget_spent",
            Self::Unsendable { .. } => "unsendable",
            Self::TimedOut { .. } => "timeout",
            Self::ConnectionLost { .. } => "connection_lost",
            Self::RateLimited { .. } => "rate_limited",
            Self::TokenRefused { .. } => "token_refused",
            Self::Redirected { .. } => "redirected",
            Self::NotFound { .. } => "not_found",
            Self::Refused { .. } => "refused",
            Self::Invalid { .. } => "invalid",
            Self::UnknownObject { .. } => "unknown_object",
            Self::InvalidRequest { .. } => "invalid_request",
            Self::ServerError { .. } => "server_error",
            Self::Unavailable { .. } => "unavailable",
            Self::Unexpected { .. } => "unexpected_answer",
            Self::Undescribed { .. } => "unreadable_dictionary",
            Self::TooLarge { .. } => "answer_too_large",
            Self::Unwritten { .. } => "unwritten",
            Self::Unreadable { .. } => "unreadable",
            Self::QuotaSpent { .. } => "quota_spent",
        }
    }

    /// The way out, where there is one that a person can take.
    pub fn advice(&self) -> Option<&'static str> {
        Some(match self {
            Self::Unreachable { .. } => "check the address, the network and any proxy",
            Self::TokenRefused { .. } | Self::Redirected { .. } => {
                "create a new access token in the CRM under Settings / Integrations / API V4 and check that its user may use the API"
            }
            Self::BudgetSpent { .. } | Self::QuotaSpent { .. } | Self::RateLimited { .. } => {
                "wait until the limit allows more, then go on with: carafe resume last"
            }
            Self::TimedOut { .. } | Self::Unavailable { .. } => {
                "try again later, with a longer --timeout or a lower --concurrency"
            }
            Self::UnknownObject { .. } => "`carafe describe` lists the objects",
            Self::Undescribed { .. } => {
                "write the fields down by hand and pass them with --dictionary FILE, in the form {\"objects\": {\"accounts\": {\"fields\": [{\"name\": \"name\", \"type\": \"text\", \"required\": true}]}}}"
            }
            Self::Unexpected { .. } => {
                "check that the address is the API's and not a web page's, and that no proxy answers in its place"
            }
            Self::Cancelled
            | Self::Waited
            | Self::Unsendable { .. }
            | Self::ConnectionLost { .. }
            | Self::NotFound { .. }
            | Self::Refused { .. }
            | Self::Invalid { .. }
            | Self::InvalidRequest { .. }
            | Self::ServerError { .. }
            | Self::Unwritten { .. }
            | Self::Unreadable { .. }
            | Self::TooLarge { .. } => return None,
        })
    }
}

/// One rule of the CRM that one field of a record broke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldFault {
    /// The field's API name.
    pub field: String,
    /// The rule's name as the CRM writes it (`Required`, `Max`); `Invalid` where it only gave a sentence.
    pub rule: String,
    /// The rule's parameters (`100`).
    pub params: Vec<String>,
    /// The CRM's own sentence, where it gave one.
    pub message: Option<String>,
}

impl FieldFault {
    /// The code of a finding.
    pub fn code(&self) -> Code {
        Code::Crm(self.rule.to_lowercase())
    }

    /// What is wrong, in words for the one who has to correct it.
    pub fn sentence(&self) -> String {
        if let Some(message) = &self.message {
            return format!("the CRM says: {}", shown(message));
        }
        let params = self.params.join(", ");
        let params = shown(&params).cut(200);
        let known = match self.rule.to_lowercase().as_str() {
            "required" => Some("the CRM requires a value".to_owned()),
            "max" => Some(format!("the CRM takes at most {params}")),
            "min" => Some(format!("the CRM takes at least {params}")),
            "between" => Some(format!("the CRM takes values between {params}")),
            "email" => Some("the CRM takes an e-mail address only".to_owned()),
            "numeric" | "integer" => Some("the CRM takes a number only".to_owned()),
            "date" | "dateformat" => Some("the CRM takes a date only".to_owned()),
            "url" => Some("the CRM takes a web address only".to_owned()),
            "in" => Some("the CRM takes only the values of its list".to_owned()),
            "exists" => Some("the CRM has no such record".to_owned()),
            "unique" => Some("the CRM has a record with this value already".to_owned()),
            _ => None,
        };
        known.unwrap_or_else(|| match self.params.is_empty() {
            true => format!("the CRM refuses it by its rule {}", shown(&self.rule).cut(60)),
            false => format!("the CRM refuses it by its rule {} ({params})", shown(&self.rule).cut(60)),
        })
    }
}

fn says(message: &Option<String>) -> String {
    message.as_deref().map(|text| format!(": {}", shown(text))).unwrap_or_default()
}

fn waits(wait: &Option<Duration>) -> String {
    wait.map(|wait| format!(" and to wait {}", in_words(wait))).unwrap_or_default()
}

fn begins(excerpt: &str) -> String {
    if excerpt.is_empty() { String::new() } else { format!("; it begins: {}", shown(excerpt).cut(200)) }
}

fn list_of(faults: &[FieldFault]) -> String {
    let mut out = String::new();
    for fault in faults.iter().take(5) {
        out.push_str(&format!("; {}: {}", shown(&fault.field).cut(60), fault.sentence()));
    }
    if faults.len() > 5 {
        out.push_str(&format!("; and {} more", faults.len() - 5));
    }
    out
}

/// A length of time as a person would say it.
pub fn in_words(wait: Duration) -> String {
    match wait.as_secs() {
        seconds @ 0..=119 => format!("{seconds} s"),
        seconds @ 120..=7_199 => format!("{} min", seconds.div_ceil(60)),
        seconds @ 7_200..=172_799 => format!("{} hours", seconds.div_ceil(3_600)),
        seconds => format!("{} days", seconds.div_ceil(86_400)),
    }
}

#[cfg(test)]
mod tests {
    use super::{CrmError, FieldFault, NextStep, in_words};
    use std::time::Duration;

    fn fault(rule: &str, params: &[&str], message: Option<&str>) -> FieldFault {
        FieldFault {
            field: "name".into(),
            rule: rule.into(),
            params: params.iter().map(|p| (*p).to_owned()).collect(),
            message: message.map(str::to_owned),
        }
    }

    #[test]
    fn a_wait_beyond_the_longest_pause_stops_the_run() {
        let limited =
            |seconds| CrmError::RateLimited { wait: Some(Duration::from_secs(seconds)), message: None };
        assert_eq!(limited(900).next_step(), NextStep::RetryAsIs);
        assert_eq!(limited(901).next_step(), NextStep::StopBudget);
        assert_eq!(limited(99_999_999).to_string(), "the CRM asks to slow down and to wait 1158 days");
    }

    #[test]
    fn what_was_sent_without_a_word_back_is_in_doubt() {
        for error in [
            CrmError::TimedOut { after: Duration::from_secs(30) },
            CrmError::ConnectionLost { why: "reset".into() },
            CrmError::ServerError { status: 500, message: None },
            CrmError::Unavailable { status: 503, wait: None, message: None },
            CrmError::Unexpected { status: 201, why: "no id".into(), excerpt: String::new() },
            CrmError::TooLarge { limit: 1 },
        ] {
            assert_eq!(error.next_step(), NextStep::LookUpFirst, "{error}");
        }
    }

    #[test]
    fn server_text_is_escaped_in_messages() {
        let error = CrmError::Refused { status: 400, message: Some("bad\u{1b}[31m\nthing".into()) };
        assert_eq!(error.to_string(), "the CRM refuses the request (400): bad\\u{1B}[31m\\nthing");
        let error = CrmError::Invalid { message: None, faults: vec![fault("Required", &[], None)] };
        assert_eq!(error.to_string(), "the CRM's rules refuse the record; name: the CRM requires a value");
    }

    #[test]
    fn rules_read_like_sentences() {
        assert_eq!(fault("Max", &["100"], None).sentence(), "the CRM takes at most 100");
        assert_eq!(
            fault("Shiny", &["a", "b"], None).sentence(),
            "the CRM refuses it by its rule Shiny (a, b)"
        );
        assert_eq!(fault("Shiny", &[], None).sentence(), "the CRM refuses it by its rule Shiny");
        assert_eq!(fault("Invalid", &[], Some("too odd")).sentence(), "the CRM says: too odd");
        assert_eq!(fault("Required", &[], None).code().word(), "required");
    }

    #[test]
    fn times_are_said_in_fitting_units() {
        for (seconds, words) in [(42, "42 s"), (121, "3 min"), (7_201, "3 hours"), (200_000, "3 days")] {
            assert_eq!(in_words(Duration::from_secs(seconds)), words);
        }
    }
}
