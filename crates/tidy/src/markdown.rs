//! Markdown text without its code.

/// The lines of a document outside fenced blocks, with their number counted from one.
pub(crate) fn unfenced_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fence: Option<&str> = None;
    text.lines().enumerate().filter_map(move |(index, line)| {
        let trimmed = line.trim_start();
        let marker = ["```", "~~~"].into_iter().find(|marker| trimmed.starts_with(marker));
        match (fence, marker) {
            (None, None) => return Some((index + 1, line)),
            (None, Some(opening)) => fence = Some(opening),
            (Some(open), Some(closing)) if open == closing => fence = None,
            (Some(_), _) => {}
        }
        None
    })
}

/// The line with its `code` spans removed.
pub(crate) fn without_inline_code(line: &str) -> String {
    let parts: Vec<&str> = line.split('`').collect();
    // With an odd number of backticks the last one opens nothing: what follows it is prose.
    let closed = if parts.len() % 2 == 1 { parts.len() } else { parts.len() - 1 };
    let is_code = |index: usize| index % 2 == 1 && index < closed;
    let prose = parts.into_iter().enumerate().filter(|(index, _)| !is_code(*index));
    prose.map(|(_, part)| part).collect()
}

/// The contents of the line's `code` spans.
pub(crate) fn inline_code(line: &str) -> impl Iterator<Item = &str> {
    let spans = line.matches('`').count() / 2;
    line.split('`').skip(1).step_by(2).take(spans)
}

/// The heading on this line with its level, or `None`.
pub(crate) fn heading(line: &str) -> Option<(usize, &str)> {
    let level = line.len() - line.trim_start_matches('#').len();
    let title = line[level..].strip_prefix(' ')?;
    (1..=6).contains(&level).then(|| (level, title.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unfenced(text: &str) -> Vec<(usize, &str)> {
        unfenced_lines(text).collect()
    }

    #[test]
    fn fences_are_left_out() {
        assert_eq!(unfenced("a\n```sh\n# b\n```\nc"), [(1, "a"), (5, "c")]);
        assert_eq!(unfenced("~~~\n```\n~~~\nc"), [(4, "c")]);
    }

    #[test]
    fn inline_code_goes_and_a_lone_backtick_is_not_code() {
        assert_eq!(without_inline_code("see `[a](b)` here"), "see  here");
        assert_eq!(without_inline_code("a lone ` and [a](b)"), "a lone  and [a](b)");
        assert!(inline_code("`a`, `b c` and a lone ` there").eq(["a", "b c"]));
    }

    #[test]
    fn headings_have_a_level() {
        assert_eq!(heading("# Title"), Some((1, "Title")));
        assert_eq!(heading("### Deep "), Some((3, "Deep")));
        assert_eq!(heading("#hash"), None);
        assert_eq!(heading("plain"), None);
    }
}
