//! The committed schemas are the documents' schemas, and real documents obey them. `LEAKSCOPE_BLESS=1` writes them anew.

mod samples;

use serde_json::Value;

fn folder() -> String {
    format!("{}/../../docs/schema", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_committed_schemas_are_those_of_the_code() {
    let documents = leakscope_report::schemas();
    for (name, schema) in documents
        .into_iter()
        .chain(leakscope_report::line_schemas())
    {
        let got = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        let path = format!("{}/{name}.json", folder());
        if std::env::var_os("LEAKSCOPE_BLESS").is_some() {
            std::fs::create_dir_all(folder()).unwrap();
            std::fs::write(&path, &got).unwrap();
        }
        let want = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(got, want, "docs/schema/{name}.json is out of date");
    }
}

#[test]
fn every_document_obeys_its_schema() {
    let documents = [
        leakscope_report::to_json(&samples::analyze()),
        leakscope_report::to_json(&samples::diff()),
        leakscope_report::to_json(&samples::doctor()),
        leakscope_report::to_json(&samples::explain()),
        leakscope_report::to_json(&samples::goroutines()),
        leakscope_report::to_json(&samples::histo()),
        leakscope_report::to_json(&samples::ledger()),
        leakscope_report::to_json(&samples::maps_doc()),
        leakscope_report::to_json(&samples::ps()),
        leakscope_report::to_json(&samples::rule()),
        leakscope_report::to_json(&samples::simulate()),
        leakscope_report::to_json(&samples::sites()),
        leakscope_report::to_json(&samples::snap()),
        leakscope_report::to_json(&samples::threads()),
        leakscope_report::to_json(&samples::top(3)),
        leakscope_report::to_json(&samples::why()),
    ];
    for ((name, schema), json) in leakscope_report::schemas().into_iter().zip(documents) {
        let document: Value = serde_json::from_slice(&json.unwrap()).unwrap();
        assert_eq!(document["document"], name);
        let validator = jsonschema::validator_for(schema.as_value()).unwrap();
        let errors: Vec<String> = validator
            .iter_errors(&document)
            .map(|e| e.to_string())
            .collect();
        assert!(errors.is_empty(), "{name}: {errors:?}");
        for part in ["schema_version", "tool", "target", "capture", "coverage"] {
            assert!(document.get(part).is_some(), "{name} has no {part}");
        }
        let broken = serde_json::json!({ "schema_version": "one" });
        assert!(
            !validator.is_valid(&broken),
            "the schema of {name} accepts anything"
        );
    }
}
