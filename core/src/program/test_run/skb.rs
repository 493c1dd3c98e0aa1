//! Packets as `struct __sk_buff`.

use alloc::vec::Vec;

use super::{INTERFACES, Input, LINK_HEADER, Output, Run, context, only_within, read, set_word, word};
use crate::arena::{Fault, Journaled, Memory, ObjectKind};
use crate::errno::Errno;
use crate::helper::Packet;
use crate::resources::Resources;

/// Bytes of `struct __sk_buff`.
const SIZE: u32 = 192;
/// Longest packet that a test run takes: a page less headroom and bookkeeping.
const LONGEST: usize = 3712;
/// Room before the packet. The kernel begins with 64 bytes and moves the packet as it grows; here it never
/// moves, so that the room is what the packet may grow by.
const HEADROOM: u32 = 16384 + 64;
/// Room that the packet may take with what is behind it (`bpf_skb_change_tail` ends below 16384).
const ROOM: u32 = 16384;
/// `BPF_F_TEST_SKB_CHECKSUM_COMPLETE`
const CHECKSUM_COMPLETE: u32 = 1 << 2;

/// Offsets of fields.
mod field {
    pub const LEN: u32 = 0;
    pub const PKT_TYPE: u32 = 4;
    pub const MARK: u32 = 8;
    pub const PROTOCOL: u32 = 16;
    pub const PRIORITY: u32 = 32;
    pub const IFINDEX: u32 = 40;
    pub const CB: u32 = 48;
    pub const CB_END: u32 = 68;
    pub const DATA: u32 = 76;
    pub const DATA_END: u32 = 80;
    pub const FAMILY: u32 = 88;
    pub const REMOTE_IP4: u32 = 92;
    pub const LOCAL_IP4: u32 = 96;
    pub const REMOTE_IP6: u32 = 100;
    pub const LOCAL_IP6: u32 = 116;
    pub const DATA_META: u32 = 140;
    pub const TSTAMP: u32 = 152;
    pub const WIRE_LEN: u32 = 160;
    pub const GSO_SEGS: u32 = 164;
    pub const SK: u32 = 168;
    pub const GSO_SIZE: u32 = 176;
    pub const HWTSTAMP: u32 = 184;
}

/// The fields that `ctx_in` may set, all of which `ctx_out` shows.
const SETTABLE: &[core::ops::Range<u32>] = &[
    field::MARK..field::MARK + 4,
    field::PRIORITY..field::IFINDEX + 4,
    field::CB..field::CB_END,
    field::TSTAMP..field::GSO_SEGS + 4,
    field::GSO_SIZE..field::GSO_SIZE + 4,
    field::HWTSTAMP..field::HWTSTAMP + 8,
];

/// The socket that a test run's packet belongs to: `struct bpf_sock`.
mod sock {
    pub const SIZE: u32 = 80;
    pub const FAMILY: u32 = 4;
    pub const SRC_IP4: u32 = 24;
    pub const SRC_IP6: u32 = 28;
    pub const DST_IP4: u32 = 52;
    pub const DST_IP6: u32 = 56;
    pub const STATE: u32 = 72;
    pub const RX_QUEUE_MAPPING: u32 = 76;
    /// `TCP_CLOSE`
    pub const CLOSED: u32 = 7;
}

/// The addresses in a packet's network header.
enum Addresses {
    None,
    V4 { from: [u8; 4], to: [u8; 4] },
    V6 { from: [u8; 16], to: [u8; 16] },
}

/// `skb->protocol`, as the 16 bits lie in memory, from the Ethernet header and what follows it.
pub(super) fn protocol(data: &[u8]) -> u16 {
    /// `ETH_P_802_3_MIN`: less is a length.
    const LEAST: u16 = 0x600;
    let Some(kind) = data.get(12..14).and_then(<[u8]>::first_chunk) else { return 0 };
    if u16::from_be_bytes(*kind) >= LEAST {
        return u16::from_le_bytes(*kind);
    }
    // ETH_P_802_3 (raw) or ETH_P_802_2, in network order.
    if data.get(14..16) == Some(&[0xff, 0xff]) { 0x0100 } else { 0x0400 }
}

/// `skb->pkt_type` for an interface whose address is 0, as `lo`'s is.
fn packet_type(data: &[u8]) -> u32 {
    const HOST: u32 = 0;
    const MULTICAST: u32 = 2;
    const OTHER_HOST: u32 = 3;
    match data.first_chunk::<6>() {
        Some([0, 0, 0, 0, 0, 0]) => HOST,
        Some([first, ..]) if first & 1 == 1 => MULTICAST,
        _ => OTHER_HOST,
    }
}

/// The addresses, or `EINVAL` where the header that the protocol promises is cut short.
fn addresses(data: &[u8], protocol: u16) -> Result<Addresses, Errno> {
    let header = data.get(LINK_HEADER as usize..).unwrap_or_default();
    let part = |at: usize, len: usize| header.get(at..at + len).ok_or(Errno::EINVAL);
    Ok(match protocol.swap_bytes() {
        0x0800 => Addresses::V4 {
            from: *part(12, 4)?.first_chunk().ok_or(Errno::EINVAL)?,
            to: *part(16, 4)?.first_chunk().ok_or(Errno::EINVAL)?,
        },
        0x86dd => Addresses::V6 {
            from: *part(8, 16)?.first_chunk().ok_or(Errno::EINVAL)?,
            to: *part(24, 16)?.first_chunk().ok_or(Errno::EINVAL)?,
        },
        _ => Addresses::None,
    })
}

