//! The headers that C in the page includes: their numbers are those of the engine's tables, their layouts those of
//! the system's own headers where a C compiler and these are there.

use glasshive::helper::Facts;
use glasshive::map::types::TYPES;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn include() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../www/clang/include")
}

fn header(name: &str) -> String {
    fs::read_to_string(include().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn every_helper_is_declared_by_its_number() {
    let text = header("bpf/bpf_helper_defs.h");
    let declared: Vec<(i32, &str)> = text
        .lines()
        .filter(|line| line.starts_with("static "))
        .map(|line| {
            let name = line.split("(*").nth(1).and_then(|rest| rest.split(')').next());
            let number = line.rsplit("(void *)").next().and_then(|n| n.trim_end_matches(';').parse().ok());
            (number.unwrap_or_else(|| panic!("{line}")), name.unwrap_or_else(|| panic!("{line}")))
        })
        .collect();
    let known: Vec<(i32, &str)> = (1..).map_while(|n| Facts::of(n).map(|facts| (n, facts.name))).collect();
    assert!(known.len() > 200);
    assert_eq!(declared, known);
}

#[test]
fn every_map_type_has_its_number() {
    let text = header("linux/bpf.h");
    let start = text.find("enum bpf_map_type {").expect("the enumeration");
    let body = text[start..].split('}').next().unwrap_or_default();
    let names: Vec<String> = body
        .lines()
        .filter_map(|line| line.trim().strip_prefix("BPF_MAP_TYPE_"))
        .map(|name| name.trim_end_matches(',').to_lowercase())
        .collect();
    for map_type in TYPES {
        let name = names.get(map_type.number as usize).map(String::as_str);
        assert_eq!(name, Some(map_type.name), "map type {}", map_type.number);
    }
}

/// What both sides declare: the system's headers may be older than the kernel.
const STRUCTURES: &[(&str, &[&str])] = &[
    (
        "struct __sk_buff",
        &[
            "len",
            "cb",
            "data",
            "data_end",
            "remote_port",
            "data_meta",
            "flow_keys",
            "tstamp",
            "sk",
            "gso_size",
            "hwtstamp",
        ],
    ),
    (
        "struct xdp_md",
        &["data", "data_end", "data_meta", "ingress_ifindex", "rx_queue_index", "egress_ifindex"],
    ),
    (
        "struct bpf_sock",
        &[
            "family",
            "mark",
            "src_ip4",
            "src_ip6",
            "src_port",
            "dst_port",
            "dst_ip4",
            "state",
            "rx_queue_mapping",
        ],
    ),
    (
        "struct bpf_sock_addr",
        &["user_ip4", "user_port", "family", "protocol", "msg_src_ip4", "msg_src_ip6", "sk"],
    ),
    (
        "struct bpf_sk_lookup",
        &["family", "remote_ip6", "remote_port", "local_ip4", "local_port", "ingress_ifindex"],
    ),
    ("struct sk_msg_md", &["data", "data_end", "family", "remote_ip6", "local_port", "size", "sk"]),
    ("struct bpf_sockopt", &["sk", "optval", "optval_end", "level", "optname", "optlen", "retval"]),
    (
        "struct bpf_fib_lookup",
        &["sport", "tot_len", "ifindex", "tos", "ipv4_src", "ipv4_dst", "h_vlan_proto", "smac", "dmac"],
    ),
    (
        "struct bpf_flow_keys",
        &["thoff", "is_encap", "n_proto", "sport", "ipv4_src", "ipv6_dst", "flags", "flow_label"],
    ),
    ("struct bpf_sock_tuple", &["ipv4.dport", "ipv6.daddr", "ipv6.dport"]),
    ("struct bpf_timer", &[]),
    ("struct bpf_dynptr", &[]),
    ("struct ethhdr", &["h_source", "h_proto"]),
    ("struct iphdr", &["tot_len", "frag_off", "ttl", "protocol", "check", "saddr", "daddr"]),
    ("struct ipv6hdr", &["payload_len", "nexthdr", "hop_limit", "saddr", "daddr"]),
    ("struct tcphdr", &["source", "dest", "seq", "ack_seq", "window", "check", "urg_ptr"]),
    ("struct udphdr", &["source", "dest", "len", "check"]),
];

const HEADERS: &[&str] = &["bpf", "if_ether", "ip", "ipv6", "tcp", "udp", "in", "pkt_cls"];

const CONSTANTS: &[&str] = &[
    "BPF_MAP_TYPE_RINGBUF",
    "BPF_F_NO_PREALLOC",
    "BPF_F_MMAPABLE",
    "BPF_F_PRESERVE_ELEMS",
    "BPF_F_CURRENT_CPU",
    "BPF_F_PSEUDO_HDR",
    "BPF_F_USER_STACK",
    "BPF_RB_FORCE_WAKEUP",
    "BPF_LOCAL_STORAGE_GET_F_CREATE",
    "BPF_HDR_START_NET",
    "BPF_FIB_LOOKUP_OUTPUT",
    "BPF_NOEXIST",
    "BPF_F_LOCK",
    "BPF_ADJ_ROOM_MAC",
    "XDP_REDIRECT",
    "SK_PASS",
    "TC_ACT_REDIRECT",
    "ETH_P_IPV6",
    "ETH_P_8021AD",
    "IPPROTO_ICMPV6",
    "IPPROTO_SCTP",
];

/// What a C program says of sizes, offsets and constants, compiled with the flags; `None` where there is no compiler, or
/// no such header.
fn layouts(flags: &[&str], name: &str) -> Option<String> {
    let mut source = String::from("extern int printf(const char *, ...);\n");
    HEADERS
        .iter()
        .for_each(|header| writeln!(source, "#include <linux/{header}.h>").expect("a string grows"));
    source.push_str("int main(void)\n{\n");
    for (structure, members) in STRUCTURES {
        writeln!(source, "printf(\"{structure} %d\\n\", (int)sizeof({structure}));").expect("a string grows");
        for member in *members {
            let offset = format!("(int)__builtin_offsetof({structure}, {member})");
            writeln!(source, "printf(\"{structure}.{member} %d\\n\", {offset});").expect("a string grows");
        }
    }
    for constant in CONSTANTS {
        writeln!(source, "printf(\"{constant} %llx\\n\", (unsigned long long)({constant}));")
            .expect("a string grows");
    }
    source.push_str("return 0;\n}\n");
    let folder = std::env::temp_dir().join(format!("glasshive-headers-{}-{name}", std::process::id()));
    fs::create_dir_all(&folder).ok()?;
    let (file, program) = (folder.join("layouts.c"), folder.join("layouts"));
    fs::write(&file, source).ok()?;
    let made = Command::new("cc").args(["-w", "-o"]).arg(&program).arg(&file).args(flags).output();
    let said =
        made.ok().filter(|made| made.status.success()).and_then(|_| Command::new(&program).output().ok());
    let _ = fs::remove_dir_all(&folder);
    Some(String::from_utf8(said?.stdout).expect("text"))
}

#[test]
fn layouts_are_the_systems() {
    let Some(systems) = layouts(&[], "system") else {
        println!("skipped: no C compiler, or no Linux headers");
        return;
    };
    let include = include();
    let ours = layouts(&["-I", include.to_str().expect("a path of text")], "ours").expect("they compile");
    assert!(ours.lines().count() > 100);
    for (ours, systems) in ours.lines().zip(systems.lines()) {
        assert_eq!(ours, systems);
    }
}
