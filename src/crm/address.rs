//! Where the CRM is: an address that the token may be sent to.

use std::fmt;
use std::str::FromStr;

use reqwest::Url;

use crate::model::shown;

/// The address that all requests begin with: `https`, or `http` on this very
/// machine; no credentials, no query. Shown in punycode and without a slash
/// at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl {
    text: String,
    host: String,
    loopback: bool,
}

/// Why a text cannot be the CRM's address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BaseUrlFault {
    /// Not an address, or not a plain one.
    #[error("`{0}` is not a web address; it looks like {vendor}", vendor = BaseUrl::VENDOR)]
    NotAnAddress(String),
    /// `http` to another machine, or something else altogether.
    #[error(
        "the CRM's address must begin with https://, else everyone on the way could read the access token (http:// is allowed for this machine only)"
    )]
    NotHttps,
    /// `https://user:password@host`; the text is not shown, as it holds a password.
    #[error(
        "the CRM's address must not hold a user name or a password; the access token is given separately"
    )]
    Credentials,
    /// Something after `?` or `#`.
    #[error("the CRM's address must end before any ? or #")]
    Query,
    /// A `..` in the path.
    #[error("the CRM's address must not hold `.` or `..` as a part of its path")]
    Dots,
}

impl BaseUrl {
    /// The vendor's own address of the API, version 4.
    pub const VENDOR: &str = "https://apiv4.reallysimplesystems.com";

    /// Reads an address as a person writes it; blanks at the ends and a slash at the end do no harm.
    pub fn parse(text: &str) -> Result<Self, BaseUrlFault> {
        let text = text.trim();
        let not_one = || BaseUrlFault::NotAnAddress(shown(text).cut(80).to_string());
        // The parser would silently drop tabs and line breaks, and turn a backslash into a slash.
        if text.contains(|c: char| c.is_control() || c.is_whitespace() || c == '\\') {
            return Err(if text.contains('@') { BaseUrlFault::Credentials } else { not_one() });
        }
        let url = Url::parse(text)
            .map_err(|_| if text.contains('@') { BaseUrlFault::Credentials } else { not_one() })?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BaseUrlFault::Credentials);
        }
        let safe = match url.scheme() {
            "https" => true,
            "http" => is_loopback(&url),
            _ => false,
        };
        if url.host_str().is_none_or(str::is_empty) || !text.contains("://") {
            return Err(not_one());
        }
        if !safe {
            return Err(BaseUrlFault::NotHttps);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(BaseUrlFault::Query);
        }
        if has_dots(text) {
            return Err(BaseUrlFault::Dots);
        }
        Ok(Self {
            text: url.as_str().trim_end_matches('/').to_owned(),
            host: host_of(&url),
            loopback: is_loopback(&url),
        })
    }

    /// Whether this is the vendor's own address.
    pub fn is_vendor(&self) -> bool {
        self.text == Self::VENDOR
    }

    /// Whether this machine itself is meant: nothing leaves it.
    pub fn is_loopback(&self) -> bool {
        self.loopback
    }

    /// The host, and the port where it is not the usual one.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The address of a path that begins with a slash and is percent-encoded already.
    pub(super) fn join(&self, path_and_query: &str) -> Option<Url> {
        Url::parse(&format!("{}{path_and_query}", self.text)).ok()
    }
}

impl Default for BaseUrl {
    fn default() -> Self {
        let host = Self::VENDOR.trim_start_matches("https://").to_owned();
        Self { text: Self::VENDOR.to_owned(), host, loopback: false }
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for BaseUrl {
    type Err = BaseUrlFault;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

/// Host and unusual port, in punycode.
pub(super) fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn has_dots(text: &str) -> bool {
    text.to_ascii_lowercase().replace("%2e", ".").split('/').any(|part| part == "." || part == "..")
}

#[cfg(test)]
mod tests {
    use super::{BaseUrl, BaseUrlFault};

    #[test]
    fn addresses_are_taken_and_shown_without_a_slash_at_the_end() {
        for (text, shown) in [
            (BaseUrl::VENDOR, BaseUrl::VENDOR),
            (" https://crm.example/ \n", "https://crm.example"),
            ("HTTPS://CRM.example:443", "https://crm.example"),
            ("https://crm.example/api/v4/", "https://crm.example/api/v4"),
            ("http://127.0.0.1:8484", "http://127.0.0.1:8484"),
            ("http://127.9.9.9", "http://127.9.9.9"),
            ("http://[::1]:8484/", "http://[::1]:8484"),
            ("http://localhost:8484", "http://localhost:8484"),
            ("https://сrm.example", "https://xn--rm-nmc.example"),
        ] {
            assert_eq!(BaseUrl::parse(text).map(|url| url.to_string()).as_deref(), Ok(shown), "{text}");
        }
    }

    #[test]
    fn what_could_leak_the_token_is_refused() {
        for (text, fault) in [
            ("http://crm.example", BaseUrlFault::NotHttps),
            ("http://localhost.evil.example", BaseUrlFault::NotHttps),
            ("http://128.0.0.1", BaseUrlFault::NotHttps),
            ("ftp://crm.example", BaseUrlFault::NotHttps),
            ("https://user@crm.example", BaseUrlFault::Credentials),
            ("https://user:pa55@crm.example", BaseUrlFault::Credentials),
            ("https://user:pa 55@crm.example", BaseUrlFault::Credentials),
            ("https://user:pa55@crm example", BaseUrlFault::Credentials),
            ("https://crm.example?x=1", BaseUrlFault::Query),
            ("https://crm.example/#a", BaseUrlFault::Query),
            ("https://crm.example/a/..", BaseUrlFault::Dots),
            ("https://crm.example/%2E%2e/a", BaseUrlFault::Dots),
        ] {
            let found = BaseUrl::parse(text).unwrap_err();
            assert_eq!(found, fault, "{text}");
            assert!(!found.to_string().contains("pa55"));
        }
    }

    #[test]
    fn what_is_no_address_is_said_so() {
        for text in [
            "",
            "crm.example",
            "https://",
            "https:crm.example",
            "https://crm\texample",
            "https:\\\\crm.example",
        ] {
            let found = BaseUrl::parse(text).unwrap_err();
            assert!(matches!(found, BaseUrlFault::NotAnAddress(_)), "{text} {found:?}");
        }
        assert!(BaseUrl::parse("crm\u{1b}[1m").unwrap_err().to_string().contains("\\u{1B}"));
    }

    #[test]
    fn the_default_is_the_vendor() {
        assert!(BaseUrl::default().is_vendor());
        assert!(!BaseUrl::default().is_loopback());
        assert_eq!(BaseUrl::parse("https://apiv4.reallysimplesystems.com/").unwrap(), BaseUrl::default());
        assert_eq!(BaseUrl::parse("http://127.0.0.1:84/x").unwrap().host(), "127.0.0.1:84");
    }
}
