//! Dropdown lists that gain values: what `lookup: append` adds before the
//! first row is sent.

use super::PipelineError;
use crate::crm::{Client, CrmError};
use crate::model::shown;
use crate::rules::additions::{Addition, Additions, MOST};
use crate::rules::mapping::Mapping;
use crate::rules::problem::{Problem, Problems};
use crate::rules::program::Choices;

/// Refuses a file that would fill a list with what is no list's.
pub fn check_additions(additions: &Additions, mapping: &Mapping) -> Result<(), PipelineError> {
    let Some(list) = additions.too_many() else { return Ok(()) };
    let rule = mapping.fields.iter().find(|(name, _)| name.value == list.field);
    let lookup = rule.and_then(|(_, rule)| rule.lookup.as_ref());
    let place = lookup.map(|lookup| lookup.place).unwrap_or_default();
    let message = format!(
        "\"lookup: append\" would add more than {MOST} values to the list of {}; is it the right column?",
        shown(&list.field)
    );
    let problem = Problem::at(place, message).hint("lookup: off sends values without a list");
    Err(Problems::new(&mapping.file, &mapping.text, vec![problem]).into())
}

/// Adds to each list what it still lacks. Asked again right before, so that
/// what another run has added meanwhile is not added twice.
pub async fn add_to_lists(client: &Client, object: &str, additions: &[Addition]) -> Result<(), CrmError> {
    for addition in additions {
        let known = Choices::new(client.lookup(object, &addition.field).await?);
        let new: Vec<String> = addition
            .values
            .iter()
            .map(|(value, _)| value.clone())
            .filter(|value| known.find(value).is_none())
            .collect();
        if !new.is_empty() {
            client.append_lookup(&addition.list, &new).await?;
        }
    }
    Ok(())
}
