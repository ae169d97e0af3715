//! How targets are written.

use proptest::prelude::*;

use super::*;

#[test]
fn addresses_and_names_are_told_apart() {
    assert!(matches!("127.0.0.1:80".parse(), Ok(Target::Address(_))));
    assert!(matches!("[::1]:80".parse(), Ok(Target::Address(_))));
    assert_eq!("localhost:80".parse(), Ok(Target::Host("localhost".into(), 80)));
}

#[test]
fn what_is_no_target_is_said_in_one_line() {
    for (text, says) in [
        ("localhost", "no port"),
        ("localhost:http", "between 0 and 65535"),
        ("localhost:70000", "between 0 and 65535"),
        (":80", "no valid host"),
        ("::1:80", "no valid host"),
        ("a b:80", "no valid host"),
    ] {
        let error = text.parse::<Target>().expect_err(text).to_string();
        assert!(error.contains(says), "{text}: {error}");
        assert!(!error.contains('\n'));
    }
    let long = format!("{}:80", "a".repeat(254));
    assert!(long.parse::<Target>().is_err());
}

#[test]
fn a_scheme_may_stand_before_a_target() {
    assert_eq!("tcp:localhost:80".parse(), Ok(Target::Host("localhost".into(), 80)));
    assert_eq!("tcp:[::1]:80".parse::<Target>(), "[::1]:80".parse());
    assert_eq!("tcp:80".parse(), Ok(Target::Host("tcp".into(), 80)));
    let path = UnixAddress::path("/run/a?b.sock").unwrap();
    let mode = Some(0o660);
    assert_eq!("unix:/run/a%3fb.sock?mode=660".parse(), Ok(Target::Unix { address: path, mode }));
    let name = UnixAddress::abstract_name("hub").unwrap();
    assert_eq!("unix:@hub".parse(), Ok(Target::Unix { address: name, mode: None }));
    let path = UnixAddress::path("@hub").unwrap();
    assert_eq!("unix:%40hub".parse(), Ok(Target::Unix { address: path, mode: None }));
}

#[test]
fn the_caret_stands_under_what_is_wrong() {
    for (text, at) in [
        ("localhost", 9),
        ("localhost:http", 10),
        ("tcp:localhost:70000", 14),
        ("localhost:+80", 10),
        ("example.org/index:80", 11),
        ("local\u{a0}host:80", 5),
        (":80", 0),
        ("::1:80", 0),
        ("ä b:80", 2),
        ("unix:", 5),
        ("unix:/run/100%", 13),
        ("unix:/run/%zz/x", 10),
        ("unix:@%f", 6),
        ("unix:/x?mode=", 13),
        ("unix:/x?mode=888", 13),
        ("unix:/x?mode=+66", 13),
        ("unix:/x?owner=root", 8),
    ] {
        let error = text.parse::<Target>().expect_err(text);
        assert_eq!(error.position(), at, "{text}: {error}");
        let shown = format!("{error:#}");
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines.len(), 3, "{shown}");
        let column = text[..at].chars().count();
        assert_eq!((lines[1], lines[2]), (&*format!("  {text}"), &*format!("  {:column$}^", "")));
    }
}

fn targets() -> impl Strategy<Value = Target> {
    let byte_names = || prop::collection::vec(any::<u8>(), 1..=107);
    let mode = || prop::option::of(0..=0o777u32);
    let path = (byte_names(), mode()).prop_filter_map("a path", |(bytes, mode)| {
        let address = UnixAddress::path_of_bytes(bytes).ok()?;
        Some(Target::Unix { address, mode })
    });
    let abstracts = (byte_names(), mode()).prop_map(|(bytes, mode)| Target::Unix {
        address: UnixAddress::abstract_name(bytes).unwrap(),
        mode,
    });
    let host = "[a-z][a-z0-9.-]{0,20}|unix|tcp";
    prop_oneof![
        any::<SocketAddr>().prop_map(|address| match address {
            // Flow labels are not written.
            SocketAddr::V6(v6) => SocketAddr::new((*v6.ip()).into(), v6.port()).into(),
            v4 @ SocketAddr::V4(_) => v4.into(),
        }),
        (host, any::<u16>()).prop_map(|(host, port)| Target::Host(host, port)),
        path,
        abstracts,
    ]
}

proptest! {
    #[test]
    fn what_is_shown_is_read_as_the_same(target in targets()) {
        prop_assert_eq!(target.to_string().parse::<Target>(), Ok(target));
    }

    #[test]
    fn junk_is_an_error_that_can_be_shown(
        prefix in "|tcp:|unix:|unix:@|unix:/x\\?mode=",
        junk in any::<String>(),
    ) {
        let text = format!("{prefix}{junk}");
        match text.parse::<Target>() {
            Ok(target) => prop_assert_eq!(target.to_string().parse(), Ok(target)),
            Err(error) => {
                prop_assert!(text.is_char_boundary(error.position()), "{}", error.position());
                prop_assert_eq!(format!("{error:#}").lines().count(), 3);
            }
        }
    }
}
