//! Section names: the program type and attach type that each stands for, as libbpf documents them.

/// What a section's name says of its programs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ProgramKind {
    /// `BPF_PROG_TYPE_*`.
    pub program_type: u32,
    /// `expected_attach_type`.
    pub attach_type: u32,
    /// `BPF_F_*` load flags.
    pub flags: u32,
}

/// `BPF_F_SLEEPABLE`.
const SLEEPABLE: u32 = 1 << 4;
/// `BPF_F_XDP_HAS_FRAGS`.
const FRAGS: u32 = 1 << 5;

/// Which names a row is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Match {
    /// This name alone.
    Exact,
    /// The name, alone or before a `/`.
    Extra,
    /// The name, alone or as a beginning: what loaders did before libbpf 1.0, and old objects rely on.
    Loose,
}
use Match::{Exact, Extra, Loose};

const fn row(
    name: &'static str,
    matching: Match,
    program_type: u32,
    attach_type: u32,
    flags: u32,
) -> (&'static str, Match, ProgramKind) {
    (name, matching, ProgramKind { program_type, attach_type, flags })
}

/// The first row that matches counts.
#[rustfmt::skip]
const ROWS: &[(&str, Match, ProgramKind)] = &[
    row("sk_reuseport/migrate", Exact, 21, 40, 0),
    row("sk_reuseport", Exact, 21, 39, 0),
    row("kprobe", Extra, 2, 0, 0),
    row("uprobe", Extra, 2, 0, 0),
    row("uprobe.s", Extra, 2, 0, SLEEPABLE),
    row("kretprobe", Extra, 2, 0, 0),
    row("uretprobe", Extra, 2, 0, 0),
    row("uretprobe.s", Extra, 2, 0, SLEEPABLE),
    row("kprobe.multi", Extra, 2, 42, 0),
    row("kretprobe.multi", Extra, 2, 42, 0),
    row("kprobe.session", Extra, 2, 56, 0),
    row("uprobe.multi", Extra, 2, 48, 0),
    row("uretprobe.multi", Extra, 2, 48, 0),
    row("uprobe.session", Extra, 2, 57, 0),
    row("uprobe.multi.s", Extra, 2, 48, SLEEPABLE),
    row("uretprobe.multi.s", Extra, 2, 48, SLEEPABLE),
    row("uprobe.session.s", Extra, 2, 57, SLEEPABLE),
    row("ksyscall", Extra, 2, 0, 0),
    row("kretsyscall", Extra, 2, 0, 0),
    row("usdt", Extra, 2, 0, 0),
    row("usdt.s", Extra, 2, 0, SLEEPABLE),
    row("tc/ingress", Exact, 3, 46, 0),
    row("tc/egress", Exact, 3, 47, 0),
    row("tcx/ingress", Exact, 3, 46, 0),
    row("tcx/egress", Exact, 3, 47, 0),
    row("tc", Extra, 3, 0, 0),
    row("classifier", Extra, 3, 0, 0),
    row("action", Extra, 4, 0, 0),
    row("netkit/primary", Exact, 3, 54, 0),
    row("netkit/peer", Exact, 3, 55, 0),
    row("tracepoint", Extra, 5, 0, 0),
    row("tp", Extra, 5, 0, 0),
    row("raw_tracepoint", Extra, 17, 0, 0),
    row("raw_tp", Extra, 17, 0, 0),
    row("raw_tracepoint.w", Extra, 24, 0, 0),
    row("raw_tp.w", Extra, 24, 0, 0),
    row("tp_btf", Extra, 26, 23, 0),
    row("fentry", Extra, 26, 24, 0),
    row("fmod_ret", Extra, 26, 26, 0),
    row("fexit", Extra, 26, 25, 0),
    row("fentry.s", Extra, 26, 24, SLEEPABLE),
    row("fmod_ret.s", Extra, 26, 26, SLEEPABLE),
    row("fexit.s", Extra, 26, 25, SLEEPABLE),
    row("freplace", Extra, 28, 0, 0),
    row("lsm", Extra, 29, 27, 0),
    row("lsm.s", Extra, 29, 27, SLEEPABLE),
    row("lsm_cgroup", Extra, 29, 43, 0),
    row("iter", Extra, 26, 28, 0),
    row("iter.s", Extra, 26, 28, SLEEPABLE),
    row("syscall", Exact, 31, 0, SLEEPABLE),
    row("xdp.frags/devmap", Exact, 6, 33, FRAGS),
    row("xdp/devmap", Exact, 6, 33, 0),
    row("xdp.frags/cpumap", Exact, 6, 35, FRAGS),
    row("xdp/cpumap", Exact, 6, 35, 0),
    row("xdp.frags", Exact, 6, 37, FRAGS),
    row("xdp", Exact, 6, 37, 0),
    row("perf_event", Exact, 7, 0, 0),
    row("lwt_in", Exact, 10, 0, 0),
    row("lwt_out", Exact, 11, 0, 0),
    row("lwt_xmit", Exact, 12, 0, 0),
    row("lwt_seg6local", Exact, 19, 0, 0),
    row("sockops", Exact, 13, 3, 0),
    row("sk_skb/stream_parser", Exact, 14, 4, 0),
    row("sk_skb/stream_verdict", Exact, 14, 5, 0),
    row("sk_skb/verdict", Exact, 14, 38, 0),
    row("sk_skb", Exact, 14, 0, 0),
    row("sk_msg", Exact, 16, 7, 0),
    row("lirc_mode2", Exact, 20, 16, 0),
    row("flow_dissector", Exact, 22, 17, 0),
    row("cgroup_skb/ingress", Exact, 8, 0, 0),
    row("cgroup_skb/egress", Exact, 8, 1, 0),
    row("cgroup/skb", Exact, 8, 0, 0),
    row("cgroup/sock_create", Exact, 9, 2, 0),
    row("cgroup/sock_release", Exact, 9, 34, 0),
    row("cgroup/sock", Exact, 9, 2, 0),
    row("cgroup/post_bind4", Exact, 9, 12, 0),
    row("cgroup/post_bind6", Exact, 9, 13, 0),
    row("cgroup/bind4", Exact, 18, 8, 0),
    row("cgroup/bind6", Exact, 18, 9, 0),
    row("cgroup/connect4", Exact, 18, 10, 0),
    row("cgroup/connect6", Exact, 18, 11, 0),
    row("cgroup/connect_unix", Exact, 18, 49, 0),
    row("cgroup/sendmsg4", Exact, 18, 14, 0),
    row("cgroup/sendmsg6", Exact, 18, 15, 0),
    row("cgroup/sendmsg_unix", Exact, 18, 50, 0),
    row("cgroup/recvmsg4", Exact, 18, 19, 0),
    row("cgroup/recvmsg6", Exact, 18, 20, 0),
    row("cgroup/recvmsg_unix", Exact, 18, 51, 0),
    row("cgroup/getpeername4", Exact, 18, 29, 0),
    row("cgroup/getpeername6", Exact, 18, 30, 0),
    row("cgroup/getpeername_unix", Exact, 18, 52, 0),
    row("cgroup/getsockname4", Exact, 18, 31, 0),
    row("cgroup/getsockname6", Exact, 18, 32, 0),
    row("cgroup/getsockname_unix", Exact, 18, 53, 0),
    row("cgroup/sysctl", Exact, 23, 18, 0),
    row("cgroup/getsockopt", Exact, 25, 21, 0),
    row("cgroup/setsockopt", Exact, 25, 22, 0),
    row("cgroup/dev", Exact, 15, 6, 0),
    row("struct_ops", Extra, 27, 0, 0),
    row("struct_ops.s", Extra, 27, 0, SLEEPABLE),
    row("sk_lookup", Exact, 30, 36, 0),
    row("netfilter", Exact, 32, 45, 0),
    row("socket", Loose, 1, 0, 0),
    row("classifier", Loose, 3, 0, 0),
    row("action", Loose, 4, 0, 0),
    row("xdp", Loose, 6, 37, 0),
    row("perf_event", Loose, 7, 0, 0),
    row("cgroup/skb", Loose, 8, 0, 0),
    row("cgroup/sock", Loose, 9, 2, 0),
    row("lwt_in", Loose, 10, 0, 0),
    row("lwt_out", Loose, 11, 0, 0),
    row("lwt_xmit", Loose, 12, 0, 0),
    row("lwt_seg6local", Loose, 19, 0, 0),
    row("sockops", Loose, 13, 3, 0),
    row("sk_skb", Loose, 14, 0, 0),
    row("sk_msg", Loose, 16, 7, 0),
    row("flow_dissector", Loose, 22, 17, 0),
];

