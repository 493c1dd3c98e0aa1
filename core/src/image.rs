//! What the engines run: a program after the verifier, with every map resolved to an address.

pub mod lowered;

use alloc::boxed::Box;
use alloc::vec::Vec;

use core::fmt;
use lowered::Op;
use once_cell::race::OnceBox;

use crate::helper::kernel::Site;
use crate::isa::{Imm64, Insn, Pc};
use crate::map::MapId;

/// How an engine performs a load or store.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Access {
    /// A fault is an error.
    #[default]
    Normal,
    /// A fault reads 0: the address is a kernel object's, which may be gone.
    Probe,
    /// Memory of an arena map, from its own base: faults read 0 and drop stores.
    ArenaMap,
}

/// A function of an image.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Function {
    /// Its first slot.
    pub start: Pc,
    /// Bytes of stack that it uses, at most 512.
    pub stack_depth: u32,
}

/// Operations that are made when first asked for. They follow from the instructions: a copy makes its own.
#[derive(Default)]
struct Lazy(OnceBox<Vec<Op>>);

impl Clone for Lazy {
    fn clone(&self) -> Lazy {
        Lazy::default()
    }
}

impl PartialEq for Lazy {
    fn eq(&self, _: &Lazy) -> bool {
        true
    }
}

impl Eq for Lazy {}

impl fmt::Debug for Lazy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.get().is_some() { "made" } else { "not made yet" })
    }
}

/// An array map that a program names: what a look-up needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Array {
    /// Address of its handle.
    pub handle: u32,
    /// Address of its first value.
    pub base: u32,
    /// Bytes from one value to the next.
    pub stride: u32,
    /// Number of values.
    pub len: u32,
}

/// The arena that a program works on: what [`Access::ArenaMap`] and casts of addresses are about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ArenaMap {
    /// The map.
    pub map: MapId,
    /// The process's address of its first page.
    pub start: u64,
}

/// A program as the engines take it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Image {
    insns: Vec<Insn>,
    access: Vec<Access>,
    functions: Vec<Function>,
    arrays: Vec<Array>,
    arena: Option<ArenaMap>,
    kernel_calls: Vec<Site>,
    exception_callback: Option<Pc>,
    exact: Lazy,
    fused: Lazy,
}

impl Image {
    fn new(insns: Vec<Insn>, access: Vec<Access>, functions: Vec<Function>) -> Image {
        Image {
            insns,
            access,
            functions,
            arrays: Vec::new(),
            arena: None,
            kernel_calls: Vec::new(),
            exception_callback: None,
            exact: Lazy::default(),
            fused: Lazy::default(),
        }
    }

    /// The slots lowered, one operation each; made when first asked for.
    pub fn exact(&self) -> &[Op] {
        self.exact.0.get_or_init(|| Box::new(lowered::exact(self)))
    }
    /// The slots lowered, where it pays two at once; made when first asked for.
    pub fn fused(&self) -> &[Op] {
        self.fused.0.get_or_init(|| Box::new(lowered::fused(self)))
    }

    /// An image of what the verifier accepted.
    ///
    /// `insns` has an entry per slot; the second slot of a [`Insn::LoadImm64`] holds a copy of the first,
    /// and is never run. Every [`Insn::LoadImm64`] is an [`Imm64::Value`] or [`Imm64::Function`].
    /// `access` has an entry per slot. `functions` is sorted by start, and begins with slot 0.
    pub(crate) fn verified(insns: Vec<Insn>, access: Vec<Access>, functions: Vec<Function>) -> Image {
        debug_assert_eq!(insns.len(), access.len());
        debug_assert!(insns.iter().all(|i| !matches!(
            i,
            Insn::LoadImm64 { value, .. } if !matches!(value, Imm64::Value(_) | Imm64::Function { .. })
        )));
        Image::new(insns, access, functions)
    }

    /// An image of raw instructions that no verifier saw, for tests and benches of engines. `bpf(2)`
    /// can't reach it.
    pub fn unverified(insns: Vec<Insn>) -> Image {
        let mut starts: Vec<Pc> = alloc::vec![Pc(0)];
        for (at, insn) in insns.iter().enumerate() {
            let relative = match insn {
                Insn::Call(crate::isa::CallTarget::Local(offset)) => *offset,
                Insn::LoadImm64 { value: Imm64::Function { offset }, .. } => *offset,
                _ => continue,
            };
            if let Ok(start) = u32::try_from(at as i64 + 1 + relative as i64) {
                starts.push(Pc(start));
            }
        }
        starts.sort();
        starts.dedup();
        let functions = starts.into_iter().map(|start| Function { start, stack_depth: 512 }).collect();
        let access = alloc::vec![Access::Normal; insns.len()];
        Image::new(insns, access, functions)
    }

    /// The instructions, one entry per slot.
    #[inline]
    pub fn insns(&self) -> &[Insn] {
        &self.insns
    }
    /// How each slot's load or store is performed.
    #[inline]
    pub fn access(&self) -> &[Access] {
        &self.access
    }
    /// The image, with what look-ups of its array maps need, in any order.
    #[must_use]
    pub fn with_arrays(self, arrays: Vec<Array>) -> Image {
        Image { arrays, ..self }
    }
    /// The array maps that it names, where that is known.
    pub fn arrays(&self) -> &[Array] {
        &self.arrays
    }
    /// The image, with the arena that it works on.
    #[must_use]
    pub fn with_arena(self, arena: Option<ArenaMap>) -> Image {
        Image { arena, ..self }
    }
    /// The arena that it works on.
    pub fn arena(&self) -> Option<ArenaMap> {
        self.arena
    }
    /// The image, with its calls of kernel functions by slot.
    #[must_use]
    pub fn with_kernel_calls(self, kernel_calls: Vec<Site>) -> Image {
        Image { kernel_calls, ..self }
    }
    /// The call of a kernel function at a slot.
    pub fn kernel_call(&self, pc: Pc) -> Option<&Site> {
        let at = self.kernel_calls.binary_search_by_key(&pc.0, |site| site.pc).ok()?;
        self.kernel_calls.get(at)
    }
    /// The image, with the function that ends it when an exception was thrown.
    #[must_use]
    pub fn with_exception_callback(self, exception_callback: Option<Pc>) -> Image {
        Image { exception_callback, ..self }
    }
    /// The function that ends it when an exception was thrown.
    pub fn exception_callback(&self) -> Option<Pc> {
        self.exception_callback
    }
    /// The functions, by start.
    pub fn functions(&self) -> &[Function] {
        &self.functions
    }
}
