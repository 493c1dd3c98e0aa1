//! Packets as `struct xdp_md`.

use super::{INTERFACES, Input, LINK_HEADER, Output, Run, context, read, set_word, word};
use crate::arena::{Fault, Memory, ObjectKind};
use crate::errno::Errno;
use crate::helper::Packet;
use crate::resources::Resources;

/// Bytes of `struct xdp_md`.
const SIZE: u32 = 24;
/// Room before the packet.
const HEADROOM: u32 = 256;
/// Bytes of it that are the kernel's own: the packet may not grow into them.
const FRAME: u32 = 40;
/// Bytes of the packet that lie in one piece at most; the rest is in pages behind it.
const LINEAR: u32 = 3520;
/// Bytes of a page, and most pages behind the first piece.
const PAGE: u32 = 4096;
const MOST_PAGES: u32 = 17;
/// Longest packet.
pub(super) const MOST_DATA: u32 = LINEAR + MOST_PAGES * PAGE;
/// `BPF_F_TEST_XDP_LIVE_FRAMES`
const LIVE_FRAMES: u32 = 1 << 1;
/// `BPF_XDP_DEVMAP`, `BPF_XDP_CPUMAP`
const NOT_FROM_A_DEVICE: [u32; 2] = [35, 36];

/// Offsets of fields.
mod field {
    pub const DATA: u32 = 0;
    pub const DATA_END: u32 = 4;
    pub const DATA_META: u32 = 8;
    pub const INGRESS_IFINDEX: u32 = 12;
    pub const RX_QUEUE_INDEX: u32 = 16;
    pub const EGRESS_IFINDEX: u32 = 20;
}

/// Checks what `ctx_in` sets: where in `data_in` the packet begins, behind its metadata, and where its first
/// piece ends. Answers these two.
fn check(given: &[u8], size: u32) -> Result<(u32, u32), Errno> {
    let (data, end) = (word(given, field::DATA), word(given, field::DATA_END));
    let interface = word(given, field::INGRESS_IFINDEX);
    if word(given, field::DATA_META) != 0
        || word(given, field::EGRESS_IFINDEX) != 0
        || data > end
        || end > size
        // lo has one queue, and a queue needs an interface.
        || word(given, field::RX_QUEUE_INDEX) != 0
    {
        return Err(Errno::EINVAL);
    }
    // A step of four, and what leaves room for the headroom's own.
    if data % 4 != 0 || data > HEADROOM - FRAME || size - data < LINK_HEADER {
        return Err(Errno::EINVAL);
    }
    if interface != 0 && !INTERFACES.contains(&interface) {
        return Err(Errno::ENODEV);
    }
    Ok((data, end))
}

/// Lays the packet and its `xdp_md` out.
pub(super) fn prepare<M: Memory>(
    run: &mut Run,
    input: &Input,
    resources: &mut Resources<M>,
) -> Result<(), Errno> {
    if NOT_FROM_A_DEVICE.contains(&input.expected_attach_type) || input.flags & !LIVE_FRAMES != 0 {
        return Err(Errno::EINVAL);
    }
    if input.flags & LIVE_FRAMES != 0 {
        // They would leave for the network, and there is none.
        return Err(Errno::EOPNOTSUPP);
    }
    if input.batch_size != 0 {
        return Err(Errno::EINVAL);
    }
    let bytes = input.data.unwrap_or_default();
    let size = u32::try_from(bytes.len()).map_err(|_| Errno::ENOMEM)?;
    run.given = context(input, SIZE)?;
    if size < LINK_HEADER {
        return Err(Errno::EINVAL);
    }
    // Where only `ctx_out` is wanted, the first piece is empty, as the zeros for `data_end` say.
    let (meta_len, first_end) = match &run.given {
        Some(given) => check(given, size)?,
        None => (0, size),
    };
    if size > MOST_DATA {
        return Err(Errno::ENOMEM);
    }
    let (first, rest) = bytes.split_at(first_end.min(LINEAR + meta_len) as usize);

    let room = run.allocate(resources, HEADROOM + LINEAR, ObjectKind::Packet, true)?;
    let data = room.address + HEADROOM;
    let meta = data - meta_len;
    let pages = match rest.len() as u32 {
        0 => 0,
        len => run.allocate(resources, len.next_multiple_of(PAGE), ObjectKind::Packet, true)?.address,
    };
    let object = run.allocate(resources, SIZE, ObjectKind::Context, false)?;
    run.context.context = object.address;
    run.context.packet = Some(Packet {
        head: room.address + FRAME,
        meta,
        data,
        end: meta + first.len() as u32,
        tail: room.address + room.len,
        mac: data,
        network: data,
        pages,
        pages_len: rest.len() as u32,
    });
    run.context.packet_fields = Some([field::DATA, field::DATA_END, field::DATA_META]);
    let mut md = [0; SIZE as usize];
    let interface = run.given.as_ref().map_or(0, |given| word(given, field::INGRESS_IFINDEX));
    set_word(&mut md, field::INGRESS_IFINDEX, interface.max(1));
    let memory = resources.arena.memory_mut();
    let all = memory
        .write(meta.into(), first)
        .and_then(|()| memory.write(pages.into(), rest))
        .and_then(|()| memory.write(object.address.into(), &md))
        .and_then(|()| run.context.store_packet(memory));
    all.map_err(|_| Errno::ENOMEM)
}

/// Reads the packet with its metadata, and where they came to lie.
pub(super) fn finish<M: Memory>(run: &mut Run, resources: &mut Resources<M>) -> Result<Output, Fault> {
    let packet = run.context.packet.unwrap_or_default();
    let mut data = read(resources, packet.meta, packet.end)?;
    data.extend(read(resources, packet.pages, packet.pages.saturating_add(packet.pages_len))?);
    let context = run.given.take().map(|mut out| {
        set_word(&mut out, field::DATA, packet.data.saturating_sub(packet.meta));
        set_word(&mut out, field::DATA_END, packet.end.saturating_sub(packet.meta));
        out
    });
    Ok(Output { data, context, context_in: None })
}
