//! Verdicts on graphs drawn by hand.

use leakscope_graph::{GraphBuilder, HeapGraph, ObjIx, SizeRun, TypeIx};
use leakscope_target::Addr;

use super::waits::Standing;
use super::{Awaited, Doubt, GoroutineLeaks, Verdict, Waits};
use crate::roots::{Root, RootKind};

const THREAD: i32 = 7;

fn graph(objects: u32, edges: &[(u32, u32)]) -> HeapGraph {
    let mut builder = GraphBuilder::new(objects);
    for (slot, (from, to)) in (0u32..).zip(edges) {
        builder.edge(ObjIx(*from), ObjIx(*to), slot).unwrap();
    }
    let sizes = vec![SizeRun {
        first: ObjIx(0),
        size: 16,
    }];
    let types = vec![TypeIx(0); objects as usize];
    builder.finish(types, sizes, Vec::new()).unwrap()
}

/// One goroutine for each entry: blocked on these objects, or free where there is no list.
fn waits(goroutines: &[Option<&[u32]>]) -> Waits {
    let mut waits = Waits {
        idle: vec![THREAD],
        ..Waits::default()
    };
    for awaited in goroutines {
        waits.first_awaited.push(waits.awaited.len() as u32);
        waits.standing.push(match awaited {
            None => Standing::Free,
            Some(_) => Standing::Blocked,
        });
        let objects = awaited.unwrap_or_default().iter();
        waits.awaited.extend(objects.map(|o| Awaited {
            at: Addr(0x1000 + u64::from(*o)),
            object: Some(ObjIx(*o)),
        }));
    }
    waits.first_awaited.push(waits.awaited.len() as u32);
    waits
}

fn root(obj: u32, kind: RootKind) -> Root {
    Root {
        value: 0,
        obj,
        kind,
    }
}

fn global(obj: u32) -> Root {
    root(obj, RootKind::Global { at: Addr(0) })
}

fn stack(goroutine: u32, obj: u32) -> Root {
    let kind = RootKind::Stack {
        goroutine,
        frame: 0,
        slot: Addr(0),
    };
    root(obj, kind)
}

fn perhaps(goroutine: u32, obj: u32) -> Root {
    let kind = RootKind::Conservative {
        goroutine,
        frame: 0,
        slot: Addr(0),
    };
    root(obj, kind)
}

fn system(tid: i32, obj: u32) -> Root {
    root(obj, RootKind::SystemStack { tid, slot: Addr(0) })
}

fn verdicts(waits: Waits, graph: &HeapGraph, roots: &[Root], unread: bool) -> Vec<Verdict> {
    GoroutineLeaks::judge(waits, graph, roots, unread)
        .iter()
        .collect()
}

const CONSERVATIVE: Verdict = Verdict::Suspect(Doubt::Conservative);

#[test]
fn whoever_waits_for_something_only_its_own_stack_holds_is_leaked() {
    let graph = graph(2, &[]);
    let waits = waits(&[Some(&[0]), Some(&[1])]);
    let roots = [global(1), stack(0, 0), stack(1, 1)];
    assert_eq!(
        verdicts(waits, &graph, &roots, false),
        [Verdict::Leaked, Verdict::NotLeaked]
    );
}

#[test]
fn a_freed_goroutine_frees_those_it_can_wake_in_turn() {
    // Goroutine n holds what n + 1 waits for; the first waits for a variable.
    let goroutines = 1000;
    let graph = graph(goroutines + 1, &[]);
    let own: Vec<[u32; 1]> = (0..goroutines).map(|n| [n]).collect();
    let list: Vec<Option<&[u32]>> = own.iter().map(|o| Some(&o[..])).collect();
    let mut roots = Vec::new();
    for n in 0..goroutines {
        roots.extend([stack(n, n), stack(n, n + 1)]);
    }
    let all = |verdict| vec![verdict; goroutines as usize];
    assert_eq!(
        verdicts(waits(&list), &graph, &roots, false),
        all(Verdict::Leaked)
    );
    roots.insert(0, global(0));
    assert_eq!(
        verdicts(waits(&list), &graph, &roots, false),
        all(Verdict::NotLeaked)
    );
}

#[test]
fn one_channel_of_a_select_suffices() {
    let graph = graph(3, &[(2, 1)]);
    let roots = [global(2), stack(0, 0), stack(0, 1)];
    assert_eq!(
        verdicts(waits(&[Some(&[0, 1])]), &graph, &roots, false),
        [Verdict::NotLeaked]
    );
}

#[test]
fn a_hidden_reference_does_not_count_but_others_of_the_object_do() {
    // Object 0 is the entry of a queue, reached from a variable; 1 is what the goroutine waits for.
    let graph = graph(3, &[(0, 1), (0, 2)]);
    let roots = [global(0), stack(0, 1), stack(1, 2)];
    let mut waits = waits(&[Some(&[1]), Some(&[2])]);
    waits.hidden.push((ObjIx(0), 0));
    assert_eq!(
        verdicts(waits, &graph, &roots, false),
        [Verdict::Leaked, Verdict::NotLeaked]
    );
}

#[test]
fn words_that_may_be_pointers_make_suspects_and_what_these_hold_too() {
    let graph = graph(3, &[]);
    let list: &[Option<&[u32]>] = &[None, Some(&[0]), Some(&[1]), Some(&[2])];
    let roots = [perhaps(0, 0), stack(1, 1), stack(3, 2)];
    assert_eq!(
        verdicts(waits(list), &graph, &roots, false),
        [
            Verdict::NotLeaked,
            CONSERVATIVE,
            CONSERVATIVE,
            Verdict::Leaked
        ]
    );
    // Those of a goroutine that is blocked itself say nothing.
    let roots = [perhaps(3, 0), stack(1, 1), stack(3, 2)];
    assert_eq!(
        verdicts(waits(list), &graph, &roots, false)[1..],
        [Verdict::Leaked; 3]
    );
}

