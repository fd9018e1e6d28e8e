//! From what was typed to a CRM that can be asked: address, token, sandbox.

use std::path::Path;

use super::Context;
use super::args::{CommonArgs, FAULTS};
use super::pace;
use crate::crm::{BaseUrl, Client, ClientOptions, Snapshot, Token};
use crate::model::{Notice, shown};
use crate::pipeline::{Catalog, Event, PipelineError, Reporter, io_words};
use crate::sandbox::{Faults, Options as SandboxOptions, Sandbox};

/// A CRM that can be asked.
#[derive(Debug)]
pub struct Connection {
    /// The client.
    pub client: Client,
    /// For plans and summaries: the address, or the sandbox's file.
    pub name: String,
    /// What to call it in a sentence: a host, or the sandbox.
    pub title: String,
    /// Whether it is the embedded CRM.
    pub is_sandbox: bool,
    // Stops when the connection goes.
    _sandbox: Option<Sandbox>,
}

impl Connection {
    /// Opens the connection that the options describe; nothing is sent yet.
    /// When the program is told to stop, requests that wait are called back.
    pub fn open(context: &Context) -> Result<Self, PipelineError> {
        let connection = match &context.common.sandbox {
            Some(file) => Self::sandbox(file, &context.common, &context.screen)?,
            None => Self::crm(&context.common, &context.screen)?,
        };
        let (client, stop) = (connection.client.clone(), context.stop.clone());
        tokio::spawn(async move {
            stop.cancelled().await;
            client.stop();
        });
        pace::show(&connection.client, &context.screen);
        Ok(connection)
    }

    fn sandbox(file: &Path, common: &CommonArgs, reporter: &dyn Reporter) -> Result<Self, PipelineError> {
        let faults = faults()?;
        if !faults.is_empty() {
            let notice = format!("the sandbox makes faults on purpose: {faults}");
            reporter.event(Event::Notice(Notice(notice)));
        }
        let options =
            SandboxOptions { database: Some(file.to_owned()), port: 0, faults, ..SandboxOptions::default() };
        let token = options.token.clone();
        let sandbox = Sandbox::start(options).map_err(|error| {
            PipelineError::usage(error.to_string(), "name another file with --sandbox=FILE")
        })?;
        let client = client(&sandbox.base_url(), &token, common)?;
        // By whatever way it is named, it is the same CRM; by now the file is there.
        let place = std::fs::canonicalize(file).or_else(|_| std::path::absolute(file));
        let place = place.unwrap_or_else(|_| file.to_owned());
        Ok(Self {
            client,
            name: format!("sandbox:{}", place.display()),
            title: format!("the sandbox ({})", file.display()),
            is_sandbox: true,
            _sandbox: Some(sandbox),
        })
    }

    fn crm(common: &CommonArgs, reporter: &dyn Reporter) -> Result<Self, PipelineError> {
        let address = common.base_url.as_deref().unwrap_or(BaseUrl::VENDOR);
        let url = BaseUrl::parse(address).map_err(|fault| {
            PipelineError::usage(
                fault.to_string(),
                "for example: --base-url https://apiv4.reallysimplesystems.com",
            )
        })?;
        let token = token(common, reporter)?;
        let client = client(address, &token, common)?;
        client.notices().iter().for_each(|notice| reporter.event(Event::Notice(notice.clone())));
        let name = address.trim_end_matches('/').to_owned();
        Ok(Self { client, name, title: url.host().to_owned(), is_sandbox: false, _sandbox: None })
    }

    /// Where the dictionary comes from: a file, or the CRM.
    pub fn catalog(&self, common: &CommonArgs) -> Result<Catalog, PipelineError> {
        match &common.dictionary {
            Some(file) => read_snapshot(file).map(Catalog::Snapshot),
            None => Ok(Catalog::Crm(self.client.clone())),
        }
    }
}

/// Where the dictionary comes from, for commands that need no more of the CRM:
/// a file opens no connection.
pub fn dictionary_source(context: &Context) -> Result<(Option<Connection>, Catalog), PipelineError> {
    if let Some(file) = &context.common.dictionary {
        return Ok((None, Catalog::Snapshot(read_snapshot(file)?)));
    }
    let connection = Connection::open(context)?;
    let catalog = Catalog::Crm(connection.client.clone());
    Ok((Some(connection), catalog))
}

