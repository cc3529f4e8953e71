//! Figures and words as a page has them.

/// A time in the unit that suits it.
pub(super) fn time(us: f64) -> String {
    let figure = |value: f64| match value {
        large if large >= 100.0 => format!("{large:.0}"),
        medium if medium >= 10.0 => format!("{medium:.1}").trim_end_matches(".0").to_owned(),
        small => format!("{small:.2}")
            .trim_end_matches('0')
            .trim_end_matches('.')
            .to_owned(),
    };
    match us {
        long if long >= 1e6 => format!("{} s", figure(long / 1e6)),
        medium if medium >= 1e3 => format!("{} ms", figure(medium / 1e3)),
        short => format!("{} µs", figure(short)),
    }
}

/// A whole number with its digits in groups of three.
pub(super) fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A number in at most four characters and a letter, for the marks of an axis.
pub(super) fn compact(value: f64) -> String {
    let figure = |value: f64| format!("{}", (value * 100.0).round() / 100.0);
    match value {
        large if large >= 1e9 => format!("{} G", figure(large / 1e9)),
        large if large >= 1e6 => format!("{} M", figure(large / 1e6)),
        medium if medium >= 1e4 => format!("{} k", figure(medium / 1e3)),
        medium if medium >= 1e3 => thousands(medium),
        small => figure(small),
    }
}

/// Memory in the unit that suits it.
pub(super) fn memory(bytes: f64) -> String {
    let figure = |value: f64| format!("{}", (value * 10.0).round() / 10.0);
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    let unit = units.into_iter().find(|&(power, _)| bytes >= f64::from(1u32 << power));
    unit.map_or_else(
        || format!("{bytes:.0} B"),
        |(power, name)| format!("{} {name}", figure(bytes / f64::from(1u32 << power))),
    )
}

/// Text between tags.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// JSON that can stand inside a script: no character of it can begin a tag. They can only be in strings.
pub(super) fn script_safe(json: &str) -> String {
    json.replace('<', "\\u003c")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_written_for_people() {
        assert_eq!(thousands(1_234_567.4), "1,234,567");
        assert_eq!(thousands(999.0), "999");
        assert_eq!(
            [0.5, 12.0, 250.0, 1_500.0, 2_000_000.0].map(time),
            ["0.5 µs", "12 µs", "250 µs", "1.5 ms", "2 s"]
        );
        assert_eq!(
            [0.25, 400.0, 4_000.0, 36_000.0, 1_500_000.0].map(compact),
            ["0.25", "400", "4,000", "36 k", "1.5 M"]
        );
        assert_eq!(
            [12.0, 2_048.0, 7.5 * 1_048_576.0].map(memory),
            ["12 B", "2 KiB", "7.5 MiB"]
        );
        assert_eq!(escaped("<a & \"b\">"), "&lt;a &amp; &quot;b&quot;&gt;");
    }
}
