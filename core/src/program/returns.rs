//! What the uapi header calls the numbers that programs return, as a table.

/// One name: program types, r0's lower 32 bits, the name.
type Row = (&'static [u32], u32, &'static str);

const XDP: &[u32] = &[6];
const TC: &[u32] = &[3, 4];
const LIGHTWEIGHT_TUNNEL: &[u32] = &[10, 11, 12, 19];
const FLOW_DISSECTOR: &[u32] = &[22];
/// `enum sk_action`.
const SOCKETS: &[u32] = &[14, 16, 21, 30];
const NETFILTER: &[u32] = &[32];

/// `linux/bpf.h`, `linux/pkt_cls.h` and `linux/netfilter.h`.
const NAMES: &[Row] = &[
    (XDP, 0, "XDP_ABORTED"),
    (XDP, 1, "XDP_DROP"),
    (XDP, 2, "XDP_PASS"),
    (XDP, 3, "XDP_TX"),
    (XDP, 4, "XDP_REDIRECT"),
    (TC, u32::MAX, "TC_ACT_UNSPEC"),
    (TC, 0, "TC_ACT_OK"),
    (TC, 1, "TC_ACT_RECLASSIFY"),
    (TC, 2, "TC_ACT_SHOT"),
    (TC, 3, "TC_ACT_PIPE"),
    (TC, 4, "TC_ACT_STOLEN"),
    (TC, 5, "TC_ACT_QUEUED"),
    (TC, 6, "TC_ACT_REPEAT"),
    (TC, 7, "TC_ACT_REDIRECT"),
    (TC, 8, "TC_ACT_TRAP"),
    (LIGHTWEIGHT_TUNNEL, 0, "BPF_OK"),
    (LIGHTWEIGHT_TUNNEL, 2, "BPF_DROP"),
    (LIGHTWEIGHT_TUNNEL, 7, "BPF_REDIRECT"),
    (LIGHTWEIGHT_TUNNEL, 128, "BPF_LWT_REROUTE"),
    (FLOW_DISSECTOR, 0, "BPF_OK"),
    (FLOW_DISSECTOR, 2, "BPF_DROP"),
    (FLOW_DISSECTOR, 129, "BPF_FLOW_DISSECTOR_CONTINUE"),
    (SOCKETS, 0, "SK_DROP"),
    (SOCKETS, 1, "SK_PASS"),
    (NETFILTER, 0, "NF_DROP"),
    (NETFILTER, 1, "NF_ACCEPT"),
];

/// What a program type calls a number that it returns; `None` where it has no name for it.
pub fn return_name(program_type: u32, value: u32) -> Option<&'static str> {
    NAMES.iter().find(|row| row.0.contains(&program_type) && row.1 == value).map(|row| row.2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::ProgramType;

    #[test]
    fn types_that_share_numbers_share_names() {
        assert_eq!(return_name(6, 2), Some("XDP_PASS"));
        assert_eq!(return_name(3, 2), return_name(4, 2));
        assert_eq!(return_name(3, -1_i32 as u32), Some("TC_ACT_UNSPEC"));
        assert_eq!(return_name(1, 2), None, "a socket filter returns a length");
        assert_eq!(return_name(6, 9), None);
    }

    #[test]
    fn every_type_is_one() {
        for number in NAMES.iter().flat_map(|row| row.0) {
            assert!(ProgramType::by_number(*number).is_some(), "{number}");
        }
    }
}
