//! Lines, words, numbers.

use std::time::Duration;

/// What is wrong with a script, or with what it saw.
pub(super) type Complaint = String;

/// The words of one line, taken from the front.
///
/// Words are separated by blanks; a word in double quotes keeps its blanks and its quotes.
#[derive(Debug, Clone)]
pub(super) struct Words {
    line: String,
    words: Vec<String>,
    taken: usize,
}

impl Words {
    pub(super) fn of(line: &str) -> Self {
        let mut words = Vec::new();
        let mut word = String::new();
        let mut quoted = false;
        for letter in line.chars() {
            quoted ^= letter == '"';
            if letter == ' ' && !quoted {
                words.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
            } else {
                word.push(letter);
            }
        }
        words.extend((!word.is_empty()).then_some(word));
        Self { line: line.to_owned(), words, taken: 0 }
    }

    pub(super) fn complaint(&self, what: &str) -> Complaint {
        format!("{what} in `{}`", self.line)
    }

    pub(super) fn peek(&self) -> Option<&str> {
        self.words.get(self.taken).map(String::as_str)
    }

    pub(super) fn maybe(&mut self) -> Option<String> {
        let word = self.words.get(self.taken).cloned();
        self.taken += usize::from(word.is_some());
        word
    }

    pub(super) fn word(&mut self) -> Result<String, Complaint> {
        self.maybe().ok_or_else(|| self.complaint("a word is missing"))
    }

    /// Takes the word if it is the next one.
    pub(super) fn skip(&mut self, word: &str) -> bool {
        let found = self.peek() == Some(word);
        self.taken += usize::from(found);
        found
    }

    pub(super) fn number(&mut self) -> Result<usize, Complaint> {
        let word = self.word()?;
        number(&word).ok_or_else(|| self.complaint("a number is missing"))
    }

    /// A time such as `20ms` or `3s`.
    pub(super) fn time(&mut self) -> Result<Duration, Complaint> {
        let word = self.word()?;
        time(&word).ok_or_else(|| self.complaint("a time is missing"))
    }

    /// A text in quotes.
    pub(super) fn text(&mut self) -> Result<String, Complaint> {
        let word = self.word()?;
        unquoted(&word).ok_or_else(|| self.complaint("a text in quotes is missing"))
    }

    /// Everything that is left.
    pub(super) fn rest(&mut self) -> Vec<String> {
        let rest = self.words[self.taken..].to_vec();
        self.taken = self.words.len();
        rest
    }

    pub(super) fn end(&self) -> Result<(), Complaint> {
        match self.peek() {
            Some(word) => Err(self.complaint(&format!("one word too many, `{word}`,"))),
            None => Ok(()),
        }
    }
}

/// `12`, `64k` or `1m`: bytes and counts.
pub(super) fn number(word: &str) -> Option<usize> {
    let (digits, unit) = match word.strip_suffix('k') {
        Some(digits) => (digits, 1024),
        None => word.strip_suffix('m').map_or((word, 1), |digits| (digits, 1024 * 1024)),
    };
    Some(digits.parse::<usize>().ok()? * unit)
}

pub(super) fn time(word: &str) -> Option<Duration> {
    match word.strip_suffix("ms") {
        Some(digits) => digits.parse().ok().map(Duration::from_millis),
        None => word.strip_suffix('s')?.parse().ok().map(Duration::from_secs),
    }
}

pub(super) fn unquoted(word: &str) -> Option<String> {
    word.strip_prefix('"')?.strip_suffix('"').map(str::to_owned)
}

/// Splits at a mark outside quotes.
pub(super) fn split(line: &str, mark: char) -> Vec<&str> {
    let mut quoted = false;
    line.split(move |letter| {
        quoted ^= letter == '"';
        letter == mark && !quoted
    })
    .map(str::trim)
    .collect()
}

#[test]
fn quotes_keep_words_together() {
    let mut words = Words::of("  write \"a b\"  64k 5ms");
    assert_eq!(words.word().unwrap(), "write");
    assert_eq!(words.text().unwrap(), "a b");
    assert_eq!(words.number().unwrap(), 65_536);
    assert_eq!(words.time().unwrap(), Duration::from_millis(5));
    assert!(words.end().is_ok() && words.word().is_err());
    assert_eq!(split("note \"a;b\"; close", ';'), ["note \"a;b\"", "close"]);
}
