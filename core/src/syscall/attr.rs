//! `union bpf_attr` and the caller's memory.

use alloc::vec;
use alloc::vec::Vec;

use crate::errno::Errno;

/// The memory of whoever calls `bpf(2)`.
pub trait UserMemory {
    /// Copies bytes in.
    ///
    /// # Errors
    /// `EFAULT` where some of it is not there.
    fn read(&self, address: u64, out: &mut [u8]) -> Result<(), Errno>;
    /// Copies bytes out.
    ///
    /// # Errors
    /// `EFAULT` where some of it is not there.
    fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), Errno>;
}

/// Bytes of the running kernel's `union bpf_attr`.
pub const LEN: usize = 168;
/// Longest attribute that is read.
const LONGEST: u32 = 4096;
/// Most bytes that are read at once on behalf of a caller.
const MOST: usize = 1 << 30;

/// An attribute, as long as the kernel's: a shorter one is extended with zeros.
pub struct Attr {
    bytes: [u8; LEN],
    address: u64,
    size: usize,
}

impl Attr {
    /// Reads an attribute.
    ///
    /// # Errors
    /// `E2BIG` where it is too long or not zero past [`LEN`], `EFAULT` where it is not there.
    pub fn read(address: u64, size: u32, user: &dyn UserMemory) -> Result<Attr, Errno> {
        if size > LONGEST {
            return Err(Errno::E2BIG);
        }
        let mut given = vec![0; size as usize];
        user.read(address, &mut given)?;
        if given.iter().skip(LEN).any(|b| *b != 0) {
            return Err(Errno::E2BIG);
        }
        let mut bytes = [0; LEN];
        let len = given.len().min(LEN);
        bytes[..len].copy_from_slice(&given[..len]);
        Ok(Attr { bytes, address, size: size as usize })
    }

    /// # Errors
    /// `EINVAL` where a byte from `offset` on is not zero.
    pub fn check_zero_from(&self, offset: usize) -> Result<(), Errno> {
        if self.bytes[offset.min(LEN)..].iter().any(|b| *b != 0) { Err(Errno::EINVAL) } else { Ok(()) }
    }

    /// The 32-bit field at an offset.
    pub fn u32(&self, offset: usize) -> u32 {
        self.bytes[offset..].first_chunk().map_or(0, |b| u32::from_le_bytes(*b))
    }
    /// The signed 32-bit field at an offset.
    pub fn i32(&self, offset: usize) -> i32 {
        self.u32(offset) as i32
    }
    /// The 64-bit field at an offset.
    pub fn u64(&self, offset: usize) -> u64 {
        self.bytes[offset..].first_chunk().map_or(0, |b| u64::from_le_bytes(*b))
    }
    /// The bytes of a field.
    pub fn bytes(&self, offset: usize, len: usize) -> &[u8] {
        &self.bytes[offset..offset + len]
    }

    /// Writes a field back to the caller.
    ///
    /// # Errors
    /// `EFAULT` where it can't be written.
    pub fn write_back(&self, offset: usize, bytes: &[u8], user: &mut dyn UserMemory) -> Result<(), Errno> {
        user.write(self.address.wrapping_add(offset as u64), bytes)
    }

    /// The same for fields that are newer than the command, where the attribute reaches that far.
    ///
    /// # Errors
    /// `EFAULT` where it can't be written.
    pub fn write_back_new(
        &self,
        offset: usize,
        bytes: &[u8],
        user: &mut dyn UserMemory,
    ) -> Result<(), Errno> {
        if offset + bytes.len() > self.size {
            return Ok(());
        }
        self.write_back(offset, bytes, user)
    }

    /// An object's name field: 16 bytes, ended by a zero; what follows it counts for nothing.
    ///
    /// # Errors
    /// `EINVAL` without an end, or for a character other than `_`, `.` and the letters and digits of Latin-1,
    /// which is what the running kernel takes for letters.
    pub fn name(&self, offset: usize) -> Result<alloc::string::String, Errno> {
        let field = self.bytes(offset, 16);
        let len = field.iter().position(|b| *b == 0).ok_or(Errno::EINVAL)?;
        let latin = |b: u8| b >= 0xc0 && !matches!(b, 0xd7 | 0xf7);
        let allowed = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.') || latin(*b);
        if !field[..len].iter().all(allowed) {
            return Err(Errno::EINVAL);
        }
        Ok(field[..len].iter().map(|b| char::from(*b)).collect())
    }
}

/// A name as [`Attr::name`] read it.
pub fn name_bytes(name: &str) -> [u8; 16] {
    let mut bytes = [0; 16];
    for (byte, c) in bytes.iter_mut().zip(name.chars().take(15)) {
        *byte = u8::try_from(c).unwrap_or(b'?');
    }
    bytes
}

/// Copies bytes in.
///
/// # Errors
/// `EFAULT` where some of it is not there, `ENOMEM` for more than can be.
pub fn read_bytes(user: &dyn UserMemory, address: u64, len: usize) -> Result<Vec<u8>, Errno> {
    if len > MOST {
        return Err(Errno::ENOMEM);
    }
    let mut bytes = vec![0; len];
    user.read(address, &mut bytes)?;
    Ok(bytes)
}

/// Copies a text in, up to its zero.
///
/// # Errors
/// `EFAULT` where some of it is not there, `ENAMETOOLONG` where it has no end within `most` bytes.
pub fn read_text(user: &dyn UserMemory, address: u64, most: usize) -> Result<alloc::string::String, Errno> {
    const PAGE: u64 = 4096;
    let mut text: Vec<u8> = Vec::new();
    while text.len() < most {
        // Never past the page that the text may end in.
        let at = address.wrapping_add(text.len() as u64);
        let room = (PAGE - at % PAGE).min((most - text.len()) as u64);
        let bytes = read_bytes(user, at, room as usize)?;
        if let Some(end) = bytes.iter().position(|byte| *byte == 0) {
            text.extend(&bytes[..end]);
            return Ok(alloc::string::String::from_utf8_lossy(&text).into_owned());
        }
        text.extend(bytes);
    }
    Err(Errno::ENAMETOOLONG)
}
