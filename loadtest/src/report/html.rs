//! The report as one HTML file: tables, a plot of percentiles, plots over time. Nothing is loaded from elsewhere, and
//! colours follow the reader's light or dark setting.

use hdrhistogram::Histogram;

use crate::report::svg::{Axis, Plot, Series};
use crate::report::text::{escaped, thousands, time};
use crate::report::{Report, RunReport};

/// Percentile curve: quantiles from the median outwards, evenly spaced in the number of nines.
const CURVE_POINTS: u32 = 120;

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1d2430;--soft:#5b6675;--line:#d8dee6;--page:#f7f8fa;--card:#fff;\
--a:#1763b6;--b:#c2410c;--c:#6b7280;--good:#15803d;--bad:#b91c1c}\
@media(prefers-color-scheme:dark){:root{--ink:#e5e9f0;--soft:#9aa5b4;--line:#333c49;--page:#12161c;--card:#1a2029;\
--a:#6cb2ff;--b:#ff9d5c;--c:#8b95a5;--good:#4ade80;--bad:#f87171}}\
*{box-sizing:border-box}body{margin:0 auto;padding:28px 20px 60px;max-width:1040px;background:var(--page);color:var(--ink);\
font:15px/1.5 system-ui,sans-serif}h1{font-size:24px;margin:0 0 4px}h2{font-size:16px;margin:0 0 10px}\
p.sub{color:var(--soft);margin:0 0 20px;overflow-wrap:anywhere}\
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px;margin-bottom:16px}\
.card,section{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:14px 16px}\
section{margin-bottom:16px}.card b{display:block;font-size:21px;font-variant-numeric:tabular-nums}\
.card span{color:var(--soft);font-size:13px}.good{color:var(--good)}.bad{color:var(--bad)}\
svg{display:block;width:100%;height:auto}svg text{fill:var(--soft);font:12px system-ui,sans-serif}\
.grid{stroke:var(--line);stroke-width:1}.a{stroke:var(--a)}.b{stroke:var(--b)}.c{stroke:var(--c)}\
.curve{fill:none;stroke-width:2;stroke-linejoin:round}text.a{fill:var(--a);stroke:none}text.b{fill:var(--b);stroke:none}\
text.c{fill:var(--c);stroke:none}pre{margin:0;white-space:pre-wrap;overflow-wrap:anywhere;font:13px/1.5 ui-monospace,monospace}\
.warn{border-left:4px solid var(--b)}ul{margin:0;padding-left:20px}";

/// The page.
pub(crate) fn page(run: &RunReport, latency_ns: &Histogram<u64>) -> String {
    let traffic = &run.traffic;
    let balanced = run.verdict() == crate::report::Verdict::Balanced;
    let mut page = String::new();
    let mut add = |text: &str| page.push_str(text);
    add("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">");
    add("<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>Load test</title><style>");
    add(STYLE);
    add("</style></head><body><h1>Load test</h1><p class=\"sub\">");
    add(&escaped(&run.headline()));
    add("</p><div class=\"cards\">");
    let cpu = traffic.server_cpu_us_per_delivery;
    for (value, label, class) in [
        (
            if balanced { "balanced" } else { "faulty" }.to_owned(),
            "ledger",
            if balanced { "good" } else { "bad" },
        ),
        (thousands(traffic.delivered_per_second), "deliveries per second", ""),
        (time(traffic.latency_us.p50), "median latency", ""),
        (time(traffic.latency_us.p99), "latency, 99 of 100", ""),
        (time(traffic.latency_us.max), "longest latency", ""),
        (
            cpu.map_or_else(|| "n/a".to_owned(), |cpu| format!("{cpu:.2} µs")),
            "server CPU per delivery",
            "",
        ),
    ] {
        add(&format!(
            "<div class=\"card\"><b class=\"{class}\">{}</b><span>{label}</span></div>",
            escaped(&value)
        ));
    }
    add("</div>");
    if !traffic.warnings.is_empty() {
        add("<section class=\"warn\"><h2>Reasons to distrust these figures</h2><ul>");
        for warning in &traffic.warnings {
            add(&format!("<li>{}</li>", escaped(&warning.text)));
        }
        add("</ul></section>");
    }
    for plot in plots(run, latency_ns) {
        add("<section>");
        add(&plot.draw());
        add("</section>");
    }
    add("<section><h2>All figures</h2><pre>");
    add(&escaped(&run.table()));
    add("</pre></section></body></html>\n");
    page
}

fn plots(run: &RunReport, latency_ns: &Histogram<u64>) -> Vec<Plot> {
    let points = &run.traffic.timeline;
    let over_time = |value: fn(&crate::timeline::Point) -> Option<f64>| {
        points.iter().map(|point| (point.seconds, value(point))).collect()
    };
    vec![
        Plot {
            title: "Latency by percentile, from the scheduled send to receipt",
            x: Axis::Nines,
            y: Axis::LogTime,
            series: vec![Series {
                name: "latency",
                class: "a",
                points: percentile_curve(latency_ns)
                    .into_iter()
                    .map(|(nines, us)| (nines, Some(us)))
                    .collect(),
            }],
        },
        Plot {
            title: "Latency over time",
            x: Axis::Seconds,
            y: Axis::LogTime,
            series: vec![
                Series {
                    name: "max",
                    class: "c",
                    points: over_time(|point| point.max_us),
                },
                Series {
                    name: "p99",
                    class: "b",
                    points: over_time(|point| point.p99_us),
                },
                Series {
                    name: "p50",
                    class: "a",
                    points: over_time(|point| point.p50_us),
                },
            ],
        },
        Plot {
            title: "Deliveries per second over time",
            x: Axis::Seconds,
            y: Axis::Count,
            series: vec![Series {
                name: "delivered",
                class: "a",
                points: over_time(|point| Some(point.delivered_per_second)),
            }],
        },
    ]
}

/// Latency in µs by nines (1 is the 90th percentile, 2 the 99th), as far as there are messages to tell.
fn percentile_curve(latency_ns: &Histogram<u64>) -> Vec<(f64, f64)> {
    if latency_ns.is_empty() {
        return Vec::new();
    }
    let most = (latency_ns.len() as f64).log10().clamp(1.0, 6.0);
    (0..=CURVE_POINTS)
        .map(|step| {
            let nines = most * f64::from(step) / f64::from(CURVE_POINTS);
            let quantile = 1.0 - 10f64.powf(-nines);
            (nines, latency_ns.value_at_quantile(quantile) as f64 / 1e3)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_curve_ends_where_the_messages_do() {
        let mut histogram = crate::worker::intake::latency_histogram();
        for latency_us in 1..=1000 {
            histogram.record(latency_us * 1000).expect("within the bounds");
        }
        let curve = percentile_curve(&histogram);
        let (nines, last_us) = *curve.last().expect("points");
        assert!((nines - 3.0).abs() < 1e-9 && last_us > 990.0, "{nines} {last_us}");
        assert!(curve.is_sorted_by_key(|&(_, us)| us as u64));
    }
}
