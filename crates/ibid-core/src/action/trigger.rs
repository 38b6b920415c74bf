//! `Trigger`: why a step runs again.

/// Why a step runs again instead of being up to date or restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Trigger {
    /// A declared or implied input, or standard input, changed.
    Inputs,
    /// A param or a spec changed.
    Params,
    /// The command line or a code file changed.
    Code,
    /// A program changed.
    Tool,
    /// A keyed variable, the environment's mode or the platform changed.
    Env,
    /// The container image changed.
    Image,
    /// A version tag, an installed package or a salt changed.
    Versions,
    /// The declared outputs changed, or stored ones are missing or damaged.
    Outputs,
    /// The result is older than its time to live.
    Ttl,
    /// The user asked for it, or invalidated the result.
    Forced,
    /// No earlier run is known.
    New,
}

impl Trigger {
    /// Returns the word that messages and JSON use.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Inputs => "inputs",
            Self::Params => "params",
            Self::Code => "code",
            Self::Tool => "tool",
            Self::Env => "env",
            Self::Image => "image",
            Self::Versions => "versions",
            Self::Outputs => "outputs",
            Self::Ttl => "ttl",
            Self::Forced => "forced",
            Self::New => "new",
        }
    }

    /// Returns the trigger of this word.
    pub fn from_word(word: &str) -> Option<Self> {
        const ALL: [Trigger; 11] = [
            Trigger::Inputs,
            Trigger::Params,
            Trigger::Code,
            Trigger::Tool,
            Trigger::Env,
            Trigger::Image,
            Trigger::Versions,
            Trigger::Outputs,
            Trigger::Ttl,
            Trigger::Forced,
            Trigger::New,
        ];
        ALL.into_iter().find(|trigger| trigger.word() == word)
    }
}
