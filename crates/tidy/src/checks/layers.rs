//! A layer of the library uses only itself and the layers below it.

use crate::Finding;
use crate::source::{code_only, is_word};

/// Where the library's sources are.
pub const SOURCE_ROOT: &str = "crates/net-reactor/src/";

/// The layers, from the bottom up.
pub const LAYERS: [&str; 11] = [
    "base",
    "sys",
    "driver",
    "event_loop",
    "net",
    "codec",
    "layer",
    "protocol",
    "endpoint",
    "service",
    "sim",
];

/// Files outside the order: the crate root declares the layers, the prelude gathers from all.
const OUTSIDE: [&str; 2] = ["lib.rs", "prelude.rs"];

/// Checks every path of one library source file that starts at the crate root.
///
/// Code only: a document comment may link upwards. Unit tests obey the order too, because a layer
/// that needs an upper one to be tested is not a layer.
pub fn check(path: &str, text: &str) -> Vec<Finding> {
    let Some(inside) = path.strip_prefix(SOURCE_ROOT) else { return Vec::new() };
    if OUTSIDE.contains(&inside) {
        return Vec::new();
    }
    let module = module_path(inside);
    let own = module[0].as_str();
    let Some(rank) = rank(own) else {
        let layers = LAYERS.join(", ");
        return vec![Finding::in_file(path, format!("`{own}` is not a layer; they are {layers}"))];
    };
    let used = root_paths(&code_only(text), &module);
    used.iter().filter_map(|(line, name)| judge(path, *line, own, rank, name)).collect()
}

fn rank(layer: &str) -> Option<usize> {
    LAYERS.iter().position(|name| *name == layer)
}

fn judge(path: &str, line: usize, own: &str, own_rank: usize, used: &str) -> Option<Finding> {
    let message = match rank(used) {
        Some(rank) if rank <= own_rank => return None,
        Some(_) => format!("layer `{own}` reaches up to `{used}`"),
        None => format!("`crate::{used}` hides its layer; name the module it is defined in"),
    };
    Some(Finding::at_line(path, line, message))
}

/// `net/tcp.rs` is `net::tcp`, and `net/mod.rs` is `net`.
fn module_path(inside: &str) -> Vec<String> {
    let stem = inside.strip_suffix(".rs").unwrap_or(inside);
    let mut module: Vec<String> = stem.split('/').map(str::to_owned).collect();
    if module.len() > 1 && module.last().is_some_and(|last| last == "mod") {
        module.pop();
    }
    module
}

/// Each name that follows the crate root, with the line it stands on.
fn root_paths(code: &str, file_module: &[String]) -> Vec<(usize, String)> {
    let tokens = tokens(code);
    let mut found = Vec::new();
    let mut brace_depth = 0_usize;
    let mut inline_modules = Vec::new();
    for at in 0..tokens.len() {
        match tokens[at].text {
            "{" => {
                let opens_module = at >= 2 && tokens[at - 2].text == "mod";
                brace_depth += 1;
                if opens_module {
                    inline_modules.push(brace_depth);
                }
            }
            "}" => {
                if inline_modules.last() == Some(&brace_depth) {
                    inline_modules.pop();
                }
                brace_depth = brace_depth.saturating_sub(1);
            }
            "crate" if !follows_path(&tokens, at) => collect_names(&tokens, at + 1, &mut found),
            "super" if !follows_path(&tokens, at) => {
                let depth = file_module.len() + inline_modules.len();
                let climbed = supers(&tokens, at);
                if climbed == depth {
                    collect_names(&tokens, at + 2 * climbed - 1, &mut found);
                }
            }
            _ => {}
        }
    }
    found
}

