//! What a client would rather read: RFC 9110, section 12.5.1, as far as media types go.

use http::{HeaderMap, header};

/// How well a range names a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    Any,
    Kind,
    Exactly,
}

/// Of some offers the one that the client would rather have; the first one of those that it likes alike, or if it likes
/// none or does not say. Parameters beside the weight are passed over.
pub(super) fn preferred<T: Copy>(fields: &HeaderMap, offers: &[(&str, T)]) -> T {
    let ranges = || {
        let values = fields.get_all(header::ACCEPT).iter();
        let texts = values.filter_map(|value| value.to_str().ok());
        texts.flat_map(|text| text.split(','))
    };
    let (mut chosen, mut most) = (offers[0].1, 0);
    for (media_type, offer) in offers {
        let fits = ranges().filter_map(|range| weigh(range, media_type));
        let (_, weight) = fits.max().unwrap_or((Fit::Any, 0));
        if weight > most {
            (chosen, most) = (*offer, weight);
        }
    }
    chosen
}

/// How well a range names a type, and its weight in thousandths; `None` if it does not.
fn weigh(range: &str, media_type: &str) -> Option<(Fit, u16)> {
    let mut parts = range.split(';').map(str::trim);
    let named = parts.next()?;
    let (kind, _) = media_type.split_once('/')?;
    let fit = if named.eq_ignore_ascii_case(media_type) {
        Fit::Exactly
    } else if named == "*/*" {
        Fit::Any
    } else if named
        .strip_suffix("/*")
        .is_some_and(|named| named.eq_ignore_ascii_case(kind))
    {
        Fit::Kind
    } else {
        return None;
    };
    let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    let weight = match weight {
        None => 1.0,
        Some(weight) => weight
            .parse::<f32>()
            .ok()
            .filter(|weight| (0.0..=1.0).contains(weight))?,
    };
    Some((fit, (weight * 1_000.0) as u16))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const OFFERS: [(&str, char); 3] = [
        ("application/json", 'j'),
        ("application/openmetrics-text", 'o'),
        ("text/plain", 't'),
    ];

    fn chosen(accepted: &str) -> char {
        let mut fields = HeaderMap::new();
        fields.append(header::ACCEPT, HeaderValue::from_str(accepted).expect("a value"));
        preferred(&fields, &OFFERS)
    }

    #[test]
    fn scrapers_get_what_they_ask_for_and_everybody_else_the_first() {
        let of_version_2 = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                            text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        let of_version_3 = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        let of_a_browser = "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8";
        for (accepted, expected) in [
            (of_version_2, 'o'),
            (of_version_3, 'o'),
            (of_a_browser, 'j'),
            ("*/*", 'j'),
            ("text/plain", 't'),
            ("Text/Plain; version=0.0.4 ;q=0.4, */*;q=0.3", 't'),
            ("text/*", 't'),
            ("text/*;q=0.5, application/json;q=0.4", 't'),
            ("application/json;q=0, */*;q=0.1", 'o'),
            ("text/plain;q=none, */*;q=0.1", 'j'),
            ("text/plain;q=0", 'j'),
            ("image/png", 'j'),
            ("", 'j'),
        ] {
            assert_eq!(chosen(accepted), expected, "{accepted}");
        }
        assert_eq!(preferred(&HeaderMap::new(), &OFFERS), 'j');
    }
}
