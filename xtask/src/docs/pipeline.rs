//! The page and the JSON Schema of `ibid.toml`, made of the library's table of fields.

use std::fmt::Write as _;

use ibid_core::pipeline::{
    AXIS_FIELDS, Field, MATRIX_FIELDS, PATH_FIELDS, PIPELINE_FIELDS, Placeholders, RESOURCE_FIELDS,
    STEP_FIELDS, schema,
};

use super::NOTICE;
use crate::shell::Outcome;

/// Makes the schema's file.
pub(super) fn schema_file() -> Outcome<String> {
    let text = serde_json::to_string_pretty(&schema()).map_err(|error| error.to_string())?;
    Ok(text + "\n")
}

/// Makes the page.
pub(super) fn page() -> String {
    let mut page = format!("{NOTICE}\n{TOP}");
    for (title, about, fields) in [
        ("`[pipeline]`", PIPELINE, PIPELINE_FIELDS),
        ("`[steps.NAME]` and `[defaults]`", STEPS, STEP_FIELDS),
        ("A path that is a table", PATHS, PATH_FIELDS),
        ("`matrix`", MATRIX, MATRIX_FIELDS),
        ("An axis that is a table", AXES, AXIS_FIELDS),
        ("`resources` of a step", RESOURCES, RESOURCE_FIELDS),
    ] {
        let _ = write!(
            page,
            "\n## {title}\n\n{about}\n| field | is | what for |\n| --- | --- | --- |\n"
        );
        for field in fields {
            row(&mut page, field);
        }
        let _ = write!(page, "\nFor example, each line by itself:\n\n```toml\n");
        for field in fields {
            let _ = writeln!(page, "{}", field.example);
        }
        page += "```\n";
    }
    page
}

fn row(page: &mut String, field: &Field) {
    let mark = match field.placeholders {
        Placeholders::None => "",
        Placeholders::Values => " ¹",
        Placeholders::All => " ²",
    };
    let own = if field.in_defaults() { "" } else { " ³" };
    let (name, expected) = (field.name, field.expected());
    let about = field.about;
    let _ = writeln!(page, "| `{name}`{mark}{own} | {expected} | {about} |");
}

const TOP: &str = "\
# `ibid.toml`

Steps, and what they share. Everything is checked when the file is read: an unknown field, a wrong
type or a slip is an error that shows its line.

```toml
[pipeline]
name = \"penguins\"

[params]
min_mass = 2700

[steps.clean]
run     = \"python3 clean.py {inputs.raw} {outputs.table} --min-mass {params.min_mass}\"
inputs  = { raw = \"data/penguins.csv\" }
outputs = { table = \"build/clean.csv\" }

[steps.fit]
matrix  = { species = [\"Adelie\", \"Gentoo\", \"Chinstrap\"] }
run     = [\"python3\", \"fit.py\", \"{inputs}\", \"{matrix.species}\", \"{outputs}\"]
inputs  = [\"build/clean.csv\"]
outputs = [\"build/fit-{matrix.species}.json\"]
```

| table | what it holds |
| --- | --- |
| `[pipeline]` | the pipeline as a whole |
| `[params]` | values of any type, for placeholders; tables give dotted names |
| `[defaults]` | fields that the steps of this file have unless they set them |
| `[steps.NAME]` | a step; names are letters, digits, `_`, `.` and `-` |
| `[config]` | settings of the project: see [config.md](config.md) |

An editor that knows JSON Schema completes and checks the file by `ibid.schema.json`, beside this
page. What hangs on other fields or files only `ibid` itself sees.
";

const PIPELINE: &str = "\
Params of later files lie over those of earlier ones, those of included files over both, and
`[params]` over all; tables are merged, anything else is replaced. An included file may hold
`[params]`, `[defaults]`, steps, and `include` of its own; no file is included twice. Its steps come
where it is included.
";

const STEPS: &str = "\
¹ Texts may hold `{matrix.NAME}` and `{params.NAME}`. ² And `{inputs}`, `{outputs}` and
`{resources.NAME}`. ³ Not in `[defaults]`. A field of a step replaces the default's whole: lists are
not joined. A step needs `run`. Where a list of texts stands, one text may stand for a list of one.

A time is whole numbers with units, from longer to shorter: `w`, `d`, `h`, `m`, `s`, `ms`. A name
in `env` that looks like a secret is refused, because what counts is stored. `image`, `runner` and
`isolate` are refused: this version runs commands on this machine only.
";

const PATHS: &str = "\
An item of `inputs` or `outputs`, or the value of a name, may be a table. `optional`, `keep` and
`by_content` of the step say the same of paths by their names or as they are written.
";

const MATRIX: &str = "\
Every other name in `matrix` is an axis: a list of values, or a table that names a file. Axes are
multiplied, in the order in which they stand. Where there is only `include`, its points are all.
";

const AXES: &str = "\
Only the values count, not the file. A value that a file repeats counts once.
";

const RESOURCES: &str = "\
Any other name is counted, and is a whole number; `resources` of `[pipeline]` says how much there is.
";
