//! What is read of a process is what is there: filled or failed, stopped or running.

use std::time::Duration;

use leakscope_target::{
    Addr, AddrRange, CaptureOptions, CopyPlan, CopyPlanner, Error, Fault, LiveProcess, Memory,
    Method, PlanError, ReadRequest,
};

use crate::planners::Fixed;
use crate::support::{Heartbeat, one_at_a_time};

#[test]
fn reads_of_a_running_process_fill_the_buffer_or_name_the_page_that_fails() {
    let target = Heartbeat::start(&[]);
    let process = LiveProcess::open(target.pid()).expect("the target opens");
    let memory = process.memory();
    let mappings = process.mappings().expect("its mappings");
    let hole = mappings
        .windows(2)
        .find(|w| w[0].perms.read && w[0].range.end < w[1].range.start && w[0].range.len() >= 8192);
    let end = hole.expect("a mapping before a hole")[0].range.end;
    let at = Addr(end.0 - 5000);
    memory
        .read(at, &mut [0; 5000])
        .expect("all of it is mapped");
    assert_eq!(
        memory.read(at, &mut vec![0; 5001]),
        Err(Fault::Unmapped(end))
    );
    assert_eq!(
        memory.read(Addr(8), &mut [0; 1]),
        Err(Fault::Unmapped(Addr(8)))
    );
    assert_eq!(
        memory.read(Addr(u64::MAX), &mut [0; 2]),
        Err(Fault::Unmapped(Addr(u64::MAX)))
    );
    memory.read(at, &mut []).expect("nothing is always there");
}

#[test]
fn a_batch_of_reads_of_any_size_is_filled_like_single_reads() {
    let target = Heartbeat::start(&["heap_mb=4"]);
    let process = LiveProcess::open(target.pid()).expect("the target opens");
    let memory = process.memory();
    let exe = process
        .mappings()
        .expect("its mappings")
        .into_iter()
        .find(|m| m.path == process.exe_path());
    let exe = exe.expect("the executable is mapped").range;
    let mut expected = vec![0; exe.len() as usize];
    memory
        .read(exe.start, &mut expected)
        .expect("the executable is readable");

    let sizes = [0usize, 1, 7, 0, 300, 4097, 16, 0];
    let mut buffers: Vec<Vec<u8>> = (0..3000)
        .map(|i| vec![0xee; sizes[i % sizes.len()]])
        .collect();
    let place = |i: usize| (i * 97) % (expected.len() - 5000);
    let mut batch: Vec<ReadRequest<'_>> = buffers
        .iter_mut()
        .enumerate()
        .map(|(i, buf)| ReadRequest {
            at: Addr(exe.start.0 + place(i) as u64),
            buf,
        })
        .collect();
    memory.read_many(&mut batch).expect("all of it is mapped");
    for (i, buf) in buffers.iter().enumerate() {
        assert_eq!(
            buf[..],
            expected[place(i)..place(i) + buf.len()],
            "buffer {i}"
        );
    }

    let (mut a, mut b, mut c) = ([0; 4], [0; 4], [0; 4]);
    let mut batch = [
        ReadRequest {
            at: exe.start,
            buf: &mut a,
        },
        ReadRequest {
            at: Addr(16),
            buf: &mut b,
        },
        ReadRequest {
            at: exe.start,
            buf: &mut c,
        },
    ];
    assert_eq!(memory.read_many(&mut batch), Err(Fault::Unmapped(Addr(16))));
    assert_eq!(a[..], expected[..4]);
}

#[test]
fn a_capture_holds_exactly_what_was_asked_for_at_any_alignment() {
    let _turn = one_at_a_time();
    let mut target = Heartbeat::start(&["heap_mb=4"]);
    let process = LiveProcess::open(target.pid()).expect("the target opens");
    let exe = process
        .mappings()
        .expect("its mappings")
        .into_iter()
        .find(|m| m.path == process.exe_path());
    let exe = exe.expect("the executable is mapped").range;
    let mut expected = vec![0; exe.len() as usize];
    process
        .memory()
        .read(exe.start, &mut expected)
        .expect("the executable is readable");
    let ranges: Vec<AddrRange> = (0..4000u64)
        .map(|i| AddrRange::new(Addr(exe.start.0 + i * 29), i % 23).expect("a range"))
        .filter(|r| r.end < exe.end)
        .collect();
    let capture = process
        .capture(
            &mut Fixed::ranges(ranges.clone()),
            &CaptureOptions::default(),
            &mut |_| {},
        )
        .expect("a capture");
    assert_eq!((capture.stop.skipped_bytes, capture.stop.attempts), (0, 1));
    let image = capture.image.build();
    for r in ranges.iter().filter(|r| !r.is_empty()) {
        let from = (r.start.0 - exe.start.0) as usize;
        assert_eq!(
            image.bytes(r.start, r.len()),
            Ok(&expected[from..from + r.len() as usize]),
            "{r:?}"
        );
    }
    assert!(
        image.ranges().map(|r| r.len()).sum::<u64>() <= ranges.iter().map(AddrRange::len).sum()
    );
    target.assert_unharmed();
}

