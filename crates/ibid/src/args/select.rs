//! Which steps of the project's file: shared by `run` and `plan`, so that a plan becomes a run by
//! changing one word.

/// Steps by name or pattern.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct SelectArgs {
    /// Steps, and all that they wait for: names, matrices (all their points) or quoted patterns
    /// ('fit@*') [default: all].
    #[arg(value_name = "STEP|GLOB", help_heading = "Arguments")]
    pub steps: Vec<String>,
    /// These steps alone: what they wait for is taken as it stands.
    #[arg(long, conflicts_with = "downstream", help_heading = "Which steps")]
    pub only: bool,
    /// Also all steps that wait for these.
    #[arg(long, help_heading = "Which steps")]
    pub downstream: bool,
}
