//! `bpf(2)`: attribute decoding, the descriptor table, one file per group of commands.
//!
//! [`Kernel`] is the whole system as one value. It has two doors that lead to the same operations: the bytes
//! of [`Kernel::bpf`], and the typed methods of the groups' files ([`maps`], [`programs`], [`test_run`]).

pub mod attr;
mod batch;
mod create;
pub mod descriptors;
mod ids;
pub mod info;
mod links;
mod map_btf;
pub mod mapping;
pub mod maps;
pub mod pins;
pub mod programs;
pub mod recorded_run;
pub mod test_run;

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;

use crate::arena::Memory;
use crate::errno::Errno;
use crate::interp::Mode;
use crate::jit::Compiler;
use crate::object::btf::kernel::KernelTypes;
use crate::object::btf::{Btf, BtfError};
use crate::resources::Resources;

use attr::{Attr, UserMemory};
use descriptors::{Descriptors, Object, Table};
use programs::{Program, ProgramId};

/// Capabilities of `capabilities(7)` that `bpf(2)` looks at, as bits of a mask.
#[allow(missing_docs)]
pub mod capability {
    pub const NET_ADMIN: u64 = 1 << 12;
    pub const SYS_ADMIN: u64 = 1 << 21;
    pub const PERFMON: u64 = 1 << 38;
    pub const BPF: u64 = 1 << 39;
}

/// The whole system: descriptors, maps, programs, BTF, time and chance. The same calls give the same
/// answers, to the byte.
pub struct Kernel<M> {
    /// What programs act on.
    pub resources: Resources<M>,
    table: Table,
    programs: BTreeMap<ProgramId, Program<M>>,
    btfs: BTreeMap<u32, LoadedBtf>,
    pins: pins::Pins,
    last_program: u32,
    last_btf: u32,
    capabilities: u64,
    compiler: Option<Box<dyn Compiler<M> + Send>>,
    kernel_types: Option<Arc<KernelTypes>>,
    mode: Mode,
    /// The BTF of maps' values.
    map_types: BTreeMap<crate::map::MapId, Arc<Btf>>,
    /// The same of the maps in maps of maps.
    inner_map_types: BTreeMap<crate::map::MapId, Arc<Btf>>,
}

/// BTF that was loaded.
struct LoadedBtf {
    btf: Arc<Btf>,
    /// As it was given.
    bytes: alloc::vec::Vec<u8>,
    references: u32,
}

/// A command: what of its attribute it knows, and what it does.
struct Command<M> {
    number: i32,
    /// Bytes of the attribute that the command has fields in: past them it has to be zero.
    len: usize,
    run: fn(&mut Kernel<M>, &mut Attr, &mut dyn UserMemory) -> Result<i64, Errno>,
}

