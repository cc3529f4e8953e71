//! What server and generator used over time.

use crate::report::page::plot::{Band, Plot, Series};
use crate::report::page::scale::Axis;
use crate::watch::Use;

/// Plots over a time that goes to `reach` seconds, with these bands.
pub(super) fn plots(uses: &[Use], reach: f64, bands: &[Band]) -> Vec<Plot> {
    let values = |value: fn(&Use) -> Option<f64>| uses.iter().map(value).collect::<Vec<_>>();
    let plot = |title: &str, y: Axis, series: Vec<Series>| Plot {
        title: title.to_owned(),
        note: None,
        x: Axis::Seconds,
        y,
        places: uses.iter().map(|each| each.seconds).collect(),
        reach,
        series,
        bands: bands.to_vec(),
    };
    if uses.is_empty() {
        return Vec::new();
    }
    let mut plots = vec![plot(
        "Processor cores busy",
        Axis::Cores,
        vec![
            Series::line("generator", "s3", values(|each| Some(each.generator_cores))),
            Series::line("server", "s1", values(|each| each.server_cores)),
        ],
    )];
    if uses.iter().any(|each| each.server_resident_bytes.is_some()) {
        let memory = values(|each| each.server_resident_bytes.map(|bytes| bytes as f64));
        plots.push(plot(
            "Memory of the server",
            Axis::Bytes,
            vec![Series::line("resident", "s1", memory)],
        ));
    }
    plots
}
