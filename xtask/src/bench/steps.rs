//! A graph of many small steps, written for ibid and for ninja alike (samurai reads the
//! same file).
//!
//! In blocks of ten: the first step reads a source (and the last output of an earlier block), four
//! more form a chain, five fan out from the end of the chain; every third reads one more source.
//! Each step writes the first bytes of its inputs to one small file.

use std::fmt::Write as _;
use std::path::Path;

use super::{make_dir, write};
use crate::shell::Outcome;

/// One step: what it reads and what it writes.
struct Step {
    inputs: Vec<String>,
    output: String,
}

impl Step {
    fn command(&self) -> String {
        let inputs = self.inputs.join(" ");
        format!("head -q -c 32 {inputs} > {}", self.output)
    }
}

fn graph(count: usize) -> Vec<Step> {
    let output = |step: usize| format!("out/o{step}.txt");
    let source = |number: usize| format!("src/s{number}.txt");
    let step = |index: usize| {
        let (block, place) = (index / 10, index % 10);
        let mut inputs = match place {
            0 if block == 0 => vec![source(0)],
            0 => vec![source(block), output(block / 2 * 10 + 9)],
            1..=4 => vec![output(index - 1)],
            _ => vec![output(block * 10 + 4)],
        };
        let more = source(index * 7 % (count / 10).max(1));
        if index.is_multiple_of(3) && !inputs.contains(&more) {
            inputs.push(more);
        }
        Step {
            inputs,
            output: output(index),
        }
    };
    (0..count).map(step).collect()
}

/// Writes the sources, the graph as `ibid.toml` and for ninja, and `files.list`: the paths of all
/// files that a run looks at.
pub(super) fn project(dir: &Path, count: usize) -> Outcome {
    for folder in ["src", "out"] {
        make_dir(&dir.join(folder))?;
    }
    let mut files = String::new();
    for number in 0..count.div_ceil(10) {
        let _ = writeln!(files, "src/s{number}.txt");
        let text = format!("source {number}\n");
        write(&dir.join(format!("src/s{number}.txt")), text.as_bytes())?;
    }
    let steps = graph(count);
    let mut ninja = "rule c\n  command = head -q -c 32 $in > $out\n".to_owned();
    let mut ours = String::new();
    for (index, step) in steps.iter().enumerate() {
        let (inputs, output, command) = (step.inputs.join(" "), &step.output, step.command());
        let quoted: Vec<_> = step
            .inputs
            .iter()
            .map(|path| format!("\"{path}\""))
            .collect();
        let quoted = quoted.join(", ");
        let _ = writeln!(files, "{output}");
        let _ = writeln!(ninja, "build {output}: c {inputs}");
        let _ = writeln!(
            ours,
            "[steps.r{index}]\nrun = \"{command}\"\ninputs = [{quoted}]\noutputs = [\"{output}\"]"
        );
    }
    write(&dir.join("build.ninja"), ninja.as_bytes())?;
    write(&dir.join("files.list"), files.as_bytes())?;
    write(&dir.join("ibid.toml"), ours.as_bytes())
}
