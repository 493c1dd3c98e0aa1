//! Faults of compiled code: a signal becomes the run's end.

use std::cell::Cell;
use std::mem;
use std::ptr;
use std::sync::OnceLock;

use glasshive::jit::x86_64::Code;
use glasshive::jit::x86_64::layout::Status;

/// Compiled code that runs on this thread.
pub struct Running<'a> {
    /// Address of its first byte.
    pub start: usize,
    /// The code.
    pub code: &'a Code,
    /// Where the arena's address 0 lies.
    pub base: usize,
    /// The arena's address of the access that met no memory.
    pub address: Cell<u64>,
}

thread_local! {
    static RUNNING: Cell<*const Running<'static>> = const { Cell::new(ptr::null()) };
}

/// Signals of an access that meets no memory, and what was to be done about each before.
static BEFORE: OnceLock<[(i32, libc::sigaction); 2]> = OnceLock::new();

/// Catches faults from now on; those of other code go where they went before.
pub fn install() {
    BEFORE.get_or_init(|| {
        [libc::SIGSEGV, libc::SIGBUS].map(|signal| {
            // SAFETY: all zeros are a valid action, and the handler has the form that SA_SIGINFO asks for.
            unsafe {
                let mut action: libc::sigaction = mem::zeroed();
                let mut before: libc::sigaction = mem::zeroed();
                action.sa_sigaction = handle as *const () as usize;
                action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
                libc::sigaction(signal, &action, &mut before);
                (signal, before)
            }
        })
    });
}

/// Calls what runs compiled code on this thread.
pub fn watched<T>(running: &Running, call: impl FnOnce() -> T) -> T {
    let before = RUNNING.replace(ptr::from_ref(running).cast());
    let result = call();
    RUNNING.set(before);
    result
}

/// Runs on the thread that faulted, in the middle of anything: it only reads, and changes registers.
extern "C" fn handle(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let running = RUNNING.get();
    // SAFETY: the pointer is null, or to what `watched` still holds.
    if let Some(running) = unsafe { running.as_ref() } {
        // SAFETY: with SA_SIGINFO the system gives the interrupted thread's registers, to be changed.
        let registers = unsafe { &mut (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs };
        let offset = (registers[libc::REG_RIP as usize] as usize).wrapping_sub(running.start);
        if offset < running.code.bytes.len()
            && let Some(pc) = running.code.slot_at(offset as u32)
        {
            // SAFETY: the system filled it in.
            let address = unsafe { (*info).si_addr() } as usize;
            running.address.set(address.wrapping_sub(running.base) as u64);
            registers[libc::REG_RIP as usize] = (running.start + running.code.unwind as usize) as i64;
            registers[libc::REG_R11 as usize] = pc.0.into();
            registers[libc::REG_RDX as usize] = Status::Fault as u64 as i64;
            return;
        }
    }
    pass_on(signal, info, context);
}

/// A fault of other code: as if this handler were not there.
fn pass_on(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let before = BEFORE.get().and_then(|rows| rows.iter().find(|row| row.0 == signal));
    let Some((_, before)) = before else { return };
    // SAFETY: what was installed before is called in its own form; by default the signal comes again, and
    // does what it does without a handler.
    unsafe {
        match before.sa_sigaction {
            libc::SIG_DFL | libc::SIG_IGN => {
                libc::sigaction(signal, before, ptr::null_mut());
            }
            handler if before.sa_flags & libc::SA_SIGINFO != 0 => {
                let handler: extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void) =
                    mem::transmute(handler);
                handler(signal, info, context);
            }
            handler => {
                let handler: extern "C" fn(i32) = mem::transmute(handler);
                handler(signal);
            }
        }
    }
}
