//! What the mapping's `source` says of the file: read into options, and named
//! where the file is otherwise.

use super::{JobSettings, PipelineError};
use crate::model::shown;
use crate::rules::mapping::{HiddenRows, Mapping, SheetName, SourceKeys};
use crate::rules::problem::{Located, Problem, Problems};
use crate::tabular::{Format, Hidden, InputProblem, ReadOptions, SheetChoice};

/// How the mapping wants the file to be read.
pub(super) fn read_options(
    mapping: Option<&Mapping>,
    settings: &JobSettings,
) -> Result<ReadOptions, PipelineError> {
    let mut options = ReadOptions { display_name: settings.input_name.clone(), ..ReadOptions::default() };
    let Some(mapping) = mapping else { return Ok(options) };
    let mut problems = Vec::new();
    let SourceKeys { format, encoding, delimiter, sheet, header_row, range, hidden, guard: _ } =
        &mapping.source;
    let noted = |problem: Problem| problems.push(problem);
    options.format = format.as_ref().and_then(|format| format_of(format).map_err(noted).ok());
    options.encoding = encoding.as_ref().map(|e| e.value.clone());
    let noted = |problem: Problem| problems.push(problem);
    options.delimiter = delimiter.as_ref().and_then(|d| delimiter_of(d).map_err(noted).ok());
    options.sheet = sheet.as_ref().map(|sheet| match &sheet.value {
        SheetName::Name(name) => SheetChoice::Name(name.clone()),
        SheetName::Number(number) => SheetChoice::Number(*number),
    });
    options.range = range.as_ref().map(|range| range.value.clone());
    options.hidden = match hidden {
        HiddenRows::Include => Hidden::Include,
        HiddenRows::Skip => Hidden::Skip,
    };
    if let Some(row) = header_row {
        if row.value == 0 {
            problems.push(Problem::at(row.place, "rows count from 1"));
        }
        options.header_row = row.value.max(1);
    }
    if problems.is_empty() {
        Ok(options)
    } else {
        Err(Problems::new(&mapping.file, &mapping.text, problems).into())
    }
}

/// The problem of a file at the key of the mapping that asks for what it has not.
pub(super) fn at_its_key(error: PipelineError, mapping: Option<&Mapping>) -> PipelineError {
    let (PipelineError::Input(input), Some(mapping)) = (&error, mapping) else { return error };
    let source = &mapping.source;
    let sheet = source.sheet.as_ref().map(|sheet| sheet.place);
    let range = source.range.as_ref().map(|range| range.place);
    let place = match &input.problem {
        InputProblem::Encoding(_) => source.encoding.as_ref().map(|encoding| encoding.place),
        InputProblem::Delimiter(_) => source.delimiter.as_ref().map(|delimiter| delimiter.place),
        InputProblem::Header(_) => source.header_row.as_ref().map(|row| row.place),
        InputProblem::Sheet(_) => sheet.or(range),
        InputProblem::Range(_) => range,
        InputProblem::NotFound
        | InputProblem::NotAFile(_)
        | InputProblem::Unreadable(_)
        | InputProblem::Changed
        | InputProblem::WrongContent(_)
        | InputProblem::OpenQuote { .. }
        | InputProblem::TooLarge { .. }
        | InputProblem::WhichSheet { .. }
        | InputProblem::Workbook(_) => None,
    };
    match place {
        Some(place) => {
            Problems::new(&mapping.file, &mapping.text, vec![Problem::at(place, input.to_string())]).into()
        }
        None => error,
    }
}

/// The form that `format` names.
///
/// # Errors
/// There is none of that name.
pub(super) fn format_of(format: &Located<String>) -> Result<Format, Problem> {
    Format::from_word(&format.value).ok_or_else(|| {
        let message = format!("\"{}\" is not a format", shown(&format.value));
        Problem::at(format.place, message).hint("one of: csv, tsv, xlsx, xls, xlsb, ods, jsonl")
    })
}

/// The character that `delimiter` names.
///
/// # Errors
/// It is none.
pub(super) fn delimiter_of(delimiter: &Located<String>) -> Result<char, Problem> {
    let mut chars = delimiter.value.chars();
    match (delimiter.value.as_str(), chars.next(), chars.next()) {
        ("tab" | "\\t", ..) => Ok('\t'),
        (_, Some(one), None) => Ok(one),
        _ => {
            let problem = Problem::at(delimiter.place, "a delimiter is one character, or the word tab");
            Err(problem.hint("for example: delimiter: \";\""))
        }
    }
}
