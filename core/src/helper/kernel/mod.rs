//! Kernel functions that are built: one row each, the functions in a file per family.
//!
//! What the verifier asks of a call follows from the function's prototype, which the kernel's BTF has; what a call
//! needs to know of types is in its [`Site`].

mod arena;
mod bits;
pub mod dynptr;
mod iterator;
mod object;
mod section;
mod string;
pub mod tree;

use super::call::{Call, HelperFault};
use crate::arena::Memory;

/// A call of a kernel function in an image.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Site {
    /// Its slot.
    pub pc: u32,
    /// The function's name.
    pub name: &'static str,
    /// What runs it; `None` where nothing is built that does.
    pub function: Option<Function>,
    /// The allocated object that it is about.
    pub object: Layout,
}

/// What a call knows of an allocated object.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Layout {
    /// Bytes of it.
    pub size: u32,
    /// Where its reference count lies, where it has one.
    pub count: Option<u32>,
    /// Where the list's or tree's node lies in it.
    pub node: u32,
}

macro_rules! kernel_functions {
    ($($variant:ident $name:literal => $run:path;)*) => {
        /// A kernel function that is built.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[allow(missing_docs)]
        pub enum Function {
            $($variant,)*
            /// `bpf_throw`: the machine ends the frames.
            Throw,
            /// `bpf_rbtree_add_impl`: the machine calls back to compare.
            RbtreeAdd,
        }

        impl Function {
            /// The function of that name.
            pub fn by_name(name: &str) -> Option<Function> {
                match name {
                    $($name => Some(Function::$variant),)*
                    "bpf_throw" => Some(Function::Throw),
                    "bpf_rbtree_add_impl" => Some(Function::RbtreeAdd),
                    _ => None,
                }
            }
        }

        /// Runs a kernel function: its result for r0.
        ///
        /// # Errors
        /// A [`HelperFault`] for what no verified program does.
        pub fn dispatch<M: Memory>(
            function: Function,
            call: &mut Call<M>,
            site: &Site,
        ) -> Result<u64, HelperFault> {
            match function {
                $(Function::$variant => $run(call, site),)*
                Function::Throw | Function::RbtreeAdd => Ok(0),
            }
        }
    };
}

kernel_functions! {
    ArenaAllocPages "bpf_arena_alloc_pages" => arena::allocate;
    ArenaFreePages "bpf_arena_free_pages" => arena::free;
    ArenaReservePages "bpf_arena_reserve_pages" => arena::reserve;
    RcuReadLock "bpf_rcu_read_lock" => section::nothing;
    RcuReadUnlock "bpf_rcu_read_unlock" => section::nothing;
    PreemptDisable "bpf_preempt_disable" => section::nothing;
    PreemptEnable "bpf_preempt_enable" => section::nothing;
    LocalIrqSave "bpf_local_irq_save" => section::save_interrupts;
    LocalIrqRestore "bpf_local_irq_restore" => section::nothing;
    ResSpinLock "bpf_res_spin_lock" => section::nothing;
    ResSpinUnlock "bpf_res_spin_unlock" => section::nothing;
    IterNumNew "bpf_iter_num_new" => iterator::new;
    IterNumNext "bpf_iter_num_next" => iterator::next;
    IterNumDestroy "bpf_iter_num_destroy" => iterator::destroy;
    IterBitsNew "bpf_iter_bits_new" => bits::new;
    IterBitsNext "bpf_iter_bits_next" => bits::next;
    IterBitsDestroy "bpf_iter_bits_destroy" => bits::destroy;
    ObjNew "bpf_obj_new_impl" => object::new;
    ObjDrop "bpf_obj_drop_impl" => object::drop;
    RefcountAcquire "bpf_refcount_acquire_impl" => object::acquire;
    ListPushFront "bpf_list_push_front_impl" => object::push_front;
    ListPushBack "bpf_list_push_back_impl" => object::push_back;
    ListPopFront "bpf_list_pop_front" => object::pop_front;
    ListPopBack "bpf_list_pop_back" => object::pop_back;
    ListFront "bpf_list_front" => object::front;
    ListBack "bpf_list_back" => object::back;
    RbtreeRemove "bpf_rbtree_remove" => tree::remove;
    RbtreeFirst "bpf_rbtree_first" => tree::first;
    RbtreeRoot "bpf_rbtree_root" => tree::top;
    RbtreeLeft "bpf_rbtree_left" => tree::left;
    RbtreeRight "bpf_rbtree_right" => tree::right;
    RdonlyCast "bpf_rdonly_cast" => section::same;
    StreamVprintk "bpf_stream_vprintk_impl" => section::print;
    DynptrFromSkb "bpf_dynptr_from_skb" => dynptr::from_packet;
    DynptrFromXdp "bpf_dynptr_from_xdp" => dynptr::from_packet;
    DynptrSlice "bpf_dynptr_slice" => dynptr::slice;
    DynptrSliceRdwr "bpf_dynptr_slice_rdwr" => dynptr::slice_to_write;
    DynptrAdjust "bpf_dynptr_adjust" => dynptr::adjust;
    DynptrIsNull "bpf_dynptr_is_null" => dynptr::is_null;
    DynptrIsRdonly "bpf_dynptr_is_rdonly" => dynptr::is_read_only;
    DynptrSize "bpf_dynptr_size" => dynptr::size;
    DynptrClone "bpf_dynptr_clone" => dynptr::clone;
    DynptrCopy "bpf_dynptr_copy" => dynptr::copy;
    DynptrMemset "bpf_dynptr_memset" => dynptr::fill;
    Strcmp "bpf_strcmp" => string::compare;
    Strcasecmp "bpf_strcasecmp" => string::compare_caseless;
    Strchr "bpf_strchr" => string::find;
    Strchrnul "bpf_strchrnul" => string::find_or_end;
    Strnchr "bpf_strnchr" => string::find_within;
    Strrchr "bpf_strrchr" => string::find_last;
    Strlen "bpf_strlen" => string::length;
    Strnlen "bpf_strnlen" => string::length_within;
    Strspn "bpf_strspn" => string::span;
    Strcspn "bpf_strcspn" => string::span_without;
    Strstr "bpf_strstr" => string::search;
    Strnstr "bpf_strnstr" => string::search_within;
}

#[cfg(test)]
mod tests {
    use super::super::kernel_functions::KernelFunction;
    use super::Function;

    #[test]
    fn what_is_built_is_a_function_of_the_kernel() {
        for name in ["bpf_throw", "bpf_strnstr", "bpf_iter_num_next", "bpf_arena_alloc_pages"] {
            assert!(Function::by_name(name).is_some() && KernelFunction::by_name(name).is_some(), "{name}");
        }
        assert_eq!(Function::by_name("bpf_nothing"), None);
    }
}
