//! The words of `ibid exec`.

use super::{ExecutionArgs, GlobalArgs, StepArgs};

/// Runs a command, or cites its earlier result: same outputs, streams and exit code.
#[derive(clap::Parser, Clone, Debug, Default)]
#[command(
    name = "exec",
    bin_name = "ibid exec",
    override_usage = "ibid exec [OPTIONS] -- CMD [ARG]...",
    after_help = "Example: ibid exec -i data.csv -o table.csv -- python3 clean.py data.csv table.csv\n\n  every header counts:    ibid exec -i a.c -i '*.h' -o a.o -- cc -c a.c -o a.o\n  a folder in and out:    ibid exec -i raw/ -o maps/ -- fit --threads 4 raw maps\n  a line of shell:        ibid exec -i in.txt -o n.txt --shell -- 'sort in.txt | uniq > n.txt'\n  a variable counts:      ibid exec -i in.nii -o out.nii -e OMP_NUM_THREADS -- smooth in.nii out.nii\n  for a day at most:      ibid exec --ttl 1d -o list.json -- curl -o list.json $URL\n\nExit codes: the command's own; 2 usage; 125 ibid failed; 126 not executable; 127 not found; 130 interrupted; 143 out of time."
)]
pub(crate) struct ExecArgs {
    #[command(flatten)]
    pub(crate) step: StepArgs,
    #[command(flatten)]
    pub(crate) run: ExecutionArgs,
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}