/// Whether the token continues a path, as the second `super` of `super::super` does.
fn follows_path(tokens: &[Token<'_>], at: usize) -> bool {
    at >= 1 && tokens[at - 1].text == "::"
}

/// The length of a chain of `super`.
fn supers(tokens: &[Token<'_>], at: usize) -> usize {
    tokens[at..].iter().step_by(2).take_while(|token| token.text == "super").count()
}

/// The names after the `::` at `at`: one, or the first of each branch of a `{..}` group.
fn collect_names(tokens: &[Token<'_>], at: usize, found: &mut Vec<(usize, String)>) {
    if tokens.get(at).is_none_or(|token| token.text != "::") {
        return;
    }
    let mut depth = 0_usize;
    let mut expects_name = true;
    for token in &tokens[at + 1..] {
        match token.text {
            "{" => depth += 1,
            "}" => depth = depth.saturating_sub(1),
            "," if depth == 1 => expects_name = true,
            name if expects_name => {
                found.push((token.line, name.to_owned()));
                expects_name = false;
            }
            _ => {}
        }
        if depth == 0 {
            return;
        }
    }
}

#[derive(Clone, Copy)]
struct Token<'a> {
    text: &'a str,
    line: usize,
}

/// Words, `::`, and every other character by itself; white space is dropped.
fn tokens(code: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    for (index, line) in code.lines().enumerate() {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let length = match first {
                c if is_word(c) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
                ':' if rest.starts_with("::") => 2,
                c => c.len_utf8(),
            };
            tokens.push(Token { text: &rest[..length], line: index + 1 });
            rest = rest[length..].trim_start();
        }
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(inside: &str, text: &str) -> Vec<usize> {
        let findings = check(&format!("{SOURCE_ROOT}{inside}"), text);
        findings.iter().filter_map(Finding::line).collect()
    }

    #[test]
    fn downward_and_sideways_paths_pass() {
        let text =
            "use crate::base::Key;\nuse crate::net::tcp;\nfn f() -> crate::sys::Fd { g() }\n";
        assert_eq!(lines("net/tcp.rs", text), []);
    }

    #[test]
    fn an_upward_path_is_found_wherever_it_stands() {
        assert_eq!(lines("net/tcp.rs", "use crate::endpoint::Server;"), [1]);
        assert_eq!(lines("net/tcp.rs", "\nfn f(s: &crate::service::Hub) {}"), [2]);
        assert_eq!(lines("base/mod.rs", "pub(in crate::sys) struct A;"), [1]);
    }

    #[test]
    fn groups_are_opened() {
        let text = "use crate::{\n    base::{Key, sim},\n    endpoint::Server,\n};\n";
        assert_eq!(lines("net/tcp.rs", text), [3]);
        assert_eq!(lines("net/tcp.rs", "use crate::{base::A, sys::{B, C}, protocol};"), [1]);
    }

    #[test]
    fn climbing_to_the_root_is_a_root_path() {
        assert_eq!(lines("net/tcp.rs", "use super::super::endpoint::Server;"), [1]);
        assert_eq!(lines("net/mod.rs", "use super::endpoint::Server;"), [1]);
        assert_eq!(lines("net/tcp.rs", "use super::state::endpoint;"), []);
    }

    #[test]
    fn inline_modules_count_when_climbing() {
        let text =
            "fn a() {}\nmod tests {\n    use super::*;\n    use super::super::super::sim::B;\n}\n";
        assert_eq!(lines("net/tcp.rs", text), [4]);
        assert_eq!(lines("net/mod.rs", "mod tests {\n    use super::endpoint;\n}\n"), []);
        assert_eq!(lines("net/mod.rs", "mod a {\n}\nuse super::endpoint::B;"), [3]);
    }

    #[test]
    fn comments_and_strings_are_not_paths() {
        let text = "/// See [`crate::endpoint::Server`].\nconst A: &str = \"crate::sim\";\n";
        assert_eq!(lines("base/mod.rs", text), []);
    }

    #[test]
    fn a_root_re_export_hides_its_layer() {
        let findings = check(&format!("{SOURCE_ROOT}base/mod.rs"), "use crate::Error;");
        assert!(findings[0].message().contains("hides its layer"));
    }

    #[test]
    fn the_top_layer_and_the_exempt_files_may_use_all() {
        assert_eq!(lines("sim/mod.rs", "use crate::endpoint::Server;\nuse crate::base::Key;"), []);
        assert_eq!(lines("lib.rs", "pub use crate::endpoint::Server;"), []);
        assert_eq!(lines("prelude.rs", "pub use crate::Error;"), []);
    }

    #[test]
    fn an_unknown_folder_is_reported() {
        let findings = check(&format!("{SOURCE_ROOT}helpers/mod.rs"), "");
        assert!(findings[0].message().contains("not a layer"));
    }

    #[test]
    fn other_crates_are_not_its_business() {
        assert!(check("crates/tidy/src/lib.rs", "use crate::endpoint::Server;").is_empty());
    }
}