#[test]
fn registers_and_mappings_of_a_capture_fit_together() {
    let _turn = one_at_a_time();
    let mut target = Heartbeat::start(&["threads=40"]);
    let process = LiveProcess::open(target.pid()).expect("the target opens");
    let capture = process
        .capture(
            &mut Fixed::cells(&target),
            &CaptureOptions::default(),
            &mut |_| {},
        )
        .expect("a capture");
    assert!(capture.threads.len() > 40);
    assert_eq!(capture.stop.threads, capture.threads.len());
    assert!(capture.threads.iter().any(|t| t.tid == target.pid()));
    for thread in &capture.threads {
        let r = thread.registers;
        let mapping = |at| capture.mappings.iter().find(|m| m.contains(at));
        assert!(
            mapping(r.pc).is_some_and(|m| m.perms.execute),
            "pc of {thread:?}"
        );
        assert!(
            mapping(r.sp).is_some_and(|m| m.perms.write),
            "sp of {thread:?}"
        );
        assert!(
            mapping(r.fs_base).is_some_and(|m| m.perms.write),
            "fs base of {thread:?}"
        );
    }
    target.assert_unharmed();
}

#[test]
fn what_is_not_mapped_is_left_out_of_the_image_and_counted() {
    let _turn = one_at_a_time();
    let mut target = Heartbeat::start(&["heap_mb=4"]);
    let process = LiveProcess::open(target.pid()).expect("the target opens");
    let cells = AddrRange::new(Addr(target.stated("cells") & !4095), 64 << 10).expect("a range");
    let nowhere = AddrRange::new(Addr(0x10_0000), 3 * 4096 + 100).expect("a range");
    for no_stop in [false, true] {
        let opts = CaptureOptions {
            no_stop,
            ..CaptureOptions::default()
        };
        let mut planner = Fixed::ranges(vec![nowhere, cells]);
        let capture = process
            .capture(&mut planner, &opts, &mut |_| {})
            .expect("a capture");
        assert_eq!(capture.stop.copied_bytes, cells.len());
        assert_eq!(capture.stop.skipped_ranges, 1);
        assert!((nowhere.len()..nowhere.len() + 16).contains(&capture.stop.skipped_bytes));
        assert_eq!(capture.stop.torn, no_stop);
        assert_eq!(
            capture.stop.method,
            if no_stop {
                Method::NoStop
            } else {
                Method::Stop
            }
        );
        assert_eq!(capture.stop.measured.is_none(), no_stop);
        let image = capture.image.build();
        assert!(image.holds(cells.start, cells.len()));
        assert_eq!(
            image.u64(nowhere.start),
            Err(Fault::NotInImage(nowhere.start))
        );
    }
    target.assert_unharmed();
}

/// Finds more to copy within each stop than it did before.
struct Growing {
    cells: AddrRange,
    stops: u64,
    /// Stops after which it grows no more.
    until: u64,
}

impl CopyPlanner for Growing {
    fn rehearse(&mut self, _running: &dyn Memory) -> Result<CopyPlan, PlanError> {
        Ok(CopyPlan::with_capacity(4))
    }

    fn plan(&mut self, _stopped: &dyn Memory, plan: &mut CopyPlan) -> Result<(), PlanError> {
        self.stops += 1;
        if self.stops <= self.until {
            return Err(PlanError::Outgrown { what: "a test" });
        }
        plan.push(self.cells)
    }
}

#[test]
fn a_target_that_outgrows_the_buffers_is_stopped_again_but_not_for_ever() {
    let _turn = one_at_a_time();
    let mut target = Heartbeat::start(&[]);
    let process = LiveProcess::open(target.pid()).expect("the target opens");
    let cells = AddrRange::new(Addr(target.stated("cells")), 4096).expect("a range");
    let capture = |until| {
        let mut planner = Growing {
            cells,
            stops: 0,
            until,
        };
        process.capture(&mut planner, &CaptureOptions::default(), &mut |_| {})
    };
    assert_eq!(capture(0).expect("a capture").stop.attempts, 1);
    assert_eq!(capture(2).expect("a capture").stop.attempts, 3);
    assert!(matches!(
        capture(9),
        Err(Error::Outgrown {
            what: "a test",
            attempts: 3
        })
    ));
    target.assert_unharmed();
}

#[test]
fn any_number_of_copying_threads_gives_the_same_bytes() {
    let _turn = one_at_a_time();
    let target = Heartbeat::start(&["heap_mb=40", "cells=0"]);
    let process = LiveProcess::open(target.pid()).expect("the target opens");
    for copy_threads in [0, 1, 2, 7] {
        let opts = CaptureOptions {
            copy_threads,
            max_stop: Duration::from_secs(5),
            ..CaptureOptions::default()
        };
        let mut planner = Fixed::private_memory(&process).expect("its mappings");
        let capture = process
            .capture(&mut planner, &opts, &mut |_| {})
            .expect("a capture");
        assert_eq!(capture.stop.skipped_bytes, 0);
        let heap = capture
            .mappings
            .iter()
            .map(|m| m.range)
            .filter(|r| r.len() >= 40 << 20 && r.len() < 42 << 20);
        let heap = heap.max_by_key(AddrRange::len).expect("the heap");
        let image = capture.image.build();
        let bytes = image
            .bytes(heap.start, heap.len())
            .expect("the heap is held");
        let ones = bytes.iter().filter(|b| **b == 1).count();
        assert!(
            ones >= 40 << 20,
            "{ones} of {} with {copy_threads} threads",
            bytes.len()
        );
    }
}
