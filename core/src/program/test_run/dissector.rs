//! Flow dissectors: a packet as `struct __sk_buff` whose keys are what comes out.

use super::{Input, LINK_HEADER, Output, Run, context, only_within, read};
use crate::arena::{Fault, Memory, ObjectKind};
use crate::errno::Errno;
use crate::helper::Packet;
use crate::isa::Size;
use crate::resources::Resources;

/// Bytes of `struct bpf_flow_keys`.
pub(super) const KEYS: usize = 56;
/// Bytes of `struct __sk_buff`.
const SKB: u32 = 192;
/// Longest packet: a page.
const LONGEST: usize = 4096;

/// Offsets in `struct bpf_flow_keys`.
mod key {
    pub const NETWORK: usize = 0;
    pub const TRANSPORT: usize = 2;
    pub const PROTOCOL: usize = 10;
    pub const FLAGS: core::ops::Range<u32> = 48..52;
}
/// Offsets in `struct __sk_buff`.
mod field {
    pub const DATA: u32 = 76;
    pub const DATA_END: u32 = 80;
    pub const DATA_META: u32 = 140;
    pub const FLOW_KEYS: u32 = 144;
}

/// Lays the packet, its context and the keys out.
pub(super) fn prepare<M: Memory>(
    run: &mut Run,
    input: &Input,
    resources: &mut Resources<M>,
) -> Result<(), Errno> {
    let data = input.data.unwrap_or_default();
    if input.flags != 0
        || input.cpu != 0
        || input.batch_size != 0
        || data.len() < LINK_HEADER as usize
        || data.len() > LONGEST
    {
        return Err(Errno::EINVAL);
    }
    run.given = context(input, KEYS as u32)?;
    let flags = key::FLAGS.start as usize..key::FLAGS.end as usize;
    let mut keys = [0; KEYS];
    if let Some(given) = &run.given {
        if !only_within(given, core::slice::from_ref(&key::FLAGS)) {
            return Err(Errno::EINVAL);
        }
        keys[flags.clone()].copy_from_slice(&given[flags]);
    }
    keys[key::NETWORK] = LINK_HEADER as u8;
    keys[key::TRANSPORT] = LINK_HEADER as u8;
    keys[key::PROTOCOL..key::PROTOCOL + 2].copy_from_slice(&data[12..14]);

    let packet = run.allocate(resources, data.len() as u32, ObjectKind::Packet, false)?;
    let keys_at = run.allocate(resources, KEYS as u32, ObjectKind::Context, true)?.address;
    let object = run.allocate(resources, SKB, ObjectKind::Context, false)?;
    let start = packet.address;
    run.keys = Some((keys_at, keys));
    run.context.context = object.address;
    run.context.packet = Some(Packet {
        head: start,
        meta: start,
        data: start,
        end: start + packet.len,
        tail: start + packet.len,
        mac: start,
        network: start + LINK_HEADER,
        ..Packet::default()
    });
    run.context.packet_fields = Some([field::DATA, field::DATA_END, field::DATA_META]);
    let memory = resources.arena.memory_mut();
    let all = memory
        .write(start.into(), data)
        .and_then(|()| memory.write(keys_at.into(), &keys))
        .and_then(|()| memory.store(u64::from(object.address + field::FLOW_KEYS), Size::Dw, keys_at.into()))
        .and_then(|()| run.context.store_packet(memory));
    all.map_err(|_| Errno::ENOMEM)
}

/// Reads the keys: the network header lies within the packet, and the transport header not before it.
pub(super) fn finish<M: Memory>(run: &mut Run, resources: &mut Resources<M>) -> Result<Output, Fault> {
    let Some((at, _)) = run.keys else { return Ok(Output::default()) };
    let packet = run.context.packet.unwrap_or_default();
    let len = packet.end.saturating_sub(packet.data).max(LINK_HEADER) as u16;
    let mut data = read(resources, at, at.saturating_add(KEYS as u32))?;
    let offset = |data: &[u8], at: usize| u16::from_le_bytes([data[at], data[at + 1]]);
    let network = offset(&data, key::NETWORK).clamp(LINK_HEADER as u16, len);
    let transport = offset(&data, key::TRANSPORT).clamp(network, len);
    data[key::NETWORK..key::NETWORK + 2].copy_from_slice(&network.to_le_bytes());
    data[key::TRANSPORT..key::TRANSPORT + 2].copy_from_slice(&transport.to_le_bytes());
    Ok(Output { data, context: run.given.take(), context_in: None })
}
