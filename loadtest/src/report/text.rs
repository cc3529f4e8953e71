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
        assert_eq!(escaped("<a & \"b\">"), "&lt;a &amp; &quot;b&quot;&gt;");
    }
}
