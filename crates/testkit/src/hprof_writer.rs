//! Writes heap dumps in HPROF format by hand, well-formed or not. Shares no code with the reader.
//!
//! The format is that of HotSpot's `heapDumper.cpp` (its comment at the head is the specification), of which the old
//! manual `hprof-binary-format` of JDK 6 describes the same.

/// Basic types by their number in a dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum HprofType {
    /// A reference.
    Object = 2,
    /// `boolean`.
    Boolean = 4,
    /// `char`.
    Char = 5,
    /// `float`.
    Float = 6,
    /// `double`.
    Double = 7,
    /// `byte`.
    Byte = 8,
    /// `short`.
    Short = 9,
    /// `int`.
    Int = 10,
    /// `long`.
    Long = 11,
}

/// The file's records, one after the other.
#[derive(Debug, Clone)]
pub struct HprofWriter {
    bytes: Vec<u8>,
    id_size: u8,
}

/// A class as a dump describes it.
#[derive(Debug, Clone, Default)]
pub struct HprofClass<'a> {
    /// Id of the class object.
    pub id: u64,
    /// Id of its super class; 0 for none.
    pub super_class: u64,
    /// Id of its class loader; 0 for the bootstrap loader.
    pub loader: u64,
    /// Bytes of its instances' fields, those of super classes included.
    pub instance_size: u32,
    /// Constant pool entries: index, type, value.
    pub constants: &'a [(u16, HprofType, u64)],
    /// Static fields: id of the name, type, value.
    pub statics: &'a [(u64, HprofType, u64)],
    /// Fields that it declares itself: id of the name, type.
    pub fields: &'a [(u64, HprofType)],
}

/// The sub-records of a heap dump or a segment of one.
#[derive(Debug, Clone)]
pub struct HprofSegment {
    bytes: Vec<u8>,
    id_size: u8,
}

impl HprofWriter {
    /// A file of that version (`1.0.1` or `1.0.2`) with ids of 4 or 8 bytes (any number, for a malformed one).
    pub fn new(version: &str, id_size: u8) -> Self {
        let mut bytes = format!("JAVA PROFILE {version}\0").into_bytes();
        bytes.extend(u32::from(id_size).to_be_bytes());
        bytes.extend(1_700_000_000_000_u64.to_be_bytes());
        Self { bytes, id_size }
    }

    /// An empty segment with ids like this file's.
    pub fn segment(&self) -> HprofSegment {
        HprofSegment {
            bytes: Vec::new(),
            id_size: self.id_size,
        }
    }

