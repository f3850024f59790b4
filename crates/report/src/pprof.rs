//! Profiles as `go tool pprof` and its relatives read them: gzip around a `perftools.profiles.Profile`
//! (github.com/google/pprof, `proto/profile.proto`; the field numbers are those of that file).

use std::collections::HashMap;
use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use prost::Message;

use crate::{Amount, Text};

/// The id of the one mapping of a profile.
const MAPPING: u64 = 1;

/// A profile whose stacks say what holds what. Each sample is a stack of frames, the leaf first, with objects and bytes.
/// Names are escaped: those who read profiles print them as they are.
#[derive(Debug)]
pub struct Pprof {
    profile: Profile,
    strings: HashMap<String, i64>,
    /// The location of a frame, by the number of its name. Locations and functions have the same ids, from 1.
    locations: HashMap<i64, u64>,
}

impl Pprof {
    /// No sample yet. `program` is the executable; `taken_at` is in nanoseconds since 1970; `comments` are shown by
    /// `pprof -comments`.
    pub fn new(program: &Text, taken_at: Option<i64>, comments: &[&str]) -> Self {
        let mut new = Self {
            profile: Profile {
                time_nanos: taken_at.unwrap_or(0),
                ..Profile::default()
            },
            strings: HashMap::new(),
            locations: HashMap::new(),
        };
        // The first string of a profile is the empty one.
        new.string(String::new());
        for (kind, unit) in [("objects", "count"), ("space", "bytes")] {
            let (kind, unit) = (new.string(kind.to_owned()), new.string(unit.to_owned()));
            new.profile.sample_type.push(ValueType { kind, unit });
            // The last one is what people see first.
            new.profile.default_sample_type = kind;
        }
        let filename = new.string(program.to_string());
        new.profile.mapping.push(Mapping {
            id: MAPPING,
            filename,
            has_functions: true,
        });
        for comment in comments {
            let comment = new.string((*comment).to_owned());
            new.profile.comment.push(comment);
        }
        new
    }

    /// Adds a sample: `frames` from the leaf to the root.
    pub fn add(&mut self, frames: &[Text], amount: Amount) {
        let location_id = frames.iter().map(|frame| self.location(frame)).collect();
        let value = [amount.objects, amount.bytes].map(|n| i64::try_from(n).unwrap_or(i64::MAX));
        self.profile.sample.push(Sample {
            location_id,
            value: value.to_vec(),
        });
    }

    /// The profile as a file has it.
    pub fn to_gzip(&self) -> io::Result<Vec<u8>> {
        let mut file = GzEncoder::new(Vec::new(), Compression::default());
        file.write_all(&self.profile.encode_to_vec())?;
        file.finish()
    }

    fn string(&mut self, text: String) -> i64 {
        if let Some(known) = self.strings.get(&text) {
            return *known;
        }
        let number = self.profile.string_table.len() as i64;
        self.profile.string_table.push(text.clone());
        self.strings.insert(text, number);
        number
    }

    fn location(&mut self, frame: &Text) -> u64 {
        let name = self.string(frame.to_string());
        if let Some(known) = self.locations.get(&name) {
            return *known;
        }
        let id = self.profile.location.len() as u64 + 1;
        self.locations.insert(name, id);
        let line = vec![Line { function_id: id }];
        self.profile.location.push(Location {
            id,
            mapping_id: MAPPING,
            line,
        });
        // Without a system name pprof does not try to make the name prettier, which would cut what stands in brackets.
        self.profile.function.push(Function { id, name });
        id
    }
}

#[derive(Clone, PartialEq, Message)]
struct Profile {
    #[prost(message, repeated, tag = "1")]
    sample_type: Vec<ValueType>,
    #[prost(message, repeated, tag = "2")]
    sample: Vec<Sample>,
    #[prost(message, repeated, tag = "3")]
    mapping: Vec<Mapping>,
    #[prost(message, repeated, tag = "4")]
    location: Vec<Location>,
    #[prost(message, repeated, tag = "5")]
    function: Vec<Function>,
    #[prost(string, repeated, tag = "6")]
    string_table: Vec<String>,
    #[prost(int64, tag = "9")]
    time_nanos: i64,
    #[prost(int64, repeated, tag = "13")]
    comment: Vec<i64>,
    #[prost(int64, tag = "14")]
    default_sample_type: i64,
}