impl ProgramKind {
    /// What a section of that name holds; `None` for a name that stands for nothing. A leading `?` (not
    /// to be loaded by default) does not count.
    pub fn of_section(name: &str) -> Option<ProgramKind> {
        let name = name.strip_prefix('?').unwrap_or(name);
        let row = ROWS.iter().find(|(known, matching, _)| match name.strip_prefix(known) {
            Some("") => true,
            Some(rest) => match matching {
                Exact => false,
                Extra => rest.starts_with('/'),
                Loose => true,
            },
            None => false,
        })?;
        Some(row.2)
    }

    /// The shortest section name that stands for this; `None` where there is none. An attach type of 0 is also
    /// what a program has that says nothing of it: then the name may stand for another one.
    pub fn section_name(self) -> Option<&'static str> {
        let shortest = |fits: &dyn Fn(&ProgramKind) -> bool| {
            let rows =
                ROWS.iter().filter(|row| fits(&row.2) && ProgramKind::of_section(row.0) == Some(row.2));
            rows.map(|row| row.0).min_by_key(|name| name.len())
        };
        shortest(&|kind| *kind == self).or_else(|| {
            shortest(&|kind| {
                self.attach_type == 0 && (kind.program_type, kind.flags) == (self.program_type, self.flags)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_find_their_row() {
        for (name, expected) in [
            ("xdp", Some((6, 37, 0))),
            ("?xdp", Some((6, 37, 0))),
            ("xdp.frags", Some((6, 37, FRAGS))),
            ("xdp/devmap", Some((6, 33, 0))),
            ("xdp_prog", Some((6, 37, 0))),
            ("tc", Some((3, 0, 0))),
            ("tc/ingress", Some((3, 46, 0))),
            ("tc/tail", Some((3, 0, 0))),
            ("tc_vlan_push", None),
            ("kprobe/sys_write", Some((2, 0, 0))),
            ("kprobes", None),
            ("uprobe.s//bin/sh:main", Some((2, 0, SLEEPABLE))),
            ("tp/sched/sched_switch", Some((5, 0, 0))),
            ("raw_tp/sys_enter", Some((17, 0, 0))),
            ("cgroup_skb/egress", Some((8, 1, 0))),
            ("cgroup/sock1", Some((9, 2, 0))),
            ("socket/3", Some((1, 0, 0))),
            ("2/7", None),
        ] {
            let found = ProgramKind::of_section(name).map(|k| (k.program_type, k.attach_type, k.flags));
            assert_eq!(found, expected, "{name}");
        }
    }
}
