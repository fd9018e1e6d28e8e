//! `describe`: objects, fields, and a snapshot of them.

use serde_json::{Value as Json, json};

use super::args::DescribeArgs;
use super::connection::dictionary_source;
use super::{Context, out};
use crate::crm::{CrmError, OBJECTS, Snapshot};
use crate::model::{Dictionary, Field, shown};
use crate::pipeline::{Catalog, PipelineError};
use crate::tabular::Output;

pub async fn run(context: &Context, args: DescribeArgs) -> Result<u8, PipelineError> {
    let (connection, catalog) = dictionary_source(context)?;
    let catalog = &catalog;
    if args.schema {
        return schema(catalog, args.object.as_deref()).await;
    }
    match (&args.object, &args.save) {
        (Some(object), _) => return one(context, &catalog.dictionary(object, |_| true).await?),
        (None, Some(file)) => {
            let source = connection.as_ref().map_or("the dictionary file".to_owned(), |crm| crm.name.clone());
            let snapshot = Snapshot { source: Some(source), objects: all(catalog, true).await?.0 };
            super::write_whole(Output::create(file, args.force)?, &snapshot.to_json())?;
            let objects = out::count(snapshot.objects.len() as u64, "object", "objects");
            if context.common.json {
                out::data(
                    json!({ "objects": snapshot.objects.keys().collect::<Vec<_>>(), "file": file.display().to_string() }),
                );
            } else {
                out::data(format!(
                    "saved fields and lists of {objects} to {}",
                    crate::model::shown_path(file)
                ));
            }
            return Ok(0);
        }
        (None, None) => {
            let (objects, refused) = all(catalog, false).await?;
            list(context, &objects, &refused);
        }
    }
    Ok(0)
}

/// Prints the schema of mapping files for one object, or for all.
async fn schema(catalog: &Catalog, object: Option<&str>) -> Result<u8, PipelineError> {
    let objects = match object {
        Some(object) => Objects::from([(object.to_owned(), catalog.dictionary(object, |_| true).await?)]),
        None => all(catalog, true).await?.0,
    };
    let known: Vec<&Dictionary> = objects.values().collect();
    let text = serde_json::to_string_pretty(&crate::rules::mapping::schema(&known));
    out::data(text.map_err(|error| PipelineError::Fault(error.to_string()))?);
    Ok(0)
}

type Objects = std::collections::BTreeMap<String, Dictionary>;

/// All known objects that the CRM describes, and those that it refuses.
async fn all(
    catalog: &Catalog,
    with_values: bool,
) -> Result<(Objects, Vec<(String, CrmError)>), PipelineError> {
    if let Catalog::Snapshot(snapshot) = catalog {
        return Ok((snapshot.objects.clone(), Vec::new()));
    }
    let (mut objects, mut refused) = (Objects::new(), Vec::new());
    for object in OBJECTS {
        match catalog.dictionary(object, |_| with_values).await {
            Ok(dictionary) => {
                objects.insert((*object).to_owned(), dictionary);
            }
            // A refusal of everything is the token's; of one object, the plan's.
            Err(PipelineError::Crm(
                error @ (CrmError::TokenRefused { .. }
                | CrmError::UnknownObject { .. }
                | CrmError::InvalidRequest { .. }
                | CrmError::Refused { .. }
                | CrmError::NotFound { .. }),
            )) => refused.push(((*object).to_owned(), error)),
            Err(error) => return Err(error),
        }
    }
    if objects.is_empty()
        && let Some((_, error)) = refused.pop()
    {
        return Err(error.into());
    }
    Ok((objects, refused))
}

fn list(context: &Context, objects: &Objects, refused: &[(String, CrmError)]) {
    if context.common.json {
        let known = objects
            .values()
            .map(|d| json!({ "object": d.object, "fields": d.fields().len(), "available": true }));
        let others = refused.iter().map(
            |(object, error)| json!({ "object": object, "available": false, "reason": error.to_string() }),
        );
        out::data(json!({ "objects": known.chain(others).collect::<Vec<_>>() }));
        return;
    }
    let row = |d: &Dictionary| {
        let required: Vec<&str> =
            d.fields().iter().filter(|f| f.required && !f.read_only).map(|f| f.name.as_str()).collect();
        vec![d.object.clone(), d.fields().len().to_string(), shown(&required.join(", ")).to_string()]
    };
    let mut rows: Vec<Vec<String>> = objects.values().map(row).collect();
    rows.extend(refused.iter().map(|(object, _)| {
        vec![object.clone(), "-".to_owned(), "not available with this token or plan".to_owned()]
    }));
    out::data(out::table(&["object", "fields", "required"], &rows, context.colors.out));
    context.screen.say("custom tables are reached by their names too: carafe describe NAME");
}

fn one(context: &Context, dictionary: &Dictionary) -> Result<u8, PipelineError> {
    if context.common.json {
        let fields: Vec<Json> = dictionary.fields().iter().map(field_json).collect();
        out::data(json!({ "object": dictionary.object, "fields": fields }));
        return Ok(0);
    }
    let rows: Vec<Vec<String>> = dictionary.fields().iter().map(field_row).collect();
    out::data(out::table(&["field", "type", "size", "", "values", "label"], &rows, context.colors.out));
    Ok(0)
}

fn field_json(field: &Field) -> Json {
    let lookup = field.lookup.as_ref().map(|l| json!({ "list": l.list, "values": l.values }));
    json!({
        "name": field.name, "label": field.label, "type": field.kind.word(), "required": field.required,
        "readonly": field.read_only, "size": field.size, "decimals": field.decimals, "lookup": lookup,
    })
}

fn field_row(field: &Field) -> Vec<String> {
    let size = match (field.size, field.decimals) {
        (Some(size), _) => out::thousands(u64::from(size)),
        (None, Some(0)) => "whole".to_owned(),
        (None, Some(decimals)) => format!("{decimals} decimals"),
        (None, None) => String::new(),
    };
    let mark = match (field.read_only, field.required) {
        (true, _) => "read-only",
        (false, true) => "required",
        (false, false) => "",
    };
    let values = field.lookup.as_ref().and_then(|l| l.values.as_ref()).map(|values| {
        let first: Vec<&str> = values.iter().take(4).map(String::as_str).collect();
        let more = if values.len() > 4 { format!(", … ({} in all)", values.len()) } else { String::new() };
        format!("{}{more}", shown(&first.join(", ")))
    });
    vec![
        shown(&field.name).to_string(),
        shown(field.kind.word()).to_string(),
        size,
        mark.to_owned(),
        values.unwrap_or_default(),
        field.label.as_deref().map(|label| shown(label).to_string()).unwrap_or_default(),
    ]
}
