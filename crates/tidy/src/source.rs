//! Rust text without what is not code.

/// The text with comments and the content of literals replaced by spaces, line for line.
///
/// A path inside a comment or a string is not a use of it, and a `"// not a comment"` is not one
/// either. The line structure stays, so that positions found in the result hold in the original.
pub(crate) fn code_only(text: &str) -> String {
    let mut rest = text;
    let mut code = String::with_capacity(text.len());
    while let Some(first) = rest.chars().next() {
        let preceded_by_word = code.ends_with(is_word);
        let skipped = skipped_prefix(rest, preceded_by_word);
        if skipped == 0 {
            code.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            code.extend(rest[..skipped].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
            rest = &rest[skipped..];
        }
    }
    code
}

/// How many bytes at the start of `rest` are a comment or a literal; zero when it is code.
fn skipped_prefix(rest: &str, preceded_by_word: bool) -> usize {
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return block_comment_len(rest);
    }
    if rest.starts_with('"') {
        return string_len(rest);
    }
    if rest.starts_with('\'') {
        return char_len(rest);
    }
    if !preceded_by_word && rest.starts_with(['r', 'b', 'c']) {
        return prefixed_literal_len(rest);
    }
    0
}

/// A block comment, which may hold others.
fn block_comment_len(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        let tail = &rest.as_bytes()[at..];
        if tail.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if tail.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

/// A string literal that starts with its quote.
fn string_len(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// A character literal; zero for a lifetime, which starts with the same quote.
fn char_len(rest: &str) -> usize {
    let mut chars = rest.char_indices().skip(1);
    match chars.next() {
        Some((_, '\\')) => {
            rest[2..].char_indices().skip(1).find(|&(_, c)| c == '\'').map_or(0, |(at, _)| at + 3)
        }
        Some(_) => chars.next().filter(|&(_, c)| c == '\'').map_or(0, |(at, _)| at + 1),
        None => 0,
    }
}

/// A literal with a prefix: `r".."`, `r#".."#`, `b".."`, `br".."`, `c".."`, `b'.'`.
fn prefixed_literal_len(rest: &str) -> usize {
    let prefix = rest.len() - rest.trim_start_matches(['r', 'b', 'c']).len();
    if prefix > 2 {
        return 0;
    }
    let raw = rest[..prefix].contains('r');
    let body = &rest[prefix..];
    if raw {
        let hashes = body.len() - body.trim_start_matches('#').len();
        if !body[hashes..].starts_with('"') {
            return 0;
        }
        let end = format!("\"{}", "#".repeat(hashes));
        let inside = prefix + hashes + 1;
        return rest[inside..].find(&end).map_or(rest.len(), |at| inside + at + end.len());
    }
    if body.starts_with('"') {
        return prefix + string_len(body);
    }
    if body.starts_with('\'') {
        return prefix + char_len(body);
    }
    0
}

/// Whether a character can be part of an identifier.
pub(crate) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Whether `word` stands in `line` with no identifier character on either side.
pub(crate) fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        !line[..at].ends_with(is_word) && !line[at + word.len()..].starts_with(is_word)
    })
}

/// The lines of a file that belong to a `#[cfg(test)] mod name { .. }` block, as a mask by line.
///
/// Relies on rustfmt: the block's closing brace stands alone, as far in as its attribute.
pub(crate) fn test_module_lines(text: &str) -> Vec<bool> {
    let lines: Vec<&str> = text.lines().collect();
    let mut mask = vec![false; lines.len()];
    let mut at = 0;
    while at < lines.len() {
        let length = test_module_len(&lines[at..]);
        mask[at..at + length].fill(true);
        at += length.max(1);
    }
    mask
}

/// The number of lines of the test module that starts at the first line; zero when none does.
fn test_module_len(lines: &[&str]) -> usize {
    let first = lines[0];
    if !first.trim_start().starts_with("#[cfg(test)]")
        && !first.trim_start().starts_with("#[cfg(all(test")
    {
        return 0;
    }
    let after_attributes = |line: &&&str| line.trim_start().starts_with("#[");
    let attributes = lines.iter().take_while(after_attributes).count();
    let Some(opening) = lines.get(attributes) else { return 0 };
    if !has_word(opening, "mod") || !opening.ends_with('{') {
        return 0;
    }
    let indent = first.len() - first.trim_start().len();
    let closing = format!("{}}}", " ".repeat(indent));
    lines.iter().position(|line| *line == closing).map_or(lines.len(), |end| end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_become_spaces() {
        let text =
            "let a = \"crate::net\"; // crate::sim\n/* crate::x /* nested */ y */ let b = 'c';";
        let code = code_only(text);
        assert!(!code.contains("crate"));
        assert!(!code.contains("nested"));
        assert!(code.contains("let a"));
        assert!(code.contains("let b"));
        assert_eq!(code.lines().count(), text.lines().count());
    }

    #[test]
    fn quotes_inside_literals_do_not_end_them() {
        assert_eq!(code_only(r#"f("a\"b", x)"#).replace(' ', ""), "f(,x)");
        assert_eq!(code_only("f('\"', '\\'', x)").replace(' ', ""), "f(,,x)");
        assert_eq!(
            code_only("f(r#\"a\"b\"#, br\"c\", b'd', c\"e\", x)").replace(' ', ""),
            "f(,,,,x)"
        );
    }

    #[test]
    fn lifetimes_and_plain_words_stay() {
        let code = "impl<'a> Borrow<'a> for &'a crate::r { fn b(c: r#type) {} }";
        assert_eq!(code_only(code), code);
    }

    #[test]
    fn unfinished_literals_end_with_the_text() {
        assert_eq!(code_only("x \"abc").trim(), "x");
        assert_eq!(code_only("x /* abc").trim(), "x");
        assert_eq!(code_only("x r#\"abc").trim(), "x");
    }

    #[test]
    fn words_have_borders() {
        assert!(has_word("a base, b", "base"));
        assert!(!has_word("a database, b", "base"));
        assert!(!has_word("base_line", "base"));
    }

    #[test]
    fn test_modules_are_masked() {
        let text = "fn a() {}\n\n#[cfg(test)]\n#[path = \"x.rs\"]\nmod tests {\n    fn b() {}\n}\nfn c() {}\n";
        assert_eq!(test_module_lines(text), [false, false, true, true, true, true, true, false]);
        assert_eq!(test_module_lines("#[cfg(test)]\nmod tests;\n"), [false, false]);
        assert_eq!(test_module_lines("#[cfg(test)]"), [false]);
    }
}
