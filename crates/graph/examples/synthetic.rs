//! What each step of the analysis costs on a made-up heap: one line of JSON. `bench/run.py` makes a table of it.
//!
//! `synthetic SHAPE OBJECTS`, SHAPE one of `heap`, `list`, `indexed-list`, `rings`, `wide`

use std::borrow::Cow;
use std::hint::black_box;
use std::io::Write;

use leakscope_graph::{
    Dominators, GraphBuilder, HeapGraph, Node, ObjIx, Reach, Resolver, Root, RootGroups, RootIx,
    SizeRun, Strength, Threshold, TypeIx, TypePaths, suspects,
};

type Failure = Box<dyn std::error::Error>;

/// Spreads numbers over 64 bits (the finalizer of MurmurHash3).
fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    x = (x ^ (x >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    x ^ (x >> 33)
}

/// A permutation of `0..len`: where an allocator put the nth object that the program made.
fn scattered(n: u32, len: u32) -> u32 {
    let bits = (32 - len.max(2).leading_zeros()).next_multiple_of(2);
    let half = bits / 2;
    let mask = (1u32 << half) - 1;
    let mut x = n;
    loop {
        let (mut a, mut b) = (x >> half, x & mask);
        for round in 0..3 {
            (a, b) = (b, a ^ (mix(u64::from(b) << 8 | round) as u32 & mask));
        }
        x = a << half | b;
        if x < len {
            return x;
        }
    }
}

/// Half of a heap like that of a service: a hash table of sessions, each with its key and payload (leaves), a
/// reference to one of few shared objects and, every eighth, back to the session before.
/// Objects lie by kind, as size classes do; the table refers to them in hash order.
fn heap(objects: u32) -> Result<HeapGraph, Failure> {
    const PER_GROUP: u32 = 8;
    let sessions = (objects - 1) * 8 / 26;
    let groups = sessions.div_ceil(PER_GROUP);
    let (first_group, first_session) = (1, 1 + groups);
    let (first_key, first_payload) = (first_session + sessions, first_session + 2 * sessions);
    let first_shared = first_payload + sessions;
    let shared = objects.saturating_sub(first_shared).max(1);
    let objects = first_shared + shared;
    let mut builder = GraphBuilder::new(objects);
    for group in 0..groups {
        builder.edge(ObjIx(0), ObjIx(first_group + group), group)?;
    }
    for group in 0..groups {
        for i in group * PER_GROUP..((group + 1) * PER_GROUP).min(sessions) {
            let cell = 2 * (i % PER_GROUP);
            let at = scattered(i, sessions);
            builder.edge(ObjIx(first_group + group), ObjIx(first_key + at), cell)?;
            builder.edge(
                ObjIx(first_group + group),
                ObjIx(first_session + at),
                cell + 1,
            )?;
        }
    }
    for at in 0..sessions {
        builder.edge(ObjIx(first_session + at), ObjIx(first_key + at), 0)?;
        builder.edge(ObjIx(first_session + at), ObjIx(first_payload + at), 1)?;
        let to = mix(u64::from(at)) as u32 % shared;
        builder.edge(ObjIx(first_session + at), ObjIx(first_shared + to), 2)?;
        if at % 8 == 7 {
            builder.edge(ObjIx(first_session + at), ObjIx(first_session + at - 1), 3)?;
        }
    }
    finish(builder, objects, first_session)
}

/// One list; its element refers to the next one first, then to itself.
fn list(objects: u32) -> Result<HeapGraph, Failure> {
    let mut builder = GraphBuilder::new(objects);
    for at in 0..objects {
        if at + 1 < objects {
            builder.edge(ObjIx(at), ObjIx(at + 1), 0)?;
        }
        builder.edge(ObjIx(at), ObjIx(at), 1)?;
    }
    finish(builder, objects, objects / 2)
}

/// A list whose values an index refers to as well, the list reached first.
fn indexed_list(objects: u32) -> Result<HeapGraph, Failure> {
    let length = objects / 2 - 1;
    let (index, first_value) = (1 + length, 2 + length);
    let objects = first_value + length;
    let mut builder = GraphBuilder::new(objects);
    builder.edge(ObjIx(0), ObjIx(1), 0)?;
    builder.edge(ObjIx(0), ObjIx(index), 1)?;
    for i in 0..length {
        if i + 1 < length {
            builder.edge(ObjIx(1 + i), ObjIx(2 + i), 0)?;
        }
        builder.edge(ObjIx(1 + i), ObjIx(first_value + i), 1)?;
    }
    for i in 0..length {
        builder.edge(ObjIx(index), ObjIx(first_value + i), i)?;
    }
    finish(builder, objects, first_value)
}

/// A list linked both ways and closed to a ring, each element also linked across it.
fn rings(objects: u32) -> Result<HeapGraph, Failure> {
    let mut builder = GraphBuilder::new(objects);
    for at in 0..objects {
        builder.edge(ObjIx(at), ObjIx((at + 1) % objects), 0)?;
        builder.edge(ObjIx(at), ObjIx((at + objects - 1) % objects), 1)?;
        builder.edge(ObjIx(at), ObjIx(scattered(at, objects)), 2)?;
    }
    finish(builder, objects, objects / 2)
}

/// One slice of as many pointers as there are objects.
fn wide(objects: u32) -> Result<HeapGraph, Failure> {
    let mut builder = GraphBuilder::new(objects);
    for slot in 0..objects - 1 {
        builder.edge(ObjIx(0), ObjIx(1 + scattered(slot, objects - 1)), slot)?;
    }
    finish(builder, objects, 1)
}

fn finish(builder: GraphBuilder, objects: u32, second: u32) -> Result<HeapGraph, Failure> {
    let types = (0..objects)
        .map(|o| TypeIx(u32::from(o >= second)))
        .collect();
    let run = |first, size| SizeRun {
        first: ObjIx(first),
        size,
    };
    let root = Root {
        to: ObjIx(0),
        strength: Strength::Strong,
        rank: 0,
    };
    Ok(builder.finish(types, vec![run(0, 96), run(second, 48)], vec![root])?)
}

/// Two types, one root; every slot of a type is the same field.
struct Names;

impl Resolver for Names {
    fn type_name(&self, type_: TypeIx) -> Cow<'_, str> {
        format!("type {}", type_.0).into()
    }
    fn package(&self, _: TypeIx) -> Cow<'_, str> {
        "".into()
    }
    fn root_name(&self, _: RootIx) -> Cow<'_, str> {
        "root".into()
    }
    fn push_step(&self, _: ObjIx, _: TypeIx, _: u32, expression: &mut String) {
        expression.push('.');
    }
    fn field(&self, _: TypeIx, _: u32) -> u32 {
        0
    }
}