/// Checks what `ctx_in` sets; `wire_len` becomes the packet's length where it is 0.
fn check(given: &mut [u8], len: u32) -> Result<(), Errno> {
    /// `GSO_MAX_SIZE` as a device has it by default.
    const MOST_WIRE: u32 = 65536;
    const MOST_SEGMENTS: u32 = 65535;
    match word(given, field::IFINDEX) {
        0 => set_word(given, field::IFINDEX, 1),
        there if INTERFACES.contains(&there) => {}
        _ => return Err(Errno::ENODEV),
    }
    if !only_within(given, SETTABLE) {
        return Err(Errno::EINVAL);
    }
    match word(given, field::WIRE_LEN) {
        0 => set_word(given, field::WIRE_LEN, len),
        wire if wire < len || wire > MOST_WIRE => return Err(Errno::EINVAL),
        _ => {}
    }
    if word(given, field::GSO_SEGS) > MOST_SEGMENTS {
        return Err(Errno::EINVAL);
    }
    Ok(())
}

/// Lays the packet and its `__sk_buff` out.
pub(super) fn prepare<M: Memory>(
    run: &mut Run,
    link_layer: bool,
    input: &Input,
    resources: &mut Resources<M>,
) -> Result<(), Errno> {
    if input.flags & !CHECKSUM_COMPLETE != 0 || input.cpu != 0 || input.batch_size != 0 {
        return Err(Errno::EINVAL);
    }
    let data = input.data.unwrap_or_default();
    if data.len() < LINK_HEADER as usize || data.len() > LONGEST {
        return Err(Errno::EINVAL);
    }
    let size = data.len() as u32;
    let protocol = protocol(data);
    let addresses = addresses(data, protocol)?;
    let before = if link_layer { 0 } else { LINK_HEADER };
    let len = size - before;
    run.given = context(input, SIZE)?;
    if let Some(given) = &mut run.given {
        check(given, len)?;
    }

    let mut skb = run.given.clone().unwrap_or_else(|| alloc::vec![0; SIZE as usize]);
    set_word(&mut skb, field::PKT_TYPE, packet_type(data));
    set_word(&mut skb, field::PROTOCOL, protocol.into());
    let interface = word(&skb, field::IFINDEX).max(1);
    set_word(&mut skb, field::IFINDEX, interface);
    let room = run.allocate(resources, HEADROOM + ROOM, ObjectKind::Packet, true)?;
    let start = room.address + HEADROOM;
    let sock = run.allocate(resources, sock::SIZE, ObjectKind::Context, false)?;
    set_word(&mut skb, field::SK, sock.address);
    let mut socket = [0; sock::SIZE as usize];
    set_word(&mut socket, sock::STATE, sock::CLOSED);
    set_word(&mut socket, sock::RX_QUEUE_MAPPING, u32::MAX);
    let mut put = |skb_at: u32, sock_at: u32, bytes: &[u8]| {
        skb[skb_at as usize..][..bytes.len()].copy_from_slice(bytes);
        socket[sock_at as usize..][..bytes.len()].copy_from_slice(bytes);
    };
    match &addresses {
        Addresses::None => {}
        // AF_INET, AF_INET6. The packet's source is the local side.
        Addresses::V4 { from, to } => {
            put(field::FAMILY, sock::FAMILY, &2u32.to_le_bytes());
            put(field::LOCAL_IP4, sock::SRC_IP4, from);
            put(field::REMOTE_IP4, sock::DST_IP4, to);
        }
        Addresses::V6 { from, to } => {
            put(field::FAMILY, sock::FAMILY, &10u32.to_le_bytes());
            put(field::LOCAL_IP6, sock::SRC_IP6, from);
            put(field::REMOTE_IP6, sock::DST_IP6, to);
        }
    }
    let object = run.allocate(resources, SIZE, ObjectKind::Context, true)?;

    let data_start = start + before;
    run.context.context = object.address;
    run.context.packet = Some(Packet {
        head: room.address,
        meta: data_start,
        data: data_start,
        end: start + size,
        tail: room.address + room.len,
        mac: start,
        network: start + LINK_HEADER,
        ..Packet::default()
    });
    run.context.packet_fields = Some([field::DATA, field::DATA_END, field::DATA_META]);
    run.context.len_field = Some(field::LEN);
    let memory = resources.arena.memory_mut();
    let lay = |memory: &mut Journaled<M>, at: u32, bytes: &[u8]| memory.write(at.into(), bytes);
    let all = lay(memory, start, data)
        .and_then(|()| lay(memory, sock.address, &socket))
        .and_then(|()| lay(memory, object.address, &skb))
        .and_then(|()| run.context.store_packet(memory));
    all.map_err(|_| Errno::ENOMEM)
}

/// Reads the packet, and the fields that `ctx_out` shows.
pub(super) fn finish<M: Memory>(
    run: &mut Run,
    link_layer: bool,
    resources: &mut Resources<M>,
) -> Result<Output, Fault> {
    let packet = run.context.packet.unwrap_or_default();
    // Where the program saw no link header, what comes out has one of zeros.
    let mut data: Vec<u8> = if link_layer { Vec::new() } else { alloc::vec![0; LINK_HEADER as usize] };
    data.extend(read(resources, packet.data, packet.end)?);
    let context = match run.given.take() {
        None => None,
        Some(mut out) => {
            let at = run.context.context;
            let skb = read(resources, at, at.saturating_add(SIZE))?;
            for range in SETTABLE {
                let range = range.start as usize..range.end as usize;
                out[range.clone()].copy_from_slice(&skb[range]);
            }
            Some(out)
        }
    };
    Ok(Output { data, context, context_in: None })
}
