//! The engine: the life of a step, from what was declared to how it went.
//!
//! [`step`] tells the story; [`prepare`] makes keys, [`look_up`] decides, and the rest restores or
//! runs. Front doors hand in a [`Context`] and hear of everything through its sink.

mod bring_back;
pub mod chain;
mod clock;
mod commit;
mod context;
mod decide;
mod error;
mod event;
mod explain;
mod flight;
mod forecast;
mod freshness;
mod history;
mod leftovers;
mod lookup;
mod made_links;
pub mod manifest;
mod memo;
mod outcome;
mod overlay;
mod own_run;
mod prepare;
mod recall;
mod replay;
mod run;
pub mod schedule;
pub mod snapshot;
mod stamp;
mod step;
mod storing;
mod texts;
mod verdict;

pub use clock::Clock;
pub use context::{Access, Caller, Context, Made, Provenance};
pub use error::{Error, ErrorKind, chain};
pub use event::{Event, Note, Sink, Warning, Work};
pub use forecast::{Forecast, Foreseen, foresee};
pub use freshness::Miss;
pub use lookup::{LookUp, look_up};
pub use memo::Memo;
pub use outcome::{Decision, NotStored, Rerun, StepOutcome};
pub use overlay::Overlay;
pub use own_run::{OwnRun, Unrecorded, Witness, bring_back_only, on_record, record_own_run};
pub use prepare::{Prepared, prepare};
pub use recall::{Stored, cite, cite_as_known, prepare_as_known, stored};
pub use run::live_name;
pub use step::{fulfil, step};
