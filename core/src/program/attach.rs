//! What programs expect to be attached to (`expected_attach_type`, `enum bpf_attach_type`), as far as a load looks
//! at it: `native/tests/kernel_programs.rs` asks the running kernel for every type.

/// Program types whose attach type is checked when they are loaded, and those that each takes. Other types take
/// any number.
#[rustfmt::skip]
const EXPECTED: &[(u32, &[u32])] = &[
    // cgroup_skb: ingress, egress.
    (8, &[0, 1]),
    // cgroup_sock: unspecified stands for creation; then creation, binding by IPv4 and IPv6, release.
    (9, &[0, 2, 12, 13, 34]),
    // cgroup_sock_addr
    (18, &[8, 9, 10, 11, 14, 15, 19, 20, 29, 30, 31, 32, 49, 50, 51, 52, 53]),
    // lirc_mode2: Linux as it is configured on the reference has no such programs.
    (20, &[]),
    // sk_reuseport: unspecified stands for selecting.
    (21, &[0, 39, 40]),
    // cgroup_sockopt
    (25, &[21, 22]),
    (30, &[36]),
    // syscall: none.
    (31, &[0]),
    (32, &[45]),
];

/// Whether a program of that type may be loaded with that expected attach type.
pub fn may_expect(program_type: u32, attach_type: u32) -> bool {
    let row = EXPECTED.iter().find(|row| row.0 == program_type);
    row.is_none_or(|row| row.1.contains(&attach_type))
}
