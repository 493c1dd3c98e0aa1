//! `union bpf_attr`, command by command.

use glasshive::errno::Errno;

use super::Bpf;

/// Commands by their uapi numbers.
#[allow(missing_docs)]
pub mod command {
    pub const MAP_CREATE: i32 = 0;
    pub const MAP_LOOKUP_ELEM: i32 = 1;
    pub const MAP_UPDATE_ELEM: i32 = 2;
    pub const MAP_DELETE_ELEM: i32 = 3;
    pub const MAP_GET_NEXT_KEY: i32 = 4;
    pub const PROG_LOAD: i32 = 5;
    pub const PROG_TEST_RUN: i32 = 10;
    pub const OBJ_GET_INFO_BY_FD: i32 = 15;
    pub const BTF_LOAD: i32 = 18;
    pub const MAP_LOOKUP_AND_DELETE_ELEM: i32 = 21;
    pub const MAP_FREEZE: i32 = 22;
}

/// Bytes of the running kernel's `union bpf_attr`.
pub const ATTR_LEN: usize = 168;

/// An attribute's bytes, field by field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attr(pub [u8; ATTR_LEN]);

impl Default for Attr {
    fn default() -> Attr {
        Attr([0; ATTR_LEN])
    }
}

impl Attr {
    /// The attribute with a field of 1 to 8 bytes set.
    pub fn with<const N: usize>(mut self, offset: usize, bytes: [u8; N]) -> Attr {
        self.0[offset..offset + N].copy_from_slice(&bytes);
        self
    }
    /// The attribute with a 32-bit field set.
    pub fn u32(self, offset: usize, value: u32) -> Attr {
        self.with(offset, value.to_le_bytes())
    }
    /// The attribute with a descriptor set.
    pub fn fd(self, offset: usize, fd: i64) -> Attr {
        self.u32(offset, fd as u32)
    }
    /// The attribute with a 64-bit field set.
    pub fn u64(self, offset: usize, value: u64) -> Attr {
        self.with(offset, value.to_le_bytes())
    }
    /// A 32-bit field.
    pub fn get_u32(&self, offset: usize) -> u32 {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(&self.0[offset..offset + 4]);
        u32::from_le_bytes(bytes)
    }
}

/// An address of bytes for a field; 0 for none.
pub fn address(bytes: &[u8]) -> u64 {
    if bytes.is_empty() { 0 } else { bytes.as_ptr() as u64 }
}

/// `ok`, or an error's name.
pub fn errno_name(ret: i64) -> String {
    if ret >= 0 {
        return "ok".into();
    }
    errno(ret).map_or_else(|| format!("errno {}", -ret), String::from)
}

fn errno(ret: i64) -> Option<&'static str> {
    Errno::from_number(i32::try_from(-ret).ok()?).name()
}

/// `BPF_PROG_LOAD`.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct Load<'a> {
    pub program_type: u32,
    pub expected_attach_type: u32,
    pub flags: u32,
    /// With its terminating zero; empty for a null pointer.
    pub license: &'a [u8],
    pub insns: &'a [u8],
    pub log_level: u32,
    /// Bytes of the log's buffer; none at level 0.
    pub log_size: usize,
    pub kern_version: u32,
    pub name: &'a str,
    pub btf_fd: i64,
    pub func_info: &'a [u8],
    pub func_info_size: u32,
    pub line_info: &'a [u8],
    pub line_info_size: u32,
    pub attach_btf_id: u32,
    pub fd_array: Option<&'a [i32]>,
    pub fd_array_count: u32,
}

impl Default for Load<'_> {
    fn default() -> Self {
        Load {
            program_type: 1,
            expected_attach_type: 0,
            flags: 0,
            license: b"GPL\0",
            insns: &[],
            log_level: 0,
            log_size: 1 << 20,
            kern_version: 0,
            name: "",
            btf_fd: 0,
            func_info: &[],
            func_info_size: 8,
            line_info: &[],
            line_info_size: 16,
            attach_btf_id: 0,
            fd_array: None,
            fd_array_count: 0,
        }
    }
}

/// What a load answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// A descriptor, or `-errno`.
    pub ret: i64,
    /// The log, without its terminating zero.
    pub log: String,
    /// `log_true_size`
    pub log_true_size: u32,
}

impl Load<'_> {
    /// The attribute, with a buffer for the log.
    pub fn attr(&self, log: &[u8]) -> Attr {
        let mut name = [0; 16];
        let len = self.name.len().min(15);
        name[..len].copy_from_slice(&self.name.as_bytes()[..len]);
        let count = |bytes: &[u8], size: u32| (bytes.len() as u32).checked_div(size).unwrap_or(0);
        let size = |bytes: &[u8], size: u32| if bytes.is_empty() { 0 } else { size };
        let fd_array = self.fd_array.map_or(0, |fds| fds.as_ptr() as u64);
        Attr::default()
            .u32(0, self.program_type)
            .u32(4, (self.insns.len() / 8) as u32)
            .u64(8, self.insns.as_ptr() as u64)
            .u64(16, address(self.license))
            .u32(24, self.log_level)
            .u32(28, log.len() as u32)
            .u64(32, address(log))
            .u32(40, self.kern_version)
            .u32(44, self.flags)
            .with(48, name)
            .u32(68, self.expected_attach_type)
            .fd(72, self.btf_fd)
            .u32(76, size(self.func_info, self.func_info_size))
            .u64(80, address(self.func_info))
            .u32(88, count(self.func_info, self.func_info_size))
            .u32(92, size(self.line_info, self.line_info_size))
            .u64(96, address(self.line_info))
            .u32(104, count(self.line_info, self.line_info_size))
            .u32(108, self.attach_btf_id)
            .u64(120, fd_array)
            .u32(148, self.fd_array_count)
    }

    /// Loads, with a buffer for the log of [`Load::log_size`] bytes.
    pub fn call(&self, side: &dyn Bpf) -> Loaded {
        self.call_with(side, &mut vec![0; if self.log_level == 0 { 0 } else { self.log_size }])
    }

    /// Loads; the log goes into the buffer. None is given at level 0.
    pub fn call_with(&self, side: &dyn Bpf, log: &mut [u8]) -> Loaded {
        let log = if self.log_level == 0 { &mut [] } else { log };
        if let Some(first) = log.first_mut() {
            *first = 0;
        }
        let mut attr = self.attr(log);
        let ret = side.bpf(command::PROG_LOAD, &mut attr.0, ATTR_LEN as u32);
        let end = log.iter().position(|b| *b == 0).unwrap_or(log.len());
        let log = String::from_utf8_lossy(&log[..end]).into_owned();
        Loaded { ret, log, log_true_size: attr.get_u32(140) }
    }
}