fn client(address: &str, token: &str, common: &CommonArgs) -> Result<Client, PipelineError> {
    let url = BaseUrl::parse(address)
        .map_err(|fault| PipelineError::usage(fault.to_string(), "see: carafe --help"))?;
    let token = Token::new(token).map_err(|fault| {
        PipelineError::usage(
            fault.to_string(),
            "copy the token again, in one line, from Settings / Integrations / API V4",
        )
    })?;
    let options = ClientOptions {
        concurrency: common.concurrency,
        rate: common.rate,
        timeout: common.timeout,
        retries: common.retries,
        max_calls: common.max_calls.map(std::num::NonZeroU64::get),
        ..ClientOptions::new(url, token)
    };
    Ok(Client::new(options)?)
}

/// The faults that the environment asks the sandbox for.
fn faults() -> Result<Faults, PipelineError> {
    let Some(spec) = std::env::var_os(FAULTS) else { return Ok(Faults::default()) };
    let spec = spec.to_string_lossy();
    spec.parse().map_err(|error| {
        PipelineError::usage(format!("cannot read {FAULTS}: {error}"), "see: carafe sandbox --help")
    })
}

/// No token is shorter than this; they have about 1.1 KB (source: field notes).
const SHORTEST_TOKEN: usize = 40;

/// The token from the file named by the flag, else the environment.
fn token(common: &CommonArgs, reporter: &dyn Reporter) -> Result<String, PipelineError> {
    if let Some(file) = &common.token_file {
        return read_token(file, reporter);
    }
    match std::env::var("CARAFE_TOKEN") {
        Ok(token) if !token.trim().is_empty() => return Ok(token),
        Err(std::env::VarError::NotUnicode(_)) => {
            return Err(PipelineError::usage(
                "the token in CARAFE_TOKEN is not text",
                "copy it again from the CRM",
            ));
        }
        Ok(_) | Err(std::env::VarError::NotPresent) => {}
    }
    match std::env::var_os("CARAFE_TOKEN_FILE") {
        Some(file) if !file.is_empty() => read_token(Path::new(&file), reporter),
        _ => Err(PipelineError::usage(
            "no access token is given",
            "create one in the CRM under Settings / Integrations / API V4, put it in a file and give \
             --token-file FILE (or set CARAFE_TOKEN); to try without a CRM, add --sandbox",
        )),
    }
}

fn read_token(file: &Path, reporter: &dyn Reporter) -> Result<String, PipelineError> {
    let name = name_of_token_file(file);
    let cannot = |why: &str| {
        PipelineError::usage(
            format!("cannot read the token file {name}: {why}"),
            "give a file that holds nothing but the token",
        )
    };
    let metadata = std::fs::metadata(file).map_err(|error| cannot(&io_words(&error)))?;
    if metadata.len() > 64 * 1024 {
        return Err(cannot("it is larger than any token"));
    }
    #[cfg(unix)]
    if std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o077 != 0 {
        let notice = format!("other users of this machine can read {name}; to stop that: chmod 600 {name}");
        reporter.event(Event::Notice(Notice(notice)));
    }
    let token = std::fs::read(file).map_err(|error| cannot(&io_words(&error)))?;
    let token = String::from_utf8(token).map_err(|_| cannot("it is not text"))?;
    if token.trim().is_empty() { Err(cannot("it is empty")) } else { Ok(token) }
}

/// The file's name for messages. Where there is no such file and the name is as
/// long as a token and has no folder in it, it may be the token itself, given by
/// mistake in place of its file.
fn name_of_token_file(file: &Path) -> String {
    let name = shown(&file.display().to_string()).to_string();
    let may_be_token = name.len() >= SHORTEST_TOKEN && !name.contains(['/', '\\']) && !file.exists();
    if may_be_token { "that was named (is it the token itself?)".to_owned() } else { name }
}

/// Reads a dictionary saved by `describe --save`, or written by hand.
pub fn read_snapshot(file: &Path) -> Result<Snapshot, PipelineError> {
    let name = shown(&file.display().to_string()).to_string();
    let cannot = |why: String| {
        PipelineError::usage(
            format!("cannot read the dictionary {name}: {why}"),
            "save one with: carafe describe --save FILE",
        )
    };
    let metadata = std::fs::metadata(file).map_err(|error| cannot(io_words(&error)))?;
    if metadata.len() > 64 << 20 {
        return Err(cannot("it is larger than 64 MiB".to_owned()));
    }
    let text = std::fs::read_to_string(file).map_err(|error| cannot(io_words(&error)))?;
    Snapshot::parse(&text).map_err(|error| cannot(error.to_string()))
}
