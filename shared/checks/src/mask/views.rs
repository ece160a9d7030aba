//! A text as it reads once an encoding is taken off it: JSON's escapes, HTML's character references, percent-encoding. Each view knows
//! where in the text its parts stand. Knows nothing of secrets.

use std::ops::Range;

/// A text, or what is left of it when an encoding is taken off.
#[derive(Clone, Debug)]
pub(super) struct View {
    pub(super) text: String,
    /// Of each byte, and of the end, where it begins in the text that was first looked at; empty where it is that text itself.
    places: Vec<usize>,
}

/// Reads one character from what stands at the beginning of a text: the characters and how many bytes they are written in.
type Decoder = fn(&str) -> Option<(char, usize)>;

/// An encoding is looked for where one of its marks stands.
const DECODERS: [(&[char], Decoder); 3] = [(&['\\'], json), (&['&'], html), (&['%', '+'], percent)];

/// How many encodings are taken off at most, one after the other: JSON within JSON, a URL within HTML.
const DEPTH: usize = 2;

impl View {
    fn whole(text: &str) -> Self {
        Self { text: text.to_owned(), places: Vec::new() }
    }

    /// Where a part of the view stands in the text that was first looked at.
    pub(super) fn place(&self, part: Range<usize>) -> Range<usize> {
        self.at(part.start)..self.at(part.end)
    }

    fn at(&self, index: usize) -> usize {
        self.places.get(index).copied().unwrap_or(index)
    }

    /// The same with one encoding taken off, where it has any of it.
    fn without(&self, (marks, decode): (&[char], Decoder)) -> Option<Self> {
        let (mut text, mut places, mut at, mut changed) = (String::new(), Vec::new(), 0, false);
        while let Some(rest) = self.text.get(at..).filter(|rest| !rest.is_empty()) {
            let first = rest.chars().next()?;
            let decoded = if marks.contains(&first) { decode(rest) } else { None };
            changed |= decoded.is_some();
            let (c, length) = decoded.unwrap_or((first, first.len_utf8()));
            text.push(c);
            places.extend(std::iter::repeat_n(self.at(at), c.len_utf8()));
            at += length;
        }
        places.push(self.at(at));
        changed.then_some(Self { text, places })
    }
}

/// The text itself, and as it reads without its encodings, in any order.
pub(super) fn views(text: &str) -> Vec<View> {
    let mut views = vec![View::whole(text)];
    let mut from = 0;
    for _ in 0..DEPTH {
        let to = views.len();
        let next: Vec<View> = views
            .get(from..)
            .unwrap_or_default()
            .iter()
            .flat_map(|view| DECODERS.into_iter().filter_map(|decoder| view.without(decoder)))
            .collect();
        views.extend(next);
        from = to;
    }
    views
}

/// RFC 8259, 7.
fn json(text: &str) -> Option<(char, usize)> {
    let unit = |text: &str| {
        let digits = text.strip_prefix("\\u")?.get(..4)?;
        u16::from_str_radix(digits, 16).ok()
    };
    let c = match text.get(1..)?.chars().next()? {
        c @ ('"' | '\\' | '/') => c,
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'u' => {
            let first = unit(text)?;
            let units = [Some(first), text.get(6..).and_then(unit)];
            let c = char::decode_utf16(units.into_iter().flatten()).next()?.ok()?;
            return Some((c, 6 * c.len_utf16()));
        }
        _ => return None,
    };
    Some((c, 2))
}

/// The character references that HTML and XML need, and those by number.
fn html(text: &str) -> Option<(char, usize)> {
    let name = text.get(1..)?.split(';').next().filter(|name| (2..=8).contains(&name.len()))?;
    if !text.get(1 + name.len()..)?.starts_with(';') {
        return None;
    }
    let by_number = |digits: &str, radix| u32::from_str_radix(digits, radix).ok().and_then(char::from_u32);
    let c = match (name, name.strip_prefix('#')) {
        ("amp", _) => '&',
        ("lt", _) => '<',
        ("gt", _) => '>',
        ("quot", _) => '"',
        ("apos", _) => '\'',
        (_, Some(number)) => match number.strip_prefix(['x', 'X']) {
            Some(digits) => by_number(digits, 16)?,
            None => by_number(number, 10)?,
        },
        _ => return None,
    };
    Some((c, name.len() + 2))
}

/// RFC 3986, 2.1, in UTF-8; a plus is a blank, as in forms.
fn percent(text: &str) -> Option<(char, usize)> {
    if text.starts_with('+') {
        return Some((' ', 1));
    }
    let octet = |index: usize| {
        let digits = text.get(3 * index..3 * index + 3)?.strip_prefix('%')?;
        u8::from_str_radix(digits, 16).ok()
    };
    let octets: Vec<u8> = (0..4).map_while(octet).collect();
    let c = octets.utf8_chunks().next()?.valid().chars().next()?;
    Some((c, 3 * c.len_utf8()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let seen = views(text);
        let view = seen.iter().find(|view| view.text == expected);
        assert!(view.is_some(), "{seen:?}");
        assert_eq!(view.unwrap().place(0..expected.len()), 0..text.len());
    }

    #[test]
    fn a_text_reads_as_it_did_before_it_was_encoded() {
        check(r#"a\"b\\c\/d\n\u0026\u00E9\ud83d\ude00"#, "a\"b\\c/d\n&é😀");
        check("a&amp;b&lt;&gt;&quot;&#39;&#x27;&apos;&#233;", "a&b<>\"'''é");
        check("a%20b+c%C3%A9%f0%9F%98%80", "a b cé😀");
        check(r#"a\\\"b"#, "a\"b");
        check("&amp;lt;", "<");
        check("a%2526", "a&");
        check(r"\u0026amp;", "&");
    }

    #[test]
    fn what_is_no_encoding_stays() {
        for text in ["a", r"\u12", r"\x \ud83d", "& &; &x; &amp &#xzz; &#1114112;", "%zz %4 %ff %C3"] {
            assert_eq!(views(text).len(), 1, "{text}");
        }
        let mixed = views("é%41");
        assert_eq!((mixed[1].text.as_str(), mixed[1].place(2..3)), ("éA", 2..5));
    }
}
