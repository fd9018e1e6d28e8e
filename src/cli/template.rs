//! `template`: an empty workbook to fill in.

use std::path::Path;

use serde_json::json;

use super::advice::{self, word};
use super::args::TemplateArgs;
use super::connection::dictionary_source;
use super::{Context, out};
use crate::model::{shown, shown_path};
use crate::pipeline::{PipelineError, Template};
use crate::tabular::{Guide, Output};

pub async fn run(context: &Context, args: TemplateArgs) -> Result<u8, PipelineError> {
    check_ending(&args.output)?;
    // Told before anything is asked.
    let output = Output::create(&args.output, args.force)?;
    let (_connection, catalog) = dictionary_source(context)?;
    let names: Vec<String> =
        args.fields.iter().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect();
    let template = super::unless_stopped(context, Template::plan(&args.object, &names, &catalog)).await?;
    tokio::task::block_in_place(|| template.write(output, &guide(&args, &template)))?;
    if context.common.json {
        out::data(document(context, &args, &template));
    } else {
        out::data(closing(context, &args, &template));
    }
    Ok(0)
}

/// Only a workbook has notes and dropdowns.
fn check_ending(output: &Path) -> Result<(), PipelineError> {
    if output == Path::new("-") {
        let told = "a workbook cannot go to standard output";
        return Err(PipelineError::usage(told, "give a file: -o FILE.xlsx"));
    }
    if output.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("xlsx")) {
        return Ok(());
    }
    Err(PipelineError::usage(
        format!("a template is an XLSX workbook, and {} does not end in .xlsx", shown_path(output)),
        "give a file: -o FILE.xlsx",
    ))
}

/// The commands for those who fill it in: whoever gave it to them knows their CRM.
fn guide(args: &TemplateArgs, template: &Template) -> Guide {
    let file = args.output.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let rest = format!("{} --object {}{}", word(&file), word(&args.object), of_mode(template));
    Guide { check: format!("carafe check {rest}"), import: format!("carafe import {rest}") }
}

/// The option without which what only changes records is not imported.
fn of_mode(template: &Template) -> &'static str {
    if template.changes_only { " --mode update" } else { "" }
}

/// What an import does with the rows.
fn mode(template: &Template) -> &'static str {
    match template.fields.iter().any(|field| field.name == "id") {
        true if template.changes_only => "update",
        true => "upsert",
        false => "create",
    }
}

fn next(context: &Context, args: &TemplateArgs, template: &Template) -> String {
    advice::import_of_template(&context.common, &args.output, &args.object, of_mode(template))
}

fn required(template: &Template) -> Vec<&str> {
    let required = template.fields.iter().filter(|field| field.required);
    required.map(|field| field.name.as_str()).collect()
}

fn closing(context: &Context, args: &TemplateArgs, template: &Template) -> String {
    let columns = out::count(template.fields.len() as u64, "column", "columns");
    let title = format!("Template written to {}: {columns}", shown_path(&args.output));
    let mut lines = vec![out::styled(context.colors.out, out::BOLD, &title)];
    let rows = match mode(template) {
        "create" => "every row becomes a new record",
        "update" => "every row changes the record that its id names; a new record needs more fields",
        _ => "a row with an id changes that record, any other becomes a new one",
    };
    lines.push(format!("  into     {}: {rows}", shown(&template.object)));
    let required = required(template);
    if !required.is_empty() {
        lines.push(format!("  required {}", shown(&required.join(", "))));
    }
    let next = next(context, args, template);
    lines.push(format!("  next     fill it in, then:\n           {next}"));
    lines.join("\n")
}

fn document(context: &Context, args: &TemplateArgs, template: &Template) -> serde_json::Value {
    json!({
        "command": "template",
        "object": template.object,
        "file": args.output.display().to_string(),
        "fields": template.fields.iter().map(|field| &field.name).collect::<Vec<_>>(),
        "required": required(template),
        "mode": mode(template),
        "next": next(context, args, template),
    })
}
