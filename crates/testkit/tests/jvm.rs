//! The JVM fixtures run on every layout, and their truth is what the JVM itself counts.

use leakscope_testkit::{JVM_LAYOUTS, JvmDump};

#[test]
fn every_layout_runs_and_the_jvm_counts_what_the_fixture_made() {
    for layout in &JVM_LAYOUTS {
        let dump = JvmDump::take(layout, "Layouts", &["-count=20"]).unwrap();
        let classes = dump.truth()["classes"].as_object().unwrap();
        assert!(classes.len() > 10);
        for (name, count) in classes {
            // The JVM has references of its own.
            if name.starts_with("com.acme.") {
                let seen = dump.histogram().get(name).map_or(0, |sum| sum.count);
                let own = if name.ends_with("$Target") { 3 } else { 1 };
                let made = count.as_u64().unwrap();
                assert!(
                    seen >= made && seen <= made * own,
                    "{name} on {}: {seen} of {made}",
                    layout.name
                );
            }
        }
        assert_eq!(
            std::fs::read(dump.path()).unwrap()[..18],
            *b"JAVA PROFILE 1.0.2"
        );
    }
}