    /// Bytes written so far.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing is written; never so, as there is a header.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The file.
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }

    /// Any record, with its true length.
    pub fn record(&mut self, tag: u8, body: &[u8]) {
        self.record_of_length(tag, body.len() as u32, body);
    }

    /// A record that claims a length of its own.
    pub fn record_of_length(&mut self, tag: u8, length: u32, body: &[u8]) {
        self.bytes.push(tag);
        self.bytes.extend(17_u32.to_be_bytes());
        self.bytes.extend(length.to_be_bytes());
        self.bytes.extend(body);
    }

    /// `HPROF_UTF8`: a name.
    pub fn utf8(&mut self, id: u64, text: &[u8]) {
        let mut body = self.segment();
        body.id(id);
        body.bytes.extend(text);
        self.record(0x01, &body.bytes);
    }

    /// `HPROF_LOAD_CLASS`; the name is as in class files, such as `java/lang/String`.
    pub fn load_class(&mut self, serial: u32, class: u64, name: u64) {
        let mut body = self.segment();
        body.u4(serial);
        body.id(class);
        body.u4(0);
        body.id(name);
        self.record(0x02, &body.bytes);
    }

    /// `HPROF_UNLOAD_CLASS`.
    pub fn unload_class(&mut self, serial: u32) {
        self.record(0x03, &serial.to_be_bytes());
    }

    /// `HPROF_FRAME`: line -1 unknown, -2 compiled, -3 native.
    pub fn frame(
        &mut self,
        id: u64,
        method: u64,
        signature: u64,
        source: u64,
        class: u32,
        line: i32,
    ) {
        let mut body = self.segment();
        for id in [id, method, signature, source] {
            body.id(id);
        }
        body.u4(class);
        body.bytes.extend(line.to_be_bytes());
        self.record(0x04, &body.bytes);
    }

    /// `HPROF_TRACE`: the stack of a thread, innermost frame first.
    pub fn trace(&mut self, serial: u32, thread: u32, frames: &[u64]) {
        let mut body = self.segment();
        body.u4(serial);
        body.u4(thread);
        body.u4(frames.len() as u32);
        for frame in frames {
            body.id(*frame);
        }
        self.record(0x05, &body.bytes);
    }

    /// `HPROF_START_THREAD`.
    pub fn start_thread(&mut self, serial: u32, thread: u64, name: u64) {
        let mut body = self.segment();
        body.u4(serial);
        body.id(thread);
        body.u4(0);
        for _ in 0..3 {
            body.id(name);
        }
        self.record(0x0a, &body.bytes);
    }

    /// `HPROF_END_THREAD`.
    pub fn end_thread(&mut self, serial: u32) {
        self.record(0x0b, &serial.to_be_bytes());
    }

    /// Records that say nothing about the heap: allocation sites, heap summary, CPU samples, control settings.
    pub fn other_records(&mut self) {
        self.record(0x06, &[0; 34]);
        self.record(0x07, &[0; 24]);
        self.record(0x0d, &[0; 8]);
        self.record(0x0e, &[0; 6]);
    }

    /// `HPROF_HEAP_DUMP`: the whole heap in one record, as version 1.0.1 has it.
    pub fn heap_dump(&mut self, segment: &HprofSegment) {
        self.record(0x0c, &segment.bytes);
    }

    /// `HPROF_HEAP_DUMP_SEGMENT`, since 1.0.2.
    pub fn heap_dump_segment(&mut self, segment: &HprofSegment) {
        self.record(0x1c, &segment.bytes);
    }

    /// `HPROF_HEAP_DUMP_END`: no segment follows.
    pub fn heap_dump_end(&mut self) {
        self.record(0x2c, &[]);
    }
}

impl HprofSegment {
    /// Bytes written so far.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing is written.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Bytes of an id.
    pub fn id_size(&self) -> u8 {
        self.id_size
    }

