//! Results as Markdown, as BENCHMARKS.md holds them.

use std::fmt::Write as _;
use std::time::Duration;

use super::measure::{Row, Sample};
use super::options::Options;

/// Describes the machine and the run, without which the figures mean nothing.
pub(super) fn machine(options: &Options) -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpu_info = read("/proc/cpuinfo");
    let cpu = cpu_info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or("unknown processor", |(_, name)| name.trim());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let kernel = read("/proc/sys/kernel/osrelease");
    let load = read("/proc/loadavg");
    let load: Vec<&str> = load.split_whitespace().take(3).collect();
    format!(
        "{cpu}, {cores} cores, Linux {}, load {}; {} rounds after {} warm-ups, short commands \
         {} times a round",
        kernel.trim(),
        load.join(" "),
        options.rounds,
        options.warm_ups,
        options.repeats
    )
}

/// Prints one line per command.
pub(super) fn rows(rows: &[Row]) -> String {
    let mut text = "\
| command | wall ms, min / median / max | cpu ms, median | wall ratio, median (min-max) |
| --- | ---: | ---: | ---: |
"
    .to_owned();
    for Row { name, outcome } in rows {
        let line = match outcome {
            Ok(samples) => format!("| {name} | {} |", cells(samples)),
            Err(message) => format!("| {name} | skipped: {message} | | |"),
        };
        let _ = writeln!(text, "{line}");
    }
    text
}

fn cells(samples: &[Sample]) -> String {
    let [low, middle, high] = spread(samples, |sample| millis(sample.wall));
    let [_, cpu, _] = spread(samples, |sample| millis(sample.cpu));
    let [least, ratio, most] = spread(samples, |sample| sample.ratio);
    format!("{low:.2} / {middle:.2} / {high:.2} | {cpu:.2} | {ratio:.2} ({least:.2}-{most:.2})")
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Returns the smallest, the median and the largest value.
fn spread(samples: &[Sample], value: impl Fn(&Sample) -> f64) -> [f64; 3] {
    let mut values: Vec<f64> = samples.iter().map(value).collect();
    values.sort_by(f64::total_cmp);
    match values.as_slice() {
        [] => [f64::NAN; 3],
        values => {
            let (half, odd) = (values.len() / 2, values.len() % 2 == 1);
            let middle = if odd {
                values[half]
            } else {
                f64::midpoint(values[half - 1], values[half])
            };
            [values[0], middle, values[values.len() - 1]]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_lies_between_two() {
        let samples = |walls: &[f64]| -> Vec<Sample> {
            let sample = |ratio: &f64| Sample {
                wall: Duration::ZERO,
                cpu: Duration::ZERO,
                ratio: *ratio,
            };
            walls.iter().map(sample).collect()
        };
        let middle = |walls: &[f64]| spread(&samples(walls), |sample| sample.ratio);
        assert_eq!(
            middle(&[4.0, 1.0, 2.0]).map(f64::to_bits),
            [1.0, 2.0, 4.0].map(f64::to_bits)
        );
        assert_eq!(middle(&[4.0, 2.0])[1].to_bits(), 3.0_f64.to_bits());
    }
}
