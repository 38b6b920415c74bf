//! `ibid man`: manual pages, made of the same words as `--help`.

use std::path::Path;

use clap_mangen::Man;
use ibid_core::fs::{self, PathError, Staged};

use crate::args::{self, ManArgs};
use crate::context::Context;
use crate::error::Failure;
use crate::exit::{self, Exit};

pub(super) fn run(args: &ManArgs, context: &Context) -> Result<Exit, Failure> {
    let mut tree = args::tree();
    tree.build();
    match &args.out {
        None => context.console.data(&page(&tree)?)?,
        Some(dir) => {
            let folder = context.place.dir.join(dir);
            write(&folder, "ibid", &page(&tree)?)?;
            for verb in tree.get_subcommands() {
                let name = format!("ibid-{}", verb.get_name());
                write(&folder, &name, &page(verb)?)?;
            }
        }
    }
    Ok(Exit::OK)
}

fn page(command: &clap::Command) -> Result<Vec<u8>, Failure> {
    let mut page = Vec::new();
    Man::new(command.clone())
        .render(&mut page)
        .map_err(|error| Failure::of(exit::IBID_FAILED, &error))?;
    Ok(page)
}

fn write(dir: &Path, name: &str, page: &[u8]) -> Result<(), Failure> {
    let write = || -> Result<(), PathError> {
        fs::create_dirs(dir, None)?;
        let mut staged = Staged::create(dir)?;
        staged.write_all(page)?;
        staged.set_mode(0o644)?;
        staged.publish_over(&dir.join(format!("{name}.1")))
    };
    write().map_err(|error| Failure::of(exit::IBID_FAILED, &error))
}
