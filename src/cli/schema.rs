//! `kstack schema`: JSON Schemas of the stack file and of JSON output.

use clap::ValueEnum;
use serde_json::Value;

use super::ui;
use crate::ops::Failure;
use kstack_core::stack;

/// Print the JSON Schema of the stack file, for editors, or of JSON output, for scripts
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The output whose schema is printed; `events` are the lines of apply, destroy, up and reap
    #[arg(long, value_enum)]
    output: Option<Output>,
}

/// What is printed as JSON.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Output {
    Plan,
    Status,
    Lag,
    List,
    Size,
    Cost,
    Compare,
    Events,
}

/// Prints a JSON Schema.
///
/// # Errors
/// Never; every command returns this type.
pub fn run(args: &Args) -> Result<u8, Failure> {
    let text = match args.output {
        None => {
            ui::document(&stack::schema());
            return Ok(0);
        }
        Some(Output::Plan) => include_str!("schema/plan.json"),
        Some(Output::Status) => include_str!("schema/status.json"),
        Some(Output::Lag) => include_str!("schema/lag.json"),
        Some(Output::List) => include_str!("schema/list.json"),
        Some(Output::Size) => include_str!("schema/size.json"),
        Some(Output::Cost) => include_str!("schema/cost.json"),
        Some(Output::Compare) => include_str!("schema/compare.json"),
        Some(Output::Events) => include_str!("schema/events.json"),
    };
    let schema: Value = serde_json::from_str(text)
        .map_err(|error| Failure::new(format!("the schema in this binary can't be read: {error}")))?;
    ui::document(&schema);
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use kstack_core::model::Record;

    /// A record with everything that it may have; a new field does not compile here before it is in the schemas.
    fn record() -> Record {
        let text = || Some(String::new());
        Record {
            cluster_id: String::new(),
            made_at: Timestamp::UNIX_EPOCH,
            made_by: String::new(),
            expires_at: Some(Timestamp::UNIX_EPOCH),
            engine: text(),
            own_role: Some(true),
            client: Some(true),
            ipv6: Some(true),
            zone: text(),
            privatelink: true,
            papers: true,
            settings: true,
            unfinalized: true,
            alarms: true,
            logs: kstack_core::stack::Logs::FlowLogs,
            resources: Some(1),
            applies: 1,
        }
    }

    #[test]
    fn the_schemas_know_every_key_of_a_record() {
        let record = serde_json::to_value(record()).expect("JSON");
        for text in [include_str!("schema/status.json"), include_str!("schema/list.json")] {
            let schema: Value = serde_json::from_str(text).expect("JSON");
            let known = &schema["$defs"]["record"]["properties"];
            for key in record.as_object().expect("an object").keys() {
                assert!(!known[key].is_null(), "no schema of `{key}` in a record");
            }
        }
    }
}
