//! `draft`: writes a first mapping for a file, and says what to look at.

use std::path::Path;

use serde_json::{Value as Json, json};

use super::advice::Again;
use super::args::{CommonArgs, DraftArgs};
use super::connection::dictionary_source;
use super::import::spool;
use super::{Context, out};
use crate::model::shown;
use crate::pipeline::{DraftBasis, DraftSettings, Drafted, PipelineError, draft_mapping};
use crate::tabular::{InputError, InputProblem, Output, SheetChoice, holding};

/// Columns in question that are named one by one.
const MOST_SHOWN: usize = 12;

pub async fn run(context: &Context, args: DraftArgs) -> Result<u8, PipelineError> {
    let to_stdout = args.output == Path::new("-");
    // Told before anything is read.
    let output = if to_stdout { None } else { Some(Output::create(&args.output, args.force)?) };
    look_for(&args.file)?;
    let (_connection, catalog) = dictionary_source(context)?;
    let basis = super::unless_stopped(context, DraftBasis::ask(&args.object, &catalog)).await?;
    let spool = spool(&args.file, &context.common.runs_dir)?;
    let name =
        if spool.is_standard_input() { "standard input".to_owned() } else { args.file.display().to_string() };
    let settings = DraftSettings {
        input: spool.path(&args.file),
        input_name: name,
        sheet: args.sheet.as_deref().map(sheet_choice),
    };
    let drafted =
        tokio::task::block_in_place(|| draft_mapping(&settings, &basis, &context.screen, &context.stop));
    let drafted = drafted.map_err(|error| ask_for_sheet(error, &context.common, &args))?;
    if let Some(output) = output {
        super::write_whole(output, &drafted.text)?;
    }
    let closing = Closing { context, args: &args, drafted: &drafted, to_stdout };
    match (context.common.json, to_stdout) {
        (true, _) => out::data(closing.document(&settings.input_name)),
        (false, true) => {
            out::data(drafted.text.trim_end());
            context.screen.say(&closing.text());
        }
        (false, false) => out::data(closing.text()),
    }
    Ok(0)
}

/// A mistyped name is told before the CRM is asked for anything.
fn look_for(file: &Path) -> Result<(), PipelineError> {
    let is_missing = |error: std::io::Error| error.kind() == std::io::ErrorKind::NotFound;
    if file == Path::new("-") || !std::fs::metadata(file).is_err_and(is_missing) {
        return Ok(());
    }
    let file = shown(&file.display().to_string()).to_string();
    Err(InputError { file, problem: InputProblem::NotFound }.into())
}

/// As a mapping reads it: a number is a place, anything else a name.
fn sheet_choice(text: &str) -> SheetChoice {
    let number = text.parse().ok().filter(|&number| number > 0);
    number.map_or_else(|| SheetChoice::Name(text.to_owned()), SheetChoice::Number)
}

/// There is no mapping yet in which the sheet could be named.
fn ask_for_sheet(error: PipelineError, common: &CommonArgs, args: &DraftArgs) -> PipelineError {
    let PipelineError::Input(InputError { file, problem: InputProblem::WhichSheet { sheets, hidden } }) =
        &error
    else {
        return error;
    };
    let message = format!("{file}: {}", holding(sheets, *hidden));
    let example = Again::draft_of_sheet(common, args, sheets.first().map_or("NAME", String::as_str));
    PipelineError::usage(message, format!("name one with --sheet, for example: {example}"))
}

/// What is said at the end.
struct Closing<'a> {
    context: &'a Context,
    args: &'a DraftArgs,
    drafted: &'a Drafted,
    to_stdout: bool,
}

