//! What is to be read of an object: fields, filter and order, checked against
//! its dictionary before anything is asked for.

use super::ExportSettings;
use super::changes::{Changes, States};
use super::contents::with_column;
use super::form::LinesPlan;
use super::resolve::Resolution;
use super::reversed::{ReadMapping, Reversed};
use super::since::changed_since;
use crate::crm::ReadQuery;
use crate::model::{Dictionary, Direction, Field, FieldKind, Filter, Order, shown};
use crate::pipeline::{Catalog, PipelineError};
use crate::rules::language::parse_filter;
use crate::rules::nearest::nearest;

/// One object, ready to be read.
pub(super) struct Plan {
    pub dictionary: Dictionary,
    /// The columns to write, in their order.
    pub fields: Vec<Field>,
    /// Of each column, which resolution it is the name of, if it is one.
    pub names: Vec<Option<usize>>,
    /// Names beside ids.
    pub resolutions: Vec<Resolution>,
    pub query: ReadQuery,
    /// The lines of opportunities, where they are written apart from them.
    pub lines: Option<LinesPlan>,
    /// Tells what is new, where only that is wanted.
    pub changes: Option<Changes>,
    /// The mapping that is turned round, where there is one: the columns are its own.
    pub reversed: Option<Reversed>,
}

impl Plan {
    /// The same in the words of a mapping.
    async fn turned_round(
        self,
        mapping: ReadMapping,
        settings: &ExportSettings,
        catalog: &Catalog,
    ) -> Result<Self, PipelineError> {
        let (reversed, resolutions) = mapping.reversed(settings, &self.dictionary, catalog).await?;
        let fields = reversed.columns();
        let names = vec![None; fields.len()];
        Ok(Self { fields, names, resolutions, reversed: Some(reversed), ..self })
    }

    /// Reads only what may be new since the last export of the kind, where the output holds the rest.
    pub fn only_news(&mut self, states: &mut States, afresh: bool) {
        let (changed, changes) = states.of(self, afresh);
        let filter = self.query.filter.take();
        self.query.filter = both(filter, changed);
        self.changes = Some(changes);
    }
}

/// What fulfils both, as far as they are there.
fn both(one: Option<Filter>, other: Option<Filter>) -> Option<Filter> {
    match (one, other) {
        (Some(one), Some(other)) => Some(Filter::All(vec![one, other])),
        (one, other) => one.or(other),
    }
}

/// What is to be read of an object, as far as can be told before it is asked for.
pub(super) async fn plan(
    object: &str,
    settings: &ExportSettings,
    catalog: &Catalog,
) -> Result<Plan, PipelineError> {
    let mapping = ReadMapping::of(object, settings)?;
    let has_cells_of = |field: &Field| mapping.as_ref().is_some_and(|mapping| mapping.names(field));
    let dictionary = match (catalog.dictionary(object, has_cells_of).await, &mapping) {
        (Err(error), Some(mapping)) => return Err(mapping.at_its_place(error, catalog)),
        (described, _) => described?,
    };
    let fields = chosen_fields(&dictionary, &settings.fields, settings.lines)?;
    let condition = settings.condition.as_deref().map(|text| parse_filter(text, &dictionary)).transpose()?;
    let changed = settings.since.map(|since| changed_since(&dictionary, since)).transpose()?;
    let filter = both(condition, changed);
    if let Some(raw) = &settings.raw_filter
        && let Err(error) = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(raw)
    {
        let message = format!("--q is not a JSON object: {}", shown(&error.to_string()));
        return Err(PipelineError::usage(message, "for example: --q '{\"type\": \"Customer\"}'"));
    }
    let order = order(&dictionary, &settings.order)?;
    let lines = settings.lines && object == "opportunities";
    let raw_filter = settings.raw_filter.clone();
    let query = ReadQuery { filter, raw_filter, order, lines, limit: settings.limit, above: 0 };
    let apart = LinesPlan::of(object, settings, catalog).await?;
    let resolutions = Resolution::all(&settings.resolve, &dictionary, catalog).await?;
    let fields = with_column(settings, fields);
    if let Some(left_out) = resolutions.iter().find(|one| fields.iter().all(|field| field.name != one.field))
    {
        let name = shown(&left_out.field);
        return Err(PipelineError::usage(
            format!("--resolve puts names behind {name}, which --fields leaves out"),
            format!("add {name} to --fields"),
        ));
    }
    let (fields, names) = Resolution::place(&resolutions, fields);
    let plan =
        Plan { dictionary, fields, names, resolutions, query, lines: apart, changes: None, reversed: None };
    match mapping {
        Some(mapping) => plan.turned_round(mapping, settings, catalog).await,
        None => Ok(plan),
    }
}

/// The fields to write: those asked for, else all with `id` first.
fn chosen_fields(
    dictionary: &Dictionary,
    names: &[String],
    lines: bool,
) -> Result<Vec<Field>, PipelineError> {
    let id = dictionary.get("id").cloned().unwrap_or_else(|| Field::new("id", FieldKind::Number));
    let mut fields = vec![id];
    if names.is_empty() {
        fields.extend(dictionary.fields().iter().filter(|field| field.name != "id").cloned());
    } else if names.iter().any(|name| name == "id") {
        fields.clear();
    }
    for name in names {
        match dictionary
            .get(name)
            .cloned()
            .or_else(|| (name == "id").then(|| Field::new("id", FieldKind::Number)))
        {
            // A column that is asked for twice is written once: JSON has no place for two.
            Some(field) if fields.iter().any(|known| known.name == field.name) => {}
            Some(field) => fields.push(field),
            None => return Err(no_such_field(dictionary, name)),
        }
    }
    if lines && dictionary.object == "opportunities" {
        fields.push(Field::new("lines", FieldKind::Other("lines".to_owned())));
    }
    Ok(fields)
}

pub(in crate::pipeline) fn no_such_field(dictionary: &Dictionary, name: &str) -> PipelineError {
    let names = dictionary.fields().iter().map(|field| field.name.as_str());
    let near = nearest(name, names).map(|near| format!("; nearest: {}", shown(near))).unwrap_or_default();
    let object = shown(&dictionary.object);
    PipelineError::usage(
        format!("{object} has no field \"{}\"{near}", shown(name)),
        format!("see: carafe describe {object}"),
    )
}

fn order(dictionary: &Dictionary, names: &[String]) -> Result<Order, PipelineError> {
    let mut order = Order::new();
    for name in names {
        let (name, direction) = match name.strip_prefix('-') {
            Some(name) => (name, Direction::Descending),
            None => (name.as_str(), Direction::Ascending),
        };
        if dictionary.get(name).is_none() && name != "id" {
            return Err(no_such_field(dictionary, name));
        }
        order.push((name.to_owned(), direction));
    }
    Ok(order)
}
