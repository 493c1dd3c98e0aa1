//! Packets of a capture file: the classic pcap format (draft-ietf-opsawg-pcap), either byte order,
//! micro- or nanoseconds.

/// A packet of a capture.
#[derive(Clone, PartialEq, Debug)]
pub struct Packet {
    /// Seconds since the first packet.
    pub seconds: f64,
    /// Length on the wire; more than was kept where the capture cut it.
    pub length: u32,
    /// What was kept.
    pub data: Vec<u8>,
}

const ETHERNET: u32 = 1;

/// Reads a capture.
///
/// # Errors
/// What is wrong, and where.
pub fn parse(bytes: &[u8]) -> Result<Vec<Packet>, String> {
    let magic = bytes.first_chunk::<4>().ok_or("the file is shorter than a pcap header")?;
    let (little, unit) = match u32::from_le_bytes(*magic) {
        0xa1b2_c3d4 => (true, 1e6),
        0xa1b2_3c4d => (true, 1e9),
        0xd4c3_b2a1 => (false, 1e6),
        0x4d3c_b2a1 => (false, 1e9),
        0x0a0d_0d0a => {
            return Err("a pcapng file; only classic pcap is read (editcap -F pcap converts)".into());
        }
        other => return Err(format!("not a pcap file: it begins with {other:#010x}, not 0xa1b2c3d4")),
    };
    let word = |at: usize| -> Option<u32> {
        let four: [u8; 4] = bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(if little { u32::from_le_bytes(four) } else { u32::from_be_bytes(four) })
    };
    let link = word(20).ok_or("the file is shorter than a pcap header")? & 0xffff;
    if link != ETHERNET {
        return Err(format!("link type {link}; programs run on Ethernet frames (link type 1)"));
    }
    let mut packets = Vec::new();
    let mut at = 24;
    let mut begin = None;
    while at < bytes.len() {
        let cut = || format!("the file ends inside packet {} at byte {at}", packets.len() + 1);
        let header = |field: usize| word(at + field * 4).ok_or_else(cut);
        let seconds = f64::from(header(0)?) + f64::from(header(1)?) / unit;
        let (kept, length) = (header(2)? as usize, header(3)?);
        let from = at + 16;
        let data = from.checked_add(kept).and_then(|to| bytes.get(from..to)).ok_or_else(cut)?;
        packets.push(Packet {
            seconds: seconds - *begin.get_or_insert(seconds),
            length,
            data: data.to_vec(),
        });
        at = from + kept;
    }
    if packets.is_empty() { Err("the capture holds no packet".into()) } else { Ok(packets) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capture(big: bool, magic: u32, link: u32, packets: &[&[u8]]) -> Vec<u8> {
        let word = |value: u32| if big { value.to_be_bytes() } else { value.to_le_bytes() };
        let mut out = Vec::new();
        for value in [magic, 0x0004_0002, 0, 0, 65535, link] {
            out.extend(word(value));
        }
        for (at, packet) in packets.iter().enumerate() {
            for value in [10 + at as u32, 500_000, packet.len() as u32, packet.len() as u32] {
                out.extend(word(value));
            }
            out.extend(*packet);
        }
        out
    }

    #[test]
    fn reads_either_byte_order() {
        for big in [false, true] {
            let packets = parse(&capture(big, 0xa1b2_c3d4, 1, &[&[1, 2, 3], &[4; 60]])).unwrap();
            assert_eq!(packets.len(), 2);
            assert_eq!(packets[0].data, [1, 2, 3]);
            assert_eq!(packets[1].seconds, 1.0);
        }
    }

    #[test]
    fn names_what_is_wrong() {
        assert!(parse(&[]).is_err());
        assert!(parse(&[0; 24]).unwrap_err().contains("not a pcap file"));
        assert!(parse(&capture(false, 0xa1b2_c3d4, 113, &[&[0; 20]])).unwrap_err().contains("link type 113"));
        let mut cut = capture(false, 0xa1b2_c3d4, 1, &[&[0; 20]]);
        cut.pop();
        assert!(parse(&cut).unwrap_err().contains("ends inside packet 1"));
        let mut long = capture(false, 0xa1b2_c3d4, 1, &[&[0; 20]]);
        long[32..36].copy_from_slice(&[0xff; 4]);
        assert!(parse(&long).is_err());
    }
}