impl<M: Memory + 'static> Kernel<M> {
    /// The commands that are built. `len` is what the running kernel takes.
    const COMMANDS: &'static [Command<M>] = &[
        Command { number: 0, len: 92, run: create::create },
        Command { number: 1, len: 32, run: maps::lookup },
        Command { number: 2, len: 32, run: maps::update },
        Command { number: 3, len: 16, run: maps::delete },
        Command { number: 4, len: 24, run: maps::next_key },
        Command { number: 5, len: 168, run: programs::load },
        Command { number: 6, len: 20, run: pins::pin },
        Command { number: 7, len: 20, run: pins::get },
        Command { number: 8, len: 32, run: links::attach },
        Command { number: 9, len: 32, run: links::detach },
        Command { number: 10, len: 76, run: test_run::run },
        Command { number: 11, len: 8, run: ids::next_program },
        Command { number: 12, len: 8, run: ids::next_map },
        Command { number: 13, len: 4, run: ids::program },
        Command { number: 14, len: 12, run: ids::map },
        Command { number: 15, len: 16, run: info::by_fd },
        Command { number: 16, len: 64, run: links::query },
        Command { number: 17, len: 24, run: links::raw_tracepoint },
        Command { number: 18, len: 32, run: info::btf_load },
        Command { number: 19, len: 16, run: ids::btf },
        Command { number: 20, len: 48, run: links::task_fd },
        Command { number: 21, len: 32, run: maps::lookup_and_delete },
        Command { number: 22, len: 4, run: maps::freeze },
        Command { number: 23, len: 8, run: ids::next_btf },
        Command { number: 24, len: 56, run: batch::lookup },
        Command { number: 25, len: 56, run: batch::lookup_and_delete },
        Command { number: 26, len: 56, run: batch::update },
        Command { number: 27, len: 56, run: batch::delete },
        Command { number: 28, len: 64, run: links::create },
        Command { number: 29, len: 16, run: links::on_link },
        Command { number: 30, len: 4, run: ids::link },
        Command { number: 31, len: 8, run: ids::next_link },
        Command { number: 33, len: 8, run: links::iterator },
        Command { number: 34, len: 4, run: links::on_link },
        Command { number: 35, len: 12, run: links::bind_map },
        Command { number: 36, len: 8, run: links::token },
        Command { number: 37, len: 20, run: links::stream },
    ];
    /// The last command that the running kernel knows (`BPF_PROG_STREAM_READ_BY_FD`).
    const LAST_COMMAND: i32 = 37;

    /// An empty system over the host's memory, with `cpus` possible CPUs; descriptors are numbered by the
    /// host.
    pub fn new(memory: M, cpus: u32, seed: u64, descriptors: Box<dyn Descriptors + Send>) -> Kernel<M> {
        Kernel {
            resources: Resources::new(memory, cpus, seed),
            table: Table::new(descriptors),
            programs: BTreeMap::new(),
            btfs: BTreeMap::new(),
            pins: pins::Pins::default(),
            last_program: 0,
            last_btf: 0,
            capabilities: u64::MAX,
            compiler: None,
            kernel_types: None,
            mode: Mode::Plain,
            map_types: BTreeMap::new(),
            inner_map_types: BTreeMap::new(),
        }
    }

    /// Test runs compile with this from now on; without one, and what it does not compile, they interpret.
    pub fn set_compiler(&mut self, compiler: Option<Box<dyn Compiler<M> + Send>>) {
        self.compiler = compiler;
    }

    /// How closely test runs are watched where they are interpreted; [`Mode::Plain`] until this is called.
    pub fn set_mode(&mut self, mode: Mode) {
        self.mode = mode;
    }

    /// Whether the caller has a capability: `CAP_SYS_ADMIN` stands for each that `bpf(2)` looks at.
    fn has(&self, bit: u64) -> bool {
        self.capabilities & (bit | capability::SYS_ADMIN) != 0
    }

    /// The capabilities that later calls have; all of them until this is called.
    pub fn set_capabilities(&mut self, mask: u64) {
        self.capabilities = mask;
    }

    /// Gives the system its kernel's BTF (what `/sys/kernel/btf/vmlinux` holds): the types that kernel
    /// functions and typed pointers are checked by.
    ///
    /// # Errors
    /// Where the bytes are not BTF; the system keeps what it had.
    pub fn set_kernel_btf(&mut self, bytes: &[u8]) -> Result<(), BtfError> {
        self.kernel_types = Some(Arc::new(KernelTypes::parse(bytes)?));
        Ok(())
    }

    /// The same with types that were read before, for several systems of one kernel.
    pub fn share_kernel_types(&mut self, types: Arc<KernelTypes>) {
        self.kernel_types = Some(types);
    }

    /// The system call: `attr` is the address of `union bpf_attr` in `user`, `size` its length.
    ///
    /// # Errors
    /// As bpf(2): `E2BIG` for an attribute that is longer than 4,096 bytes or not zero past what is known,
    /// `EFAULT` for memory that is not there, `EINVAL` for an unknown command; `EOPNOTSUPP` for one that is
    /// not built yet.
    pub fn bpf(
        &mut self,
        command: i32,
        attr: u64,
        size: u32,
        user: &mut dyn UserMemory,
    ) -> Result<i64, Errno> {
        let mut attr = Attr::read(attr, size, user)?;
        let Some(row) = Self::COMMANDS.iter().find(|row| row.number == command) else {
            let known = (0..=Self::LAST_COMMAND).contains(&command);
            return Err(if known { Errno::EOPNOTSUPP } else { Errno::EINVAL });
        };
        attr.check_zero_from(row.len)?;
        let done = (row.run)(self, &mut attr, user);
        self.settle();
        done
    }

    /// Takes one more reference to an object, for a descriptor or a path.
    fn hold(&mut self, object: Object) {
        match object {
            Object::Map(id) => self.resources.hold_map_for_user(id),
            Object::Program(id) => self.hold_program(id),
            Object::Btf(id) => {
                if let Some(btf) = self.btfs.get_mut(&id) {
                    btf.references += 1;
                }
            }
        }
    }

    /// Gives a descriptor's or a path's reference back.
    fn release(&mut self, object: Object) {
        match object {
            Object::Map(id) => self.resources.release_map_for_user(id),
            Object::Program(id) => self.release_program(id),
            Object::Btf(id) => self.release_btf(id),
        }
        self.settle();
    }

    /// Gives a reference to BTF back; the last one frees it.
    fn release_btf(&mut self, id: u32) {
        if let Some(btf) = self.btfs.get_mut(&id) {
            btf.references -= 1;
            if btf.references == 0 {
                self.btfs.remove(&id);
            }
        }
    }

    /// Closes a descriptor; the last one of an object frees it.
    ///
    /// # Errors
    /// `EBADF` where there is no such descriptor.
    pub fn close(&mut self, fd: i32) -> Result<(), Errno> {
        if let Some(object) = self.table.remove(fd)? {
            self.release(object);
        }
        Ok(())
    }

    /// The host made one more number for a descriptor (`dup(2)`): each is closed on its own.
    ///
    /// # Errors
    /// `EBADF` where there is no such descriptor.
    pub fn duplicated(&mut self, fd: i32) -> Result<(), Errno> {
        self.table.duplicated(fd)
    }

    /// What a descriptor stands for.
    ///
    /// # Errors
    /// `EBADF` where it is none, `EINVAL` where it is the host's own.
    pub fn object(&self, fd: i32) -> Result<Object, Errno> {
        self.table.get(fd)
    }
}
