//! `lookup`: the values of a dropdown.

use serde_json::json;

use super::args::LookupArgs;
use super::connection::Connection;
use super::{Context, out};
use crate::model::shown;
use crate::pipeline::{Catalog, PipelineError};

pub async fn run(context: &Context, args: LookupArgs) -> Result<u8, PipelineError> {
    let Some((object, field)) = args.field.split_once('.') else {
        let message = format!("\"{}\" does not name an object and a field", shown(&args.field));
        return Err(PipelineError::usage(message, "for example: carafe lookup accounts.type"));
    };
    let connection = Connection::open(context)?;
    let catalog = Catalog::Crm(connection.client.clone());
    let dictionary = catalog.dictionary(object, |_| false).await?;
    let Some(known) = dictionary.get(field) else {
        let names = dictionary.fields().iter().map(|f| f.name.as_str());
        let near = crate::rules::nearest::nearest(field, names).map(|n| format!("; nearest: {}", shown(n)));
        let message =
            format!("{} has no field \"{}\"{}", shown(object), shown(field), near.unwrap_or_default());
        return Err(PipelineError::usage(message, format!("see: carafe describe {}", shown(object))));
    };
    if known.lookup.is_none() {
        let message = format!("{}.{} is not tied to a list", shown(object), shown(field));
        return Err(PipelineError::usage(message, format!("see: carafe describe {}", shown(object))));
    }
    let list = known.lookup.as_ref().and_then(|l| l.list.clone()).unwrap_or_else(|| field.to_owned());
    let mut values = connection.client.lookup(object, field).await?;
    let new: Vec<String> = args.add.iter().filter(|value| !values.contains(value)).cloned().collect();
    if !new.is_empty() {
        connection.client.append_lookup(&list, &new).await?;
        values = connection.client.lookup(object, field).await?;
    }
    if context.common.json {
        out::data(json!({ "object": object, "field": field, "list": list, "values": values, "added": new }));
    } else {
        values.iter().for_each(|value| out::data(shown(value)));
        if !args.add.is_empty() {
            context.screen.say(&format!("{} added", out::count(new.len() as u64, "value", "values")));
        }
    }
    Ok(0)
}
