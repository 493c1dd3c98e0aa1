//! What runs programs on this machine besides the interpreter.

use glasshive::image::Image;
use glasshive::jit::Compiler;

use crate::memory::ReservedMemory;

/// The compiler for this machine, for [`Kernel::set_compiler`](glasshive::syscall::Kernel::set_compiler); `None`
/// where there is none.
pub fn compiler() -> Option<Box<dyn Compiler<ReservedMemory> + Send>> {
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    return Some(Box::new(crate::jit::MachineCode));
    #[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
    None
}

/// Whether an image can be compiled here.
///
/// # Errors
/// Why not, in words.
pub fn check(image: &Image) -> Result<(), String> {
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    return crate::jit::Executable::new(image).map(|_| ()).map_err(|error| error.to_string());
    #[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
    {
        let _ = image;
        Err("machine code is made for x86-64 Linux alone".into())
    }
}