    /// The sub-records.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Bytes as they are: what no well-formed dump has.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
    }

    fn id(&mut self, id: u64) {
        let bytes = id.to_be_bytes();
        match self.id_size {
            8 => self.bytes.extend(bytes),
            _ => self.bytes.extend(&bytes[4..]),
        }
    }

    fn u2(&mut self, value: u16) {
        self.bytes.extend(value.to_be_bytes());
    }

    fn u4(&mut self, value: u32) {
        self.bytes.extend(value.to_be_bytes());
    }

    fn value(&mut self, kind: HprofType, value: u64) {
        let bytes = value.to_be_bytes();
        let width = match kind {
            HprofType::Object => return self.id(value),
            HprofType::Boolean | HprofType::Byte => 1,
            HprofType::Char | HprofType::Short => 2,
            HprofType::Float | HprofType::Int => 4,
            HprofType::Double | HprofType::Long => 8,
        };
        self.bytes.extend(&bytes[8 - width..]);
    }

    /// `ROOT_UNKNOWN`.
    pub fn root_unknown(&mut self, object: u64) {
        self.bytes.push(0xff);
        self.id(object);
    }

    /// `ROOT_JNI_GLOBAL`.
    pub fn root_jni_global(&mut self, object: u64, reference: u64) {
        self.bytes.push(0x01);
        self.id(object);
        self.id(reference);
    }

    /// `ROOT_JNI_LOCAL`.
    pub fn root_jni_local(&mut self, object: u64, thread: u32, frame: u32) {
        self.root_in_frame(0x02, object, thread, frame);
    }

    /// `ROOT_JAVA_FRAME`: a local variable; the frame counts from the innermost.
    pub fn root_java_frame(&mut self, object: u64, thread: u32, frame: u32) {
        self.root_in_frame(0x03, object, thread, frame);
    }

    fn root_in_frame(&mut self, tag: u8, object: u64, thread: u32, frame: u32) {
        self.bytes.push(tag);
        self.id(object);
        self.u4(thread);
        self.u4(frame);
    }

    /// `ROOT_NATIVE_STACK`.
    pub fn root_native_stack(&mut self, object: u64, thread: u32) {
        self.bytes.push(0x04);
        self.id(object);
        self.u4(thread);
    }

    /// `ROOT_STICKY_CLASS`.
    pub fn root_sticky_class(&mut self, object: u64) {
        self.bytes.push(0x05);
        self.id(object);
    }

    /// `ROOT_THREAD_BLOCK`.
    pub fn root_thread_block(&mut self, object: u64, thread: u32) {
        self.bytes.push(0x06);
        self.id(object);
        self.u4(thread);
    }

    /// `ROOT_MONITOR_USED`.
    pub fn root_monitor(&mut self, object: u64) {
        self.bytes.push(0x07);
        self.id(object);
    }

    /// `ROOT_THREAD_OBJ`: a thread, with the serials of it and of its stack.
    pub fn root_thread(&mut self, object: u64, thread: u32, trace: u32) {
        self.bytes.push(0x08);
        self.id(object);
        self.u4(thread);
        self.u4(trace);
    }

    /// `CLASS_DUMP`.
    pub fn class(&mut self, class: &HprofClass<'_>) {
        self.bytes.push(0x20);
        self.id(class.id);
        self.u4(0);
        self.id(class.super_class);
        self.id(class.loader);
        // Signers, protection domain, two reserved ones.
        for _ in 0..4 {
            self.id(0);
        }
        self.u4(class.instance_size);
        self.u2(class.constants.len() as u16);
        for (index, kind, value) in class.constants {
            self.u2(*index);
            self.bytes.push(*kind as u8);
            self.value(*kind, *value);
        }
        self.u2(class.statics.len() as u16);
        for (name, kind, value) in class.statics {
            self.id(*name);
            self.bytes.push(*kind as u8);
            self.value(*kind, *value);
        }
        self.u2(class.fields.len() as u16);
        for (name, kind) in class.fields {
            self.id(*name);
            self.bytes.push(*kind as u8);
        }
    }

    /// `INSTANCE_DUMP`: values of its class's own fields first, then those of super classes.
    pub fn instance(&mut self, object: u64, class: u64, values: &[(HprofType, u64)]) {
        let mut fields = HprofSegment {
            bytes: Vec::new(),
            id_size: self.id_size,
        };
        for (kind, value) in values {
            fields.value(*kind, *value);
        }
        let length = fields.bytes.len() as u32;
        self.instance_of_length(object, class, length, &fields.bytes);
    }

    /// `INSTANCE_DUMP` that claims a length of its own.
    pub fn instance_of_length(&mut self, object: u64, class: u64, length: u32, bytes: &[u8]) {
        self.bytes.push(0x21);
        self.id(object);
        self.u4(0);
        self.id(class);
        self.u4(length);
        self.bytes.extend(bytes);
    }

    /// `OBJ_ARRAY_DUMP`; the class is that of the array.
    pub fn object_array(&mut self, object: u64, class: u64, elements: &[u64]) {
        self.object_array_of_length(object, class, elements.len() as u32, elements);
    }

    /// `OBJ_ARRAY_DUMP` that claims a length of its own.
    pub fn object_array_of_length(
        &mut self,
        object: u64,
        class: u64,
        length: u32,
        elements: &[u64],
    ) {
        self.bytes.push(0x22);
        self.id(object);
        self.u4(0);
        self.u4(length);
        self.id(class);
        for element in elements {
            self.id(*element);
        }
    }

    /// `PRIM_ARRAY_DUMP` of so many elements, whose bytes are these.
    pub fn primitive_array(&mut self, object: u64, kind: u8, length: u32, bytes: &[u8]) {
        self.bytes.push(0x23);
        self.id(object);
        self.u4(0);
        self.u4(length);
        self.bytes.push(kind);
        self.bytes.extend(bytes);
    }
}