#[test]
fn system_stacks_count_unless_their_thread_is_idle() {
    let graph = graph(1, &[]);
    let list: &[Option<&[u32]>] = &[Some(&[0])];
    assert_eq!(
        verdicts(waits(list), &graph, &[system(THREAD, 0)], false),
        [Verdict::Leaked]
    );
    assert_eq!(
        verdicts(waits(list), &graph, &[system(THREAD + 1, 0)], false),
        [CONSERVATIVE]
    );
}

#[test]
fn memory_that_could_not_be_read_makes_suspects_of_all_but_those_without_a_channel() {
    let graph = graph(2, &[]);
    let mut waits = waits(&[Some(&[0]), Some(&[1]), None, None, None]);
    waits.standing[2..].copy_from_slice(&[Standing::Stuck, Standing::StuckMain, Standing::Unclear]);
    assert_eq!(
        verdicts(waits, &graph, &[global(1)], true),
        [
            Verdict::Suspect(Doubt::Unread),
            Verdict::NotLeaked,
            Verdict::Leaked,
            Verdict::NotLeaked,
            Verdict::Unknown,
        ]
    );
}

/// Numbers without a pattern, the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        ((self.0 >> 33) % u64::from(limit)) as u32
    }
}

/// The same question answered in the plainest way: mark everything, free whoever can be, and again until nothing changes.
fn plainly(waits: &Waits, graph: &HeapGraph, roots: &[Root]) -> Vec<Verdict> {
    let blocked = |g: usize| waits.standing[g] == Standing::Blocked;
    let mut verdicts: Vec<Verdict> = (0..waits.standing.len())
        .map(|g| {
            if blocked(g) {
                Verdict::Leaked
            } else {
                Verdict::NotLeaked
            }
        })
        .collect();
    for (freed, with_weak) in [(Verdict::NotLeaked, false), (CONSERVATIVE, true)] {
        loop {
            let mut marked = vec![false; graph.objects() as usize];
            let counts = |root: &&Root| {
                let free = match root.kind {
                    RootKind::Stack { goroutine, .. }
                    | RootKind::Conservative { goroutine, .. } => {
                        verdicts[goroutine as usize] != Verdict::Leaked
                    }
                    RootKind::SystemStack { tid, .. } => tid != THREAD,
                    _ => true,
                };
                free && (with_weak || !root.kind.is_weak())
            };
            let mut todo: Vec<u32> = roots.iter().filter(counts).map(|r| r.obj).collect();
            while let Some(object) = todo.pop() {
                if !std::mem::replace(&mut marked[object as usize], true) {
                    let out = graph.out(ObjIx(object));
                    let visible = out.filter(|e| !waits.hidden.contains(&(ObjIx(object), e.slot)));
                    todo.extend(visible.map(|e| e.to.0));
                }
            }
            let wakes = |g: &usize| {
                let awaited = waits.awaited(*g).iter();
                verdicts[*g] == Verdict::Leaked
                    && awaited.filter_map(|a| a.object).any(|o| marked[o.index()])
            };
            let woken: Vec<usize> = (0..verdicts.len()).filter(wakes).collect();
            if woken.is_empty() {
                break;
            }
            for g in woken {
                verdicts[g] = freed;
            }
        }
    }
    verdicts
}

#[test]
fn verdicts_on_random_graphs_are_those_of_the_plainest_algorithm() {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let mut seen = [0; 3];
    for _ in 0..3000 {
        let objects = 2 + numbers.below(60);
        let goroutines = 1 + numbers.below(12);
        let mut edges: Vec<(u32, u32)> = (0..numbers.below(objects * 2))
            .map(|_| (numbers.below(objects), numbers.below(objects)))
            .collect();
        edges.sort_unstable();
        let graph = graph(objects, &edges);
        let lists: Vec<Option<Vec<u32>>> = (0..goroutines)
            .map(|_| {
                let count = numbers.below(4);
                (count > 0).then(|| (1..count).map(|_| numbers.below(objects)).collect())
            })
            .collect();
        let list: Vec<Option<&[u32]>> = lists.iter().map(|l| l.as_deref()).collect();
        let mut waits = waits(&list);
        for (slot, (from, _)) in (0u32..).zip(&edges) {
            if numbers.below(5) == 0 {
                waits.hidden.push((ObjIx(*from), slot));
            }
        }
        waits.hidden.sort_unstable();
        let mut roots: Vec<Root> = (0..numbers.below(3))
            .map(|_| global(numbers.below(objects)))
            .collect();
        let tid = THREAD as u32 + numbers.below(2);
        roots.push(system(tid as i32, numbers.below(objects)));
        for g in 0..goroutines {
            roots.extend((0..numbers.below(4)).map(|_| stack(g, numbers.below(objects))));
            roots.extend((0..numbers.below(2)).map(|_| perhaps(g, numbers.below(objects))));
        }
        let plain = plainly(&waits, &graph, &roots);
        for verdict in &plain {
            seen[match verdict {
                Verdict::Leaked => 0,
                Verdict::NotLeaked => 1,
                _ => 2,
            }] += 1;
        }
        assert_eq!(verdicts(waits, &graph, &roots, false), plain);
    }
    assert!(seen.iter().all(|count| *count > 500), "{seen:?}");
}
