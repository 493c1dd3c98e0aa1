//! Kernel functions that open and close sections: there is nobody to be kept out.

use super::Site;
use crate::arena::Memory;
use crate::helper::call::{Call, HelperFault};

/// What closes a section, or opens one that leaves nothing behind.
pub fn nothing<M: Memory>(_: &mut Call<M>, _: &Site) -> Result<u64, HelperFault> {
    Ok(0)
}

/// `void bpf_local_irq_save(unsigned long *flags)`: interrupts were on.
pub fn save_interrupts<M: Memory>(call: &mut Call<M>, _: &Site) -> Result<u64, HelperFault> {
    call.write(0, &0x200_u64.to_le_bytes())?;
    Ok(0)
}