/// Processor time of this thread so far, in nanoseconds.
fn spent() -> Result<u64, Failure> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(text
        .split_whitespace()
        .next()
        .ok_or("no schedstat")?
        .parse()?)
}

/// Peak of resident memory so far in bytes.
fn peak() -> Result<u64, Failure> {
    let text = std::fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find(|l| l.starts_with("VmHWM:"));
    let kib: u64 = line
        .and_then(|l| l.split_whitespace().nth(1))
        .ok_or("no VmHWM")?
        .parse()?;
    Ok(kib * 1024)
}

fn main() -> Result<(), Failure> {
    const USAGE: &str = "usage: synthetic SHAPE OBJECTS";
    let mut arguments = std::env::args().skip(1);
    let shape = arguments.next().ok_or(USAGE)?;
    let objects: u32 = arguments.next().ok_or(USAGE)?.parse()?;
    let graph = match shape.as_str() {
        "heap" => heap(objects)?,
        "list" => list(objects)?,
        "indexed-list" => indexed_list(objects)?,
        "rings" => rings(objects)?,
        "wide" => wide(objects)?,
        _ => return Err(USAGE.into()),
    };
    let graph_peak = peak()?;
    let mut last = spent()?;
    let mut steps = Vec::new();
    let mut step = |name: &str| -> Result<(), Failure> {
        let now = spent()?;
        steps.push(format!("\"{name}_ns\": {}", now - last));
        last = now;
        Ok(())
    };
    let reach = Reach::of(&graph);
    step("reach")?;
    let tree = Dominators::of(&graph, &RootGroups::new())?;
    step("dominators")?;
    black_box(tree.retained_by_type(&graph));
    step("sets")?;
    black_box(suspects(&graph, &tree, &Names, Threshold::default()));
    step("suspects")?;
    let mut paths = TypePaths::new(&graph, &reach, &Names);
    let all = (0..graph.objects()).map(ObjIx);
    black_box(paths.merge(all.map(|object| (object, tree.retained(object)))));
    step("paths")?;
    black_box(paths.distinct(ObjIx(graph.objects() - 1), 8));
    step("distinct")?;
    let sum: u64 = graph
        .sizes()
        .filter(|(o, _)| reach.is_reached(*o))
        .map(|(_, s)| s)
        .sum();
    if tree.held(Node::Top).bytes != sum {
        return Err("what the roots retain is not what they reach".into());
    }
    let line = format!(
        "{{\"shape\": \"{shape}\", \"objects\": {}, \"references\": {}, {}, \"graph_peak_bytes\": {graph_peak}, \"peak_bytes\": {}}}",
        graph.objects(),
        graph.edges(),
        steps.join(", "),
        peak()?,
    );
    writeln!(std::io::stdout(), "{line}")?;
    Ok(())
}
