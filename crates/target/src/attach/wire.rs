//! The attach protocol on the wire, both versions.
//!
//! Version 1 (HotSpot `attachListener_posix.cpp`, JDK 6 and later): `1 NUL command NUL arg NUL arg NUL arg NUL`, always
//! three arguments. Version 2 (`attachListener.cpp`, JDK 24 and later): `2 NUL length NUL command NUL arg NUL ...`, where
//! length is that of what follows, in decimal. The answer to either is a code in decimal, a line feed, and text until
//! the end of the stream.

use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use super::error::AttachError;

/// Longest argument of version 1 (`AttachOperation::arg_length_max`).
const MAX_ARGUMENT: usize = 1024;
/// Arguments of a request in version 1 (`AttachOperation::arg_count_max`).
const ARGUMENTS: usize = 3;
/// Longest request of version 2; HotSpot allows 256 KiB (`RequestReader::MAX_REQUEST_LEN`).
const MAX_REQUEST: usize = 128 << 10;
/// Longest line that holds the code of an answer.
const MAX_CODE: usize = 16;
/// Bytes of a refusal's text that are kept.
const KEPT_TEXT: usize = 300;

/// Version of the protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Version {
    One,
    Two,
}

/// The bytes that ask for `command`.
pub(super) fn request(
    version: Version,
    command: &str,
    arguments: &[&[u8]],
) -> Result<Vec<u8>, AttachError> {
    let too_long = |bytes| Err(AttachError::TooLong { bytes });
    let mut words = Vec::from(command.as_bytes());
    words.push(0);
    for nth in 0..arguments.len().max(ARGUMENTS) {
        let argument = arguments.get(nth).copied().unwrap_or_default();
        // A NUL would begin another argument.
        if argument.contains(&0) || version == Version::One && argument.len() > MAX_ARGUMENT {
            return too_long(argument.len());
        }
        words.extend(argument);
        words.push(0);
    }
    if version == Version::One && arguments.len() > ARGUMENTS || words.len() > MAX_REQUEST {
        return too_long(words.len());
    }
    let mut bytes = match version {
        Version::One => b"1\0".to_vec(),
        Version::Two => format!("2\0{}\0", words.len()).into_bytes(),
    };
    bytes.extend(words);
    Ok(bytes)
}

/// Reads an answer whole, at most `limit` bytes of text, until `end`.
pub(super) fn answer(
    stream: &mut UnixStream,
    command: &'static str,
    limit: usize,
    end: Instant,
) -> io::Result<Result<Vec<u8>, AttachError>> {
    let mut bytes = Vec::new();
    let mut chunk = vec![0; 64 << 10];
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        // Not zero, which would mean for ever.
        stream.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
        match stream.read(&mut chunk) {
            Ok(0) => break,
            Ok(n) => bytes.extend(&chunk[..n]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                return Err(io::ErrorKind::TimedOut.into());
            }
            // A JVM that ends resets the connection.
            Err(e) => return Err(e),
        }
        if bytes.len() > limit.saturating_add(MAX_CODE) {
            return Ok(Err(bad(command, format!("longer than {limit} bytes"))));
        }
    }
    Ok(parse(bytes, command))
}

/// The text of an answer, if its code is 0.
fn parse(bytes: Vec<u8>, command: &'static str) -> Result<Vec<u8>, AttachError> {
    let line = bytes.iter().take(MAX_CODE).position(|b| *b == b'\n');
    let code = line.and_then(|at| std::str::from_utf8(&bytes[..at]).ok()?.trim().parse().ok());
    match (code, line) {
        (Some(0), Some(at)) => Ok(bytes[at + 1..].to_vec()),
        (Some(code), Some(at)) => {
            let text = bytes[at + 1..].trim_ascii();
            Err(AttachError::Refused {
                command,
                code,
                text: text[..text.len().min(KEPT_TEXT)].to_vec(),
            })
        }
        _ if bytes.is_empty() => Err(bad(command, "nothing was said".to_owned())),
        _ => Err(bad(command, "it does not begin with a code".to_owned())),
    }
}

fn bad(command: &'static str, why: String) -> AttachError {
    AttachError::BadAnswer { command, why }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn requests_are_as_the_listener_reads_them() {
        let one = request(Version::One, "dumpheap", &[b"/tmp/x", b"-all"]).unwrap();
        assert_eq!(one, b"1\0dumpheap\0/tmp/x\0-all\0\0");
        let two = request(Version::Two, "jcmd", &[b"VM.version"]).unwrap();
        assert_eq!(two, b"2\x0018\0jcmd\0VM.version\0\0\0");
        let long = vec![b'a'; MAX_ARGUMENT + 1];
        assert!(request(Version::One, "dumpheap", &[&long]).is_err());
        assert!(request(Version::Two, "dumpheap", &[&long]).is_ok());
        assert!(request(Version::Two, "dumpheap", &[&vec![b'a'; MAX_REQUEST]]).is_err());
        assert!(request(Version::Two, "dumpheap", &[b"a\0b"]).is_err());
        assert!(request(Version::One, "a", &[b"", b"", b"", b""]).is_err());
    }

    fn said(bytes: &[u8], limit: usize) -> io::Result<Result<Vec<u8>, AttachError>> {
        let (mut ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(bytes).unwrap();
        drop(theirs);
        answer(
            &mut ours,
            "test",
            limit,
            Instant::now() + Duration::from_secs(60),
        )
    }

    #[test]
    fn answers_are_bounded_and_need_a_code() {
        assert_eq!(said(b"0\nall", 10).unwrap().unwrap(), b"all");
        assert_eq!(said(b"0\n", 10).unwrap().unwrap(), b"");
        assert!(matches!(
            said(b"-1\nno such \x1bcommand", 100).unwrap(),
            Err(AttachError::Refused { code: -1, .. })
        ));
        for odd in [
            &b""[..],
            b"0",
            b"zero\n",
            b"\n",
            b"99999999999999999999\n",
            b"\xff\n",
        ] {
            assert!(matches!(
                said(odd, 100).unwrap(),
                Err(AttachError::BadAnswer { .. })
            ));
        }
        assert!(matches!(
            said(&[b'0'; 1000], 100).unwrap(),
            Err(AttachError::BadAnswer { .. })
        ));
    }

    #[test]
    fn one_who_says_nothing_is_left() {
        let (mut ours, _theirs) = UnixStream::pair().unwrap();
        let end = Instant::now() + Duration::from_millis(20);
        let failed = answer(&mut ours, "test", 10, end);
        assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