/// `BPF_MAP_CREATE`.
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs)]
pub struct MapCreate<'a> {
    pub map_type: u32,
    pub key_size: u32,
    pub value_size: u32,
    pub max_entries: u32,
    pub flags: u32,
    pub inner_map_fd: i64,
    pub numa_node: u32,
    pub name: &'a str,
    pub btf_fd: i64,
    pub btf_key_type_id: u32,
    pub btf_value_type_id: u32,
    pub btf_vmlinux_value_type_id: u32,
    pub extra: u64,
}

impl MapCreate<'_> {
    /// The attribute.
    pub fn attr(&self) -> Attr {
        let mut name = [0; 16];
        let len = self.name.len().min(15);
        name[..len].copy_from_slice(&self.name.as_bytes()[..len]);
        Attr::default()
            .u32(0, self.map_type)
            .u32(4, self.key_size)
            .u32(8, self.value_size)
            .u32(12, self.max_entries)
            .u32(16, self.flags)
            .fd(20, self.inner_map_fd)
            .u32(24, self.numa_node)
            .with(28, name)
            .fd(48, self.btf_fd)
            .u32(52, self.btf_key_type_id)
            .u32(56, self.btf_value_type_id)
            .u32(60, self.btf_vmlinux_value_type_id)
            .u64(64, self.extra)
    }

    /// Creates; a descriptor, or `-errno`.
    pub fn call(&self, side: &dyn Bpf) -> i64 {
        side.bpf(command::MAP_CREATE, &mut self.attr().0, ATTR_LEN as u32)
    }
}

/// An element command: `key` and `value` are addresses, 0 for null.
pub fn element(side: &dyn Bpf, command: i32, fd: i64, key: u64, value: u64, flags: u64) -> i64 {
    let mut attr = Attr::default().fd(0, fd).u64(8, key).u64(16, value).u64(24, flags);
    side.bpf(command, &mut attr.0, 32)
}

/// `BPF_MAP_UPDATE_ELEM`.
pub fn update(side: &dyn Bpf, fd: i64, key: Option<&[u8]>, value: &[u8], flags: u64) -> i64 {
    element(side, command::MAP_UPDATE_ELEM, fd, key.map_or(0, address), address(value), flags)
}

/// `BPF_BTF_LOAD`; a descriptor, or `-errno`.
pub fn btf_load(side: &dyn Bpf, bytes: &[u8]) -> i64 {
    let mut attr = Attr::default().u64(0, address(bytes)).u32(16, bytes.len() as u32);
    side.bpf(command::BTF_LOAD, &mut attr.0, ATTR_LEN as u32)
}

/// `BPF_PROG_TEST_RUN`.
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs)]
pub struct TestRun<'a> {
    pub data: Option<&'a [u8]>,
    pub context: Option<&'a [u8]>,
    /// Bytes of the buffers for what comes out; 0 for none.
    pub data_out: usize,
    pub context_out: usize,
    pub repeat: u32,
    pub flags: u32,
    pub cpu: u32,
}

/// What a test run answered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Ran {
    /// 0 or `-errno`.
    pub ret: i64,
    pub value: u32,
    pub data: Vec<u8>,
    pub data_size: u32,
    pub context: Vec<u8>,
    pub context_size: u32,
}

impl TestRun<'_> {
    /// Runs.
    pub fn call(&self, side: &dyn Bpf, fd: i64) -> Ran {
        let (mut data, mut context) = (vec![0; self.data_out], vec![0; self.context_out]);
        let given = |bytes: Option<&[u8]>| bytes.map_or((0, 0), |b| (b.as_ptr() as u64, b.len() as u32));
        let ((data_in, data_len), (context_in, context_len)) = (given(self.data), given(self.context));
        let mut attr = Attr::default()
            .fd(0, fd)
            .u32(8, data_len)
            .u32(12, self.data_out as u32)
            .u64(16, data_in)
            .u64(24, address(&data))
            .u32(32, self.repeat)
            .u32(40, context_len)
            .u32(44, self.context_out as u32)
            .u64(48, context_in)
            .u64(56, address(&context))
            .u32(64, self.flags)
            .u32(68, self.cpu);
        let ret = side.bpf(command::PROG_TEST_RUN, &mut attr.0, 80);
        let (data_size, context_size) = (attr.get_u32(12), attr.get_u32(44));
        data.truncate(data_size as usize);
        context.truncate(context_size as usize);
        Ran { ret, value: attr.get_u32(4), data, data_size, context, context_size }
    }
}
