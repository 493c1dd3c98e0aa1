//! The eight bytes of an instruction, before they mean anything.

/// One 64-bit instruction slot (RFC 9669 section 3): fields split out, nothing checked.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct RawInsn {
    /// Opcode: class in the low three bits.
    pub code: u8,
    /// Destination register field (low nibble of byte 1), 0 to 15.
    pub dst: u8,
    /// Source register field (high nibble of byte 1), 0 to 15.
    pub src: u8,
    /// Signed offset.
    pub off: i16,
    /// Signed immediate.
    pub imm: i32,
}

impl RawInsn {
    /// Size of an instruction slot in bytes.
    pub const SIZE: usize = 8;

    /// Reads one slot, little-endian.
    pub fn from_bytes(b: [u8; 8]) -> RawInsn {
        RawInsn {
            code: b[0],
            dst: b[1] & 15,
            src: b[1] >> 4,
            off: i16::from_le_bytes([b[2], b[3]]),
            imm: i32::from_le_bytes([b[4], b[5], b[6], b[7]]),
        }
    }

    /// Writes one slot, little-endian.
    pub fn to_bytes(self) -> [u8; 8] {
        let (o, i) = (self.off.to_le_bytes(), self.imm.to_le_bytes());
        [self.code, (self.dst & 15) | self.src << 4, o[0], o[1], i[0], i[1], i[2], i[3]]
    }
}
