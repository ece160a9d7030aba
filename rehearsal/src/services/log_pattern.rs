//! CloudWatch Logs' filter patterns, as far as they are made of terms (CloudWatch Logs user guide, "Filter pattern syntax"): `ERROR timeout` for
//! lines with both, `?ERROR ?FATAL` for lines with one of them, `-health` for lines without it, quotes around what is more than letters and
//! digits. Knows nothing of metrics, nor of where the lines come from.

#[cfg(test)]
mod tests;

/// A pattern of terms. A term is found anywhere in a line, in other words too; upper and lower case differ.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogPattern {
    /// All of them have to be there.
    all: Vec<String>,
    /// One of them has to be there, if there are any.
    any: Vec<String>,
    /// None of them may be there.
    none: Vec<String>,
}

impl LogPattern {
    /// Reads a pattern; the empty one fits every line.
    ///
    /// # Errors
    /// With what it is, for patterns of other kinds and for what AWS would refuse.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let kind = match text.chars().next() {
            Some('{') => Some("a pattern on the fields of JSON lines"),
            Some('[') => Some("a pattern on columns"),
            Some('%') => Some("a regular expression"),
            _ => None,
        };
        if let Some(kind) = kind {
            return Err(format!("{kind} (`{text}`)"));
        }
        let mut pattern = Self::default();
        let mut rest = text;
        while !rest.is_empty() {
            let sign = rest.chars().next().filter(|sign| matches!(sign, '?' | '-'));
            rest = rest.strip_prefix(['?', '-']).unwrap_or(rest);
            let (term, after) = term(rest).map_err(|problem| format!("the pattern `{text}`, in which {problem},"))?;
            match sign {
                Some('?') => pattern.any.push(term),
                Some(_) => pattern.none.push(term),
                None => pattern.all.push(term),
            }
            rest = after.trim_start();
        }
        // What AWS makes of a mixture is not what it looks like: beside other terms it passes the optional ones over.
        let has_others = !pattern.all.is_empty() || !pattern.none.is_empty();
        if has_others && !pattern.any.is_empty() {
            return Err(format!("the pattern `{text}`, which has terms with `?` beside others,"));
        }
        Ok(pattern)
    }

    /// Whether a line fits.
    pub fn fits(&self, line: &str) -> bool {
        let has = |term: &String| line.contains(term.as_str());
        self.all.iter().all(has) && !self.none.iter().any(has) && (self.any.is_empty() || self.any.iter().any(has))
    }
}

/// The first term of a text, and what follows it.
fn term(text: &str) -> Result<(String, &str), &'static str> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(char::is_whitespace).unwrap_or(text.len());
        let (word, after) = text.split_at(end);
        if word.is_empty() || word.chars().any(|letter| !letter.is_ascii_alphanumeric() && letter != '_') {
            return Err("a term that is more than letters and digits has no quotes");
        }
        return Ok((word.to_owned(), after));
    };
    let mut term = String::new();
    let mut letters = quoted.char_indices();
    while let Some((place, letter)) = letters.next() {
        match letter {
            '"' => return Ok((term, quoted.get(place + 1..).unwrap_or_default())),
            '\\' => term.extend(letters.next().map(|(_, escaped)| escaped)),
            letter => term.push(letter),
        }
    }
    Err("a quote does not end")
}
