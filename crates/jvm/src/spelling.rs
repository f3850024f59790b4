//! Names as people spell them in Java.

/// `java/util/Map$Entry` as `java.util.Map$Entry`, `[[I` as `int[][]`. The addresses in the names of hidden classes
/// (`Main$$Lambda/0x00007f...`, JEP 371) are left out: they differ in every run.
pub fn java_name(internal: &str) -> String {
    let depth = internal.bytes().take_while(|b| *b == b'[').count();
    let element = &internal[depth..];
    let element = match element {
        "B" if depth > 0 => "byte",
        "C" if depth > 0 => "char",
        "D" if depth > 0 => "double",
        "F" if depth > 0 => "float",
        "I" if depth > 0 => "int",
        "J" if depth > 0 => "long",
        "S" if depth > 0 => "short",
        "Z" if depth > 0 => "boolean",
        _ if depth > 0 => {
            let inner = element.strip_prefix('L').unwrap_or(element);
            inner.strip_suffix(';').unwrap_or(inner)
        }
        _ => element,
    };
    let visible = match element.find(['/', '+', '.']).and(element.rfind("0x")) {
        Some(at) if at > 0 && is_address(&element[at..]) => &element[..at - 1],
        _ => element,
    };
    let mut name = visible.replace('/', ".");
    for _ in 0..depth {
        name.push_str("[]");
    }
    name
}

fn is_address(text: &str) -> bool {
    let digits = &text[2..];
    digits.len() >= 8 && digits.bytes().all(|b| b.is_ascii_hexdigit())
}

/// The name of an array of a basic type, as HPROF numbers it.
pub(crate) fn primitive_array(type_: u8) -> &'static str {
    match type_ {
        4 => "boolean[]",
        5 => "char[]",
        6 => "float[]",
        7 => "double[]",
        8 => "byte[]",
        9 => "short[]",
        10 => "int[]",
        11 => "long[]",
        _ => "unknown[]",
    }
}

/// The package of a class by its name; empty where it has none.
pub fn package_of(name: &str) -> &str {
    name.rfind('.').map_or("", |dot| &name[..dot])
}

/// The name of a class without its package, arrays of it too.
pub(crate) fn simple(name: &str) -> &str {
    name.rfind('.').map_or(name, |dot| &name[dot + 1..])
}

/// A name with every run of digits as one `*`: the same for all threads of a pool.
pub(crate) fn without_numbers(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        if !c.is_ascii_digit() {
            out.push(c);
        } else if !out.ends_with('*') {
            out.push('*');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_spelled_as_in_java() {
        for (internal, name) in [
            ("java/util/Map$Entry", "java.util.Map$Entry"),
            ("[[I", "int[][]"),
            ("[Ljava/lang/String;", "java.lang.String[]"),
            ("B", "B"),
            ("", ""),
            ("[", "[]"),
            ("a/Main$$Lambda/0x00007f00a4000a00", "a.Main$$Lambda"),
            ("Main$$Lambda$14/0x0000000800c03000", "Main$$Lambda$14"),
            ("Main$$Lambda$14+0x0000000800c03000", "Main$$Lambda$14"),
            ("a/x0x12", "a.x0x12"),
        ] {
            assert_eq!(java_name(internal), name);
        }
        assert_eq!(package_of("java.util.Map$Entry"), "java.util");
        assert_eq!(without_numbers("pool-12-thread-3"), "pool-*-thread-*");
    }
}