impl Closing<'_> {
    fn column(&self, at: usize) -> String {
        match self.drafted.header.columns.get(at) {
            Some(column) if !column.name.trim().is_empty() => shown(column.name.trim()).cut(40).to_string(),
            _ => format!("#{}", at + 1),
        }
    }

    fn text(&self) -> String {
        let proposal = &self.drafted.proposal;
        let (mapped, in_question) = proposal.mapped();
        let mut lines = vec![self.title(mapped), String::new()];
        let row = match self.drafted.header_row {
            0 => String::new(),
            row => format!(", header in row {row}"),
        };
        let file = shown(&self.args.file.display().to_string()).to_string();
        lines.push(format!("  file     {file} · {}{row}", out::count(proposal.rows, "row", "rows")));
        lines.push(format!("  into     {}: {}", shown(&proposal.object), self.manner()));
        lines.push(String::new());
        for (number, what) in [
            (mapped - in_question, "mapped, nothing to ask"),
            (in_question, "mapped, in question"),
            (proposal.left_out.len(), "not mapped, under ignore"),
        ] {
            if number > 0 {
                lines.push(format!("  {:>9}   {what}", out::thousands(number as u64)));
            }
        }
        lines.extend(self.questions());
        for field in &proposal.missing {
            lines.push(format!(
                "  missing  {}: the CRM requires it for new records, and no column fills it",
                shown(field)
            ));
        }
        lines.push(format!("  next     {}", self.next()));
        lines.join("\n")
    }

    fn title(&self, mapped: usize) -> String {
        let (what, colors) = if self.to_stdout {
            ("Mapping drafted".to_owned(), self.context.colors.err)
        } else {
            let output = self.args.output.display().to_string();
            (format!("Draft written to {}", shown(&output)), self.context.colors.out)
        };
        let columns = out::count(self.drafted.header.columns.len() as u64, "column", "columns");
        out::styled(colors, out::BOLD, &format!("{what}: {mapped} of {columns} mapped"))
    }

    fn manner(&self) -> String {
        let proposal = &self.drafted.proposal;
        let keys: Vec<String> = proposal.match_on.iter().map(|field| shown(field).to_string()).collect();
        match keys.is_empty() {
            true => format!("{}; {}", proposal.mode.word(), proposal.match_why),
            false => format!("{} by {}; {}", proposal.mode.word(), keys.join(" + "), proposal.match_why),
        }
    }

    /// What a person has to look at, one line each.
    fn questions(&self) -> Vec<String> {
        let proposal = &self.drafted.proposal;
        let mut all = Vec::new();
        for entry in proposal.entries.iter().filter(|entry| entry.asks()) {
            let columns: Vec<String> = entry.columns.iter().map(|&at| self.column(at)).collect();
            let question = entry.questions().next().map_or_else(
                || format!("{} % sure: {}", entry.score, entry.why),
                |question| question.trim_end_matches(':').to_owned(),
            );
            all.push(vec![
                format!("  ? {}", columns.join(" + ")),
                format!("{}: {question}", shown(&entry.field.name)),
            ]);
        }
        for left in proposal.left_out.iter().filter(|left| left.asks) {
            all.push(vec![format!("  ? {}", self.column(left.column)), left.why.clone()]);
        }
        if all.is_empty() {
            return vec![String::new()];
        }
        let more = all.len().saturating_sub(MOST_SHOWN);
        all.truncate(MOST_SHOWN);
        // The table's own header line is blank.
        let mut lines: Vec<String> = out::table(&["", ""], &all, false).lines().map(str::to_owned).collect();
        if more > 0 {
            lines.push(format!("  … and {more} more, each marked with a ? in the mapping"));
        }
        lines.push(String::new());
        lines
    }

    fn next(&self) -> String {
        let command = self.next_command();
        match (self.to_stdout, self.drafted.proposal.asks()) {
            (true, _) => format!("keep it in a file, then:\n           {command}"),
            (false, true) => format!("look through the lines with a ?, then:\n           {command}"),
            (false, false) => command,
        }
    }

    fn document(&self, file: &str) -> Json {
        let proposal = &self.drafted.proposal;
        let names = |columns: &[usize]| -> Vec<Json> {
            let name = |&at: &usize| self.drafted.header.columns.get(at).map(|column| json!(column.name));
            columns.iter().map(|at| name(at).unwrap_or(Json::Null)).collect()
        };
        let columns = proposal.entries.iter().flat_map(|entry| {
            entry.columns.iter().map(|at| {
                json!({
                    "column": names(&[*at])[0], "number": at + 1, "field": entry.field.name, "confidence": entry.score,
                    "reason": entry.why, "questions": entry.questions().collect::<Vec<_>>(),
                })
            })
        });
        let ignored = proposal.left_out.iter().map(|left| {
            json!({
                "column": names(&[left.column])[0], "number": left.column + 1, "reason": left.why, "nearest": left.near,
                "question": left.asks,
            })
        });
        let mapping = (!self.to_stdout).then(|| self.args.output.display().to_string());
        let text = self.to_stdout.then_some(&self.drafted.text);
        json!({
            "command": "draft",
            "object": proposal.object,
            "file": file,
            "mapping": mapping,
            "text": text,
            "rows": proposal.rows,
            "sheet": self.drafted.header.sheet,
            "header_row": self.drafted.header_row,
            "mode": proposal.mode.word(),
            "match": proposal.match_on,
            "reason": { "mode": proposal.mode_why, "match": proposal.match_why },
            "columns": columns.collect::<Vec<_>>(),
            "ignored": ignored.collect::<Vec<_>>(),
            "missing": proposal.missing,
            "next": self.next_command(),
        })
    }

    fn next_command(&self) -> String {
        let mapping = if self.to_stdout { Path::new("MAPPING") } else { self.args.output.as_path() };
        Again::check_drafted(&self.context.common, &self.args.file.display().to_string(), mapping)
    }
}