#[derive(Clone, PartialEq, Message)]
struct ValueType {
    #[prost(int64, tag = "1")]
    kind: i64,
    #[prost(int64, tag = "2")]
    unit: i64,
}

#[derive(Clone, PartialEq, Message)]
struct Sample {
    #[prost(uint64, repeated, tag = "1")]
    location_id: Vec<u64>,
    #[prost(int64, repeated, tag = "2")]
    value: Vec<i64>,
}

/// The program. That it has functions keeps pprof from looking for names in its file.
#[derive(Clone, PartialEq, Message)]
struct Mapping {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(int64, tag = "5")]
    filename: i64,
    #[prost(bool, tag = "7")]
    has_functions: bool,
}

#[derive(Clone, PartialEq, Message)]
struct Location {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(uint64, tag = "2")]
    mapping_id: u64,
    #[prost(message, repeated, tag = "4")]
    line: Vec<Line>,
}

#[derive(Clone, PartialEq, Message)]
struct Line {
    #[prost(uint64, tag = "1")]
    function_id: u64,
}

#[derive(Clone, PartialEq, Message)]
struct Function {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(int64, tag = "2")]
    name: i64,
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;

    fn decoded(profile: &Pprof) -> Profile {
        let mut plain = Vec::new();
        let gzip = profile.to_gzip().expect("memory takes everything");
        GzDecoder::new(gzip.as_slice())
            .read_to_end(&mut plain)
            .expect("gzip");
        Profile::decode(plain.as_slice()).expect("a profile")
    }

    #[test]
    fn frames_are_told_once_and_samples_keep_their_order() {
        let mut profile = Pprof::new(&Text::new("shop"), Some(7), &["made by a test"]);
        let amount = |objects, bytes| Amount { objects, bytes };
        let frames = |names: &[&str]| names.iter().map(Text::new).collect::<Vec<_>>();
        profile.add(
            &frames(&["[]uint8", "main.a.b", "main.root"]),
            amount(3, 300),
        );
        profile.add(&frames(&["main.a", "main.root"]), amount(u64::MAX, 1));
        let read = decoded(&profile);
        let text = |i: i64| read.string_table[usize::try_from(i).expect("an index")].as_str();
        assert_eq!(read.string_table[0], "");
        assert_eq!(read.time_nanos, 7);
        assert_eq!(text(read.mapping[0].filename), "shop");
        assert_eq!(text(read.default_sample_type), "space");
        assert_eq!(text(read.comment[0]), "made by a test");
        let stack = |i: usize| -> Vec<&str> {
            let ids = read.sample[i].location_id.iter();
            ids.map(|id| {
                let location = &read.location[*id as usize - 1];
                assert_eq!(location.id, *id);
                let function = &read.function[location.line[0].function_id as usize - 1];
                text(function.name)
            })
            .collect()
        };
        assert_eq!(stack(0), ["[]uint8", "main.a.b", "main.root"]);
        assert_eq!(stack(1), ["main.a", "main.root"]);
        assert_eq!(read.sample[0].value, [3, 300]);
        assert_eq!(read.sample[1].value, [i64::MAX, 1]);
        assert_eq!(read.function.len(), 4);
    }

    #[test]
    fn names_from_a_target_are_escaped() {
        let mut profile = Pprof::new(&Text::new("shop"), None, &[]);
        profile.add(&[Text::new("main.\x1b[31m")], Amount::default());
        let read = decoded(&profile);
        assert!(read.string_table.iter().any(|s| s == "main.\\x1b[31m"));
    }
}
