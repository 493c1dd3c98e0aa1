//! What the running kernel answered to the same input.

use super::skb::protocol;
use super::*;
use crate::arena::VecMemory;
use crate::isa::Size;

fn resources() -> Resources<VecMemory> {
    Resources::new(VecMemory::new(1 << 20), 2, 1)
}

fn program(name: &str) -> &'static ProgramType {
    ProgramType::by_name(name).expect("a row")
}

fn ip4() -> Vec<u8> {
    let mut packet = alloc::vec![0; 12];
    packet.extend([8, 0, 0x45, 0, 0, 0x28, 0, 1, 0, 0, 0x40, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    packet.extend(0x40..0x54);
    packet
}

fn error(name: &str, input: &Input) -> Option<Errno> {
    let mut resources = resources();
    let answer = Run::prepare(program(name), input, &mut resources);
    let errno = answer.as_ref().err().copied();
    if let Ok(run) = answer {
        run.finish(&mut resources).unwrap();
    }
    assert_eq!(resources.arena.used(), 0, "{name} gives its memory back");
    errno
}

#[test]
fn sizes_have_limits() {
    let skbs = ["socket_filter", "sched_cls", "sched_act", "cgroup_skb", "lwt_in", "lwt_out", "lwt_xmit"];
    for (names, longest, past) in [
        (&skbs[..], 3712, Errno::EINVAL),
        (&["flow_dissector"], 4096, Errno::EINVAL),
        (&["xdp"], 73152, Errno::ENOMEM),
    ] {
        for name in names {
            for (len, expected) in [
                (0, Some(Errno::EINVAL)),
                (13, Some(Errno::EINVAL)),
                (14, None),
                (longest, None),
                (longest + 1, Some(past)),
            ] {
                let data = alloc::vec![0; len];
                let input = Input { data: Some(&data), ..Input::default() };
                assert_eq!(error(name, &input), expected, "{name}, {len} bytes");
            }
        }
    }
    assert_eq!(error("kprobe", &Input::default()), Some(Errno::ENOTSUPP));
    // A network header that its protocol promises has to be there.
    let packet = ip4();
    let cut = |len| Input { data: Some(&packet[..len]), ..Input::default() };
    assert_eq!(error("sched_cls", &cut(33)), Some(Errno::EINVAL));
    assert_eq!(error("sched_cls", &cut(34)), None);
    assert_eq!(error("xdp", &cut(14)), None);
}

#[test]
fn skb_context_takes_some_fields() {
    let data = alloc::vec![0; 64];
    let of = |at: usize, value: u8| {
        let mut context = [0; 192];
        context[at] = value;
        error("sched_cls", &Input { data: Some(&data), context: Some(&context), ..Input::default() })
    };
    let allowed = |at: usize| matches!(at, 8..=11 | 32..=40 | 48..=67 | 152..=159 | 161..=162 | 164..=165 | 176..=179 | 184..=191);
    for at in 0..192 {
        let expected = match at {
            41..=43 => Some(Errno::ENODEV),
            _ if allowed(at) => None,
            _ => Some(Errno::EINVAL),
        };
        assert_eq!(of(at, 1), expected, "byte {at}");
    }
    for (len, last, expected) in
        [(200, 0, None), (200, 1, Some(Errno::E2BIG)), (4096, 0, None), (4097, 0, Some(Errno::E2BIG))]
    {
        let mut context = alloc::vec![0; len];
        context[len - 1] = last;
        let input = Input { data: Some(&data), context: Some(&context), ..Input::default() };
        assert_eq!(error("sched_cls", &input), expected);
    }
}

#[test]
fn skb_fields_and_output() {
    let packet = ip4();
    for (name, len, first) in
        [("sched_cls", 54, 0), ("socket_filter", 40, 0x45), ("cgroup_skb", 40, 0x45), ("lwt_xmit", 40, 0x45)]
    {
        let mut r = resources();
        let input = Input { data: Some(&packet), context_out: true, ..Input::default() };
        let run = Run::prepare(program(name), &input, &mut r).unwrap();
        let field = |r: &Resources<VecMemory>, at: u32| {
            r.arena.memory().load(u64::from(run.context.context + at), Size::W).unwrap() as u32
        };
        assert_eq!([field(&r, 0), field(&r, 4), field(&r, 16), field(&r, 40)], [len, 0, 8, 1]);
        assert_eq!(field(&r, 80) - field(&r, 76), len);
        assert_eq!([field(&r, 88), field(&r, 92), field(&r, 96)], [2, 0x0200_000a, 0x0100_000a]);
        let data = u64::from(field(&r, 76));
        assert_eq!(r.arena.memory().load(data, Size::B), Ok(first));
        let sock = u64::from(field(&r, 168));
        assert_eq!(r.arena.memory().load(sock + 24, Size::W), Ok(0x0100_000a));
        assert_eq!(r.arena.memory().load(sock + 72, Size::W), Ok(7));
        let output = run.finish(&mut r).unwrap();
        let context = output.context.unwrap();
        assert_eq!([word(&context, 40), word(&context, 160)], [1, len]);
        assert_eq!(output.data.len(), 54);
        assert_eq!(&output.data[12..14], if first == 0 { &[8, 0] } else { &[0, 0] });
    }
    assert_eq!(protocol(&[&[0; 12][..], &[0, 0x20, 0xff, 0xff]].concat()), 0x0100);
    assert_eq!(protocol(&[&[0; 12][..], &[5, 0xdc]].concat()), 0x0400);
}

#[test]
fn xdp_context_moves_the_packet() {
    let data = alloc::vec![7; 64];
    let of = |fields: [u32; 6]| {
        let bytes: Vec<u8> = fields.iter().flat_map(|f| f.to_le_bytes()).collect();
        let mut r = resources();
        let input = Input { data: Some(&data), context: Some(&bytes), ..Input::default() };
        let run = Run::prepare(program("xdp"), &input, &mut r)?;
        let packet = run.context.packet.unwrap();
        let output = run.finish(&mut r)?;
        let context = output.context.unwrap();
        assert_eq!(output.data, data);
        assert_eq!([word(&context, 0), word(&context, 4)], [fields[0], fields[1]]);
        Ok((packet.data - packet.meta, packet.end - packet.data, packet.pages_len))
    };
    assert_eq!(of([0, 64, 0, 0, 0, 0]), Ok((0, 64, 0)));
    assert_eq!(of([8, 64, 0, 1, 0, 0]), Ok((8, 56, 0)));
    assert_eq!(of([48, 64, 0, 0, 0, 0]), Ok((48, 16, 0)));
    assert_eq!(of([0, 63, 0, 0, 0, 0]), Ok((0, 63, 1)));
    assert_eq!(of([8, 30, 0, 0, 0, 0]), Ok((8, 22, 34)));
    assert_eq!(of([0; 6]), Ok((0, 0, 64)));
    for fields in [[0, 65, 0, 0, 0, 0], [2, 64, 0, 0, 0, 0], [52, 64, 0, 0, 0, 0], [8, 64, 8, 0, 0, 0]] {
        assert_eq!(of(fields), Err(Errno::EINVAL), "{fields:?}");
    }
    assert_eq!(of([0, 64, 0, 1, 1, 0]), Err(Errno::EINVAL));
    assert_eq!(of([0, 64, 0, 1, 0, 1]), Err(Errno::EINVAL));
    assert_eq!(of([0, 64, 0, 99, 0, 0]), Err(Errno::ENODEV));
}

#[test]
fn flow_keys_come_out() {
    let packet = ip4();
    let mut r = resources();
    let input = Input { data: Some(&packet), ..Input::default() };
    let mut run = Run::prepare(program("flow_dissector"), &input, &mut r).unwrap();
    let keys = r.arena.memory().load(u64::from(run.context.context + 144), Size::Dw).unwrap();
    assert_eq!(r.arena.memory().load(keys, Size::Dw), Ok(0x000e_000e));
    assert_eq!(r.arena.memory().load(keys + 8, Size::W), Ok(0x8_0000));
    r.arena.memory_mut().store(keys, Size::H, 0x1234).unwrap();
    run.next_round(&mut r).unwrap();
    assert_eq!(r.arena.memory().load(keys, Size::H), Ok(14));
    r.arena.memory_mut().store(keys, Size::H, 0x1234).unwrap();
    let output = run.finish(&mut r).unwrap();
    assert_eq!((output.data.len(), &output.data[..4]), (56, &[54, 0, 54, 0][..]));
}

#[test]
fn contexts_given_as_they_are() {
    let context = [1; 104];
    let with = |name, len: usize, used, change: fn(&mut Input)| {
        let mut input = Input { context: Some(&context[..len]), context_used: used, ..Input::default() };
        change(&mut input);
        error(name, &input)
    };
    for name in ["raw_tracepoint", "syscall"] {
        assert_eq!(with(name, 16, 16, |_| ()), None);
        assert_eq!(with(name, 15, 16, |_| ()), Some(Errno::EINVAL));
        assert_eq!(with(name, 96, 16, |i| i.repeat = 1), Some(Errno::EINVAL));
        assert_eq!(with(name, 96, 16, |i| i.data = Some(&[1])), Some(Errno::EINVAL));
    }
    assert_eq!(with("raw_tracepoint", 104, 16, |_| ()), Some(Errno::EINVAL));
    assert_eq!(with("syscall", 104, 16, |_| ()), None);
    assert_eq!(with("raw_tracepoint", 96, 0, |i| i.cpu = 1), Some(Errno::EINVAL));
    let on_cpu = |cpu| Input { context: Some(&context[..96]), cpu, flags: 1, ..Input::default() };
    assert_eq!(error("raw_tracepoint", &on_cpu(1)), None);
    assert_eq!(error("raw_tracepoint", &on_cpu(99)), Some(Errno::ENXIO));

    let lookup = |at: usize, value: u8| {
        let mut context = [0; 72];
        context[8] = 2;
        context[at] = value;
        error("sk_lookup", &Input { context: Some(&context), ..Input::default() })
    };
    assert_eq!(lookup(12, 6), None);
    assert_eq!(lookup(8, 3), Some(Errno::EAFNOSUPPORT));
    assert_eq!(lookup(62, 1), Some(Errno::ERANGE));
    assert_eq!(lookup(64, 1), Some(Errno::EINVAL));
    assert_eq!(lookup(0, 1), Some(Errno::EINVAL));
}
