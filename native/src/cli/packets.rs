//! Bytes that the user gives: hex digits, files, captures.

use anyhow::{Context, Result, bail};
use pcap_file::DataLink;
use pcap_file::pcap::PcapReader;
use pcap_file::pcapng::{Block, PcapNgReader};
use std::ffi::OsStr;
use std::path::Path;

/// A packet, and where it comes from.
#[derive(Debug)]
pub struct Packet {
    /// "packet 3 of dump.pcap", for a sentence; empty for bytes on the command line.
    pub name: String,
    pub data: Vec<u8>,
}

/// Bytes from hex digits (spaces, colons and a `0x` in front are passed over); `None` for what is no hex.
fn from_hex(text: &str) -> Option<Vec<u8>> {
    let text = text.trim();
    let text = text.strip_prefix("0x").unwrap_or(text);
    let digits: Vec<u8> = text
        .chars()
        .filter(|c| !c.is_whitespace() && *c != ':')
        .map(|c| c.to_digit(16).map(|digit| digit as u8))
        .collect::<Option<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

/// Bytes of an argument: hex digits, or a file with hex digits or raw bytes in it.
///
/// # Errors
/// Where it is neither.
pub fn bytes(argument: &OsStr) -> Result<Vec<u8>> {
    if let Some(bytes) = argument.to_str().and_then(from_hex) {
        return Ok(bytes);
    }
    let contents = std::fs::read(Path::new(argument))
        .with_context(|| format!("{}: neither hex digits nor a file", argument.display()))?;
    Ok(std::str::from_utf8(&contents).ok().and_then(from_hex).unwrap_or(contents))
}

/// The packets of an argument: one of bytes, all of a capture, or the one of that number.
///
/// # Errors
/// What is wrong with the capture, or that it has no such packet.
pub fn packets(argument: &OsStr, number: Option<usize>) -> Result<Vec<Packet>> {
    let name = argument.display().to_string();
    let contents = match argument.to_str().and_then(from_hex) {
        Some(_) => None,
        None => {
            Some(std::fs::read(argument).with_context(|| format!("{name}: neither hex digits nor a file"))?)
        }
    };
    let capture = match &contents {
        Some(contents) => capture(contents).with_context(|| name.clone())?,
        None => None,
    };
    let Some(mut capture) = capture else {
        if number.is_some() {
            bail!("--packet chooses from a capture, which {name} is not");
        }
        return Ok(vec![Packet { name: String::new(), data: bytes(argument)? }]);
    };
    let count = capture.len();
    let named = |at: usize, data| Packet { name: format!("packet {} of {name}", at + 1), data };
    match number {
        Some(wanted) if wanted >= 1 && wanted <= count => {
            Ok(vec![named(wanted - 1, capture.swap_remove(wanted - 1))])
        }
        Some(wanted) => bail!("{name}: no packet {wanted}; it has {count}, numbered from 1"),
        None if count == 0 => bail!("{name}: a capture without packets"),
        None => Ok(capture.into_iter().enumerate().map(|(at, data)| named(at, data)).collect()),
    }
}

/// The packets of a capture; `None` for bytes that are none.
fn capture(contents: &[u8]) -> Result<Option<Vec<Vec<u8>>>> {
    const PCAPNG: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];
    const PCAP: [[u8; 4]; 2] = [[0xa1, 0xb2, 0xc3, 0xd4], [0xa1, 0xb2, 0x3c, 0x4d]];
    let Some(magic) = contents.first_chunk::<4>() else { return Ok(None) };
    let mut reversed = *magic;
    reversed.reverse();
    let mut packets = Vec::new();
    let ethernet = |link: DataLink| match link {
        DataLink::ETHERNET => Ok(()),
        other => bail!("link type {other:?}; programs run on Ethernet frames"),
    };
    if *magic == PCAPNG {
        let mut reader = PcapNgReader::new(contents)?;
        while let Some(block) = reader.next_block() {
            match block? {
                Block::InterfaceDescription(interface) => ethernet(interface.linktype)?,
                Block::EnhancedPacket(packet) => packets.push(packet.data.into_owned()),
                Block::SimplePacket(packet) => packets.push(packet.data.into_owned()),
                Block::Packet(packet) => packets.push(packet.data.into_owned()),
                _ => {}
            }
        }
    } else if PCAP.contains(magic) || PCAP.contains(&reversed) {
        let mut reader = PcapReader::new(contents)?;
        ethernet(reader.header().datalink)?;
        while let Some(packet) = reader.next_packet() {
            packets.push(packet?.data.into_owned());
        }
    } else {
        return Ok(None);
    }
    Ok(Some(packets))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_is_read() {
        assert_eq!(from_hex("0x00 ff:1A\n"), Some(vec![0, 0xff, 0x1a]));
        assert_eq!(from_hex("abc"), None);
        assert_eq!(from_hex("packet.bin"), None);
    }

    #[test]
    fn captures_are_read_and_others_left_alone() {
        let mut pcap = Vec::new();
        for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65535, 1, 7, 0, 3, 3] {
            pcap.extend(word.to_le_bytes());
        }
        pcap.extend([1, 2, 3]);
        assert_eq!(capture(&pcap).unwrap(), Some(vec![vec![1, 2, 3]]));
        pcap.truncate(pcap.len() - 1);
        assert!(capture(&pcap).is_err());
        pcap[20] = 101;
        assert!(capture(&pcap).unwrap_err().to_string().contains("Ethernet"));
        assert_eq!(capture(&[1, 2, 3, 4, 5]).unwrap(), None);
        assert_eq!(capture(&[]).unwrap(), None);
    }
}
