//! The targets of what people write to name an endpoint.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use net_reactor::{Target, TargetError, UnixAddress};

/// The longest name of a Unix socket (unix(7)).
const NAME_BYTES_MAX: usize = 107;

/// Any text: a target that is shown as it is read, or an error whose caret is under the text.
pub(crate) fn target(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let parsed: Result<Target, TargetError> = text.parse();
    match &parsed {
        Ok(target) => {
            let shown = target.to_string();
            assert_eq!(shown.parse().as_ref(), Ok(target), "{shown:?}");
            assert!(!shown.contains(char::is_control), "{shown:?}");
            if let Target::Unix { address, .. } = target {
                assert_eq!(name_of(address), unescaped(&text));
            }
        }
        Err(error) => check_error(&text, error),
    }
    // `tcp:` says nothing new of a text with a port.
    let has_scheme = text.starts_with("tcp:") || text.starts_with("unix:");
    if !has_scheme && text.contains(':') {
        let with_scheme: Result<Target, TargetError> = format!("tcp:{text}").parse();
        let shifted = |error: &TargetError| error.position() + "tcp:".len();
        assert_eq!(with_scheme.as_ref().ok(), parsed.as_ref().ok());
        assert_eq!(
            with_scheme.as_ref().err().map(TargetError::position),
            parsed.as_ref().err().map(shifted)
        );
    }
}

fn check_error(text: &str, error: &TargetError) {
    let at = error.position();
    assert!(text.is_char_boundary(at), "{at} of {text:?}");
    assert!(!error.to_string().contains(char::is_control), "{error}");
    let shown = format!("{error:#}");
    let lines: Vec<&str> = shown.split('\n').collect();
    let [_problem, shown_text, caret] = lines[..] else { panic!("{shown}") };
    assert_eq!(shown_text.chars().count(), 2 + text.chars().count(), "{shown}");
    assert_eq!(caret.chars().count(), 2 + text[..at].chars().count() + 1, "{shown}");
    assert!(caret.trim_start_matches(' ') == "^", "{shown}");
}

/// Returns a name as it stands between `unix:` and the options, `@` for one that is abstract.
fn name_of(address: &UnixAddress) -> Vec<u8> {
    match (address.as_path(), address.as_abstract_name()) {
        (Some(path), None) => path.as_os_str().as_encoded_bytes().to_vec(),
        (None, Some(name)) => [b"@", name].concat(),
        _ => Vec::new(),
    }
}

/// Takes `%` and digits out of the name in a text that is a target.
fn unescaped(text: &str) -> Vec<u8> {
    let name = text["unix:".len()..].split('?').next().unwrap_or_default();
    let mut parts = name.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(&part[..2], 16).expect("two digits, or it were refused"));
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    bytes
}

/// Any bytes as a name, abstract if the first one is odd: refused by the kernel's rules alone, and
/// shown as text that is read as the same.
pub(crate) fn unix_address(data: &[u8]) {
    let Some((kind, name)) = data.split_first() else { return };
    let is_path = kind % 2 == 0;
    let made = if is_path {
        UnixAddress::path(OsString::from_vec(name.to_vec()))
    } else {
        UnixAddress::abstract_name(name)
    };
    let is_name = (1..=NAME_BYTES_MAX).contains(&name.len()) && !(is_path && name.contains(&0));
    assert_eq!(made.is_ok(), is_name, "{made:?}");
    let Ok(address) = made else { return };
    let found = if is_path {
        address.as_path().map(|path| path.as_os_str().as_encoded_bytes())
    } else {
        address.as_abstract_name()
    };
    assert_eq!(found, Some(name));
    let shown = address.to_string();
    assert!(shown.bytes().all(|byte| byte.is_ascii_graphic()), "{shown:?}");
    assert_eq!(shown.parse(), Ok(Target::from(address)), "{shown}");
}
