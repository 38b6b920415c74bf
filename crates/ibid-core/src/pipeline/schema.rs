//! The JSON Schema of `ibid.toml`, for editors: made of the table of fields and nothing else.
//!
//! It accepts what the reader accepts, and refuses unknown fields and wrong types. What hangs on
//! other fields or other files (a mark without its path, an axis in an absent file, a variable
//! that looks like a secret) only the reader knows.

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "a test reads the examples and asks another implementation of JSON Schema"
)]
mod tests;

use serde_json::{Map, Value, json};

use super::read::field::{
    AXIS_FIELDS, Field, MANY, MATRIX_FIELDS, PATH_FIELDS, PIPELINE_FIELDS, RESOURCE_FIELDS,
    STEP_FIELDS, Shape,
};
use super::read::file::TABLES;

const NAME: &str = "^[A-Za-z_][A-Za-z0-9_-]*$";
/// Something that is not a blank.
const SAYS: &str = "\\S";

/// Makes the schema (draft 2020-12).
pub fn schema() -> Value {
    let mut step = object(STEP_FIELDS.iter());
    step["required"] = json!(["run"]);
    let mut tables = Map::new();
    for (name, about) in TABLES {
        let mut table = match *name {
            "pipeline" => object(PIPELINE_FIELDS.iter()),
            "defaults" => object(STEP_FIELDS.iter().filter(|field| field.in_defaults())),
            "steps" => json!({
                "type": "object",
                "propertyNames": { "pattern": "^[A-Za-z0-9_.-]{1,200}$" },
                "additionalProperties": { "$ref": "#/$defs/step" },
            }),
            _ => json!({ "type": "object" }),
        };
        table["description"] = json!(about);
        tables.insert((*name).to_owned(), table);
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "ibid.toml",
        "description": "A file of steps for ibid.",
        "type": "object",
        "properties": tables,
        "additionalProperties": false,
        "$defs": {
            "step": step,
            "text": { "type": "string", "pattern": SAYS },
            "texts": either([text(), list(text(), 0)]),
            "path": path(),
            "paths": either([text(), list(either([text(), def("path")]), 0)]),
            "named_paths": either([
                def("paths"),
                json!({
                    "type": "object",
                    "propertyNames": { "pattern": NAME },
                    "additionalProperties": either([def("paths"), def("path")]),
                }),
            ]),
            "axis": either([axis_values(), axis_file()]),
            "axes": {
                "type": "object",
                "propertyNames": { "pattern": NAME },
                "additionalProperties": def("axis"),
                "minProperties": 1,
            },
            "points": list(
                json!({ "type": "object", "propertyNames": { "pattern": NAME }, "minProperties": 1 }),
                0,
            ),
        },
    })
}

fn def(name: &str) -> Value {
    json!({ "$ref": format!("#/$defs/{name}") })
}

fn text() -> Value {
    def("text")
}

fn list(item: Value, least: usize) -> Value {
    let mut list = json!({ "type": "array" });
    list["items"] = item;
    if least > 0 {
        list["minItems"] = json!(least);
    }
    list
}

fn either<const N: usize>(choices: [Value; N]) -> Value {
    let choices = Value::Array(choices.into());
    Value::Object(Map::from_iter([("anyOf".to_owned(), choices)]))
}

/// A table of these fields and no others.
fn object<'a>(fields: impl Iterator<Item = &'a Field>) -> Value {
    let properties: Map<String, Value> = fields
        .map(|field| {
            let mut schema = shape(field.shape);
            schema["description"] = json!(field.about);
            (field.name.to_owned(), schema)
        })
        .collect();
    json!({ "type": "object", "properties": properties, "additionalProperties": false })
}

fn path() -> Value {
    let mut path = object(PATH_FIELDS.iter());
    path["properties"]["path"] = either([text(), list(text(), 1)]);
    path["required"] = json!(["path"]);
    path
}

fn axis_values() -> Value {
    json!({ "type": "array", "minItems": 1 })
}

fn axis_file() -> Value {
    let mut file = object(AXIS_FIELDS.iter());
    file["required"] = json!(["file"]);
    file
}

fn shape(shape: Shape) -> Value {
    match shape {
        Shape::Flag => json!({ "type": "boolean" }),
        Shape::Text => json!({ "type": "string" }),
        Shape::SomeText => text(),
        Shape::Texts => def("texts"),
        Shape::Whole(least, most) => whole(least, most),
        Shape::Codes => either([whole(0, 255), list(whole(0, 255), 0)]),
        Shape::Duration => json!({
            "type": "string",
            "pattern": "^(?=.)([0-9]+w)?([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$",
        }),
        Shape::Size => json!({ "type": "string", "pattern": "^[0-9]+[KMGT]$" }),
        Shape::Word(words) => json!({ "enum": words }),
        Shape::Command => either([text(), words()]),
        Shape::Interpreter => either([
            json!({ "enum": crate::action::shell::names().collect::<Vec<_>>() }),
            list(text(), 1),
        ]),
        Shape::Inputs | Shape::Outputs => def("named_paths"),
        Shape::Marks => either([json!({ "type": "boolean" }), def("texts")]),
        Shape::Env => either([
            variables("^(?=[\\s\\S]*\\S)[^=]+(=[\\s\\S]*)?$"),
            json!({
                "type": "object",
                "propertyNames": { "pattern": "^[^=]+$" },
                "additionalProperties": { "type": "string" },
            }),
        ]),
        Shape::Variables => variables("^(?=[\\s\\S]*\\S)[^=]+$"),
        Shape::Params => either([json!({ "type": "object" }), list(text(), 0)]),
        Shape::Versions => {
            json!({ "type": "object", "additionalProperties": { "type": "string" } })
        }
        Shape::Commands => list(either([text(), words()]), 0),
        Shape::Matrix => matrix(),
        Shape::Resources => {
            let mut resources = object(RESOURCE_FIELDS.iter());
            resources["propertyNames"] = json!({ "pattern": NAME });
            resources["additionalProperties"] = whole(0, MANY);
            resources
        }
        Shape::Limits => {
            let refused: Vec<_> = RESOURCE_FIELDS.iter().map(|field| field.name).collect();
            json!({
                "type": "object",
                "propertyNames": { "pattern": NAME, "not": { "enum": refused } },
                "additionalProperties": whole(0, MANY),
            })
        }
        Shape::Data => json!({ "type": "object" }),
        Shape::Zip => either([def("axes"), list(def("axes"), 0)]),
        Shape::Points => def("points"),
    }
}

/// A program and its arguments.
fn words() -> Value {
    json!({
        "type": "array",
        "prefixItems": [text()],
        "items": { "type": "string" },
        "minItems": 1,
    })
}

fn whole(least: u64, most: u64) -> Value {
    json!({ "type": "integer", "minimum": least, "maximum": most })
}

fn variables(pattern: &str) -> Value {
    let variable = json!({ "type": "string", "pattern": pattern });
    either([variable.clone(), list(variable, 0)])
}

fn matrix() -> Value {
    let mut matrix = object(MATRIX_FIELDS.iter());
    matrix["propertyNames"] = json!({ "pattern": NAME });
    matrix["additionalProperties"] = def("axis");
    matrix["minProperties"] = json!(1);
    matrix
}
