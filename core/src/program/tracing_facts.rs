//! Facts of what programs attach to by the kernel's BTF: arguments that may be null or are not what their type
//! says, tables of operations, and what of their objects may be written.
//!
//! Written by `native/probes/tracing.py` from the running kernel's answers; not to be edited by hand.

use super::tracing::Given::{self, Buffer, Object};
use super::tracing::{Member, Operations, Writable};

/// Arguments of tracepoints that may be null: bit N is argument N.
#[rustfmt::skip]
pub(super) const NULLABLE: &[(&str, u32)] = &[
    ("break_lease_block", 2),
    ("break_lease_noblock", 2),
    ("break_lease_unblock", 2),
    ("ext4_mballoc_discard", 2),
    ("ext4_mballoc_free", 2),
    ("fcntl_setlk", 2),
    ("fib_table_lookup", 4),
    ("flock_lock_inode", 2),
    ("folio_wait_writeback", 2),
    ("generic_delete_lease", 2),
    ("hugetlbfs_alloc_inode", 2),
    ("kfree_skb", 8),
    ("locks_remove_posix", 2),
    ("mm_collapse_huge_page_isolate", 1),
    ("mm_khugepaged_collapse_file", 2),
    ("mm_khugepaged_scan_file", 2),
    ("mm_khugepaged_scan_pmd", 2),
    ("mm_page_alloc", 1),
    ("mm_page_alloc_zone_locked", 1),
    ("mm_page_pcpu_drain", 1),
    ("posix_lock_inode", 2),
    ("qdisc_dequeue", 8),
    ("sched_pi_setprio", 2),
    ("sched_stick_numa", 4),
    ("sched_swap_numa", 4),
    ("tcp_send_reset", 3),
    ("tcp_sendmsg_locked", 4),
    ("time_out_leases", 2),
    ("tmigr_update_events", 1),
    ("writeback_dirty_folio", 2),
    ("xfs_blockgc_flush_all", 1),
    ("xfs_blockgc_free_space", 2),
    ("xfs_blockgc_start", 1),
    ("xfs_blockgc_stop", 1),
    ("xfs_blockgc_worker", 1),
    ("xfs_btree_overlapped_query_range", 4),
    ("xfs_btree_updkeys", 4),
    ("xfs_defer_add_item", 1),
    ("xfs_defer_cancel_item", 1),
    ("xfs_defer_cancel_list", 1),
    ("xfs_defer_create_intent", 1),
    ("xfs_defer_finish_item", 1),
    ("xfs_defer_isolate_paused", 1),
    ("xfs_defer_item_pause", 1),
    ("xfs_defer_item_unpause", 1),
    ("xfs_defer_pending_abort", 1),
    ("xfs_defer_pending_finish", 1),
    ("xfs_defer_relog_intent", 1),
    ("xfs_fs_sync_fs", 1),
    ("xfs_inodegc_flush", 1),
    ("xfs_inodegc_push", 1),
    ("xfs_inodegc_queue", 1),
    ("xfs_inodegc_start", 1),
    ("xfs_inodegc_stop", 1),
    ("xfs_inodegc_throttle", 1),
    ("xfs_ioc_free_eofblocks", 2),
    ("xfs_map_blocks_alloc", 16),
    ("xfs_map_blocks_found", 16),
];

/// The kernel's iterators, and their arguments that are more or less than trusted.
#[rustfmt::skip]
pub(super) const ITERATORS: &[(&str, &[(u32, Given)])] = &[
    ("bpf_iter_bpf_link", &[(1, Object { trusted: false, maybe_null: true })]),
    ("bpf_iter_bpf_map", &[(1, Object { trusted: true, maybe_null: true })]),
    ("bpf_iter_bpf_map_elem", &[(2, Buffer { read_only: true, maybe_null: true }), (3, Buffer { read_only: false, maybe_null: true })]),
    ("bpf_iter_bpf_prog", &[(1, Object { trusted: false, maybe_null: true })]),
    ("bpf_iter_bpf_sk_storage_map", &[(2, Object { trusted: false, maybe_null: true }), (3, Buffer { read_only: false, maybe_null: true })]),
    ("bpf_iter_cgroup", &[(1, Object { trusted: true, maybe_null: true })]),
    ("bpf_iter_dmabuf", &[(1, Object { trusted: false, maybe_null: true })]),
    ("bpf_iter_ipv6_route", &[(1, Object { trusted: false, maybe_null: true })]),
    ("bpf_iter_kmem_cache", &[(1, Object { trusted: true, maybe_null: true })]),
    ("bpf_iter_ksym", &[(1, Object { trusted: false, maybe_null: true })]),
    ("bpf_iter_netlink", &[(1, Object { trusted: false, maybe_null: true })]),
    ("bpf_iter_sockmap", &[(2, Buffer { read_only: true, maybe_null: true }), (3, Object { trusted: false, maybe_null: true })]),
    ("bpf_iter_task", &[(1, Object { trusted: true, maybe_null: true })]),
    ("bpf_iter_task_file", &[(1, Object { trusted: false, maybe_null: true }), (3, Object { trusted: false, maybe_null: true })]),
    ("bpf_iter_task_vma", &[(1, Object { trusted: false, maybe_null: true }), (2, Object { trusted: false, maybe_null: true })]),
    ("bpf_iter_tcp", &[(1, Object { trusted: true, maybe_null: true })]),
    ("bpf_iter_udp", &[(1, Object { trusted: true, maybe_null: true })]),
    ("bpf_iter_unix", &[(1, Object { trusted: false, maybe_null: true })]),
];

/// The kernel's tables of operations.
#[rustfmt::skip]
pub(super) const OPERATIONS: &[Operations] = &[
    Operations { name: "bpf_dummy_ops", promotes: &[], members: &[
        Member { name: "test_1", plain: true, sleepable: false, maybe_null: 1 },
        Member { name: "test_2", plain: true, sleepable: false, maybe_null: 0 },
        Member { name: "test_sleepable", plain: true, sleepable: true, maybe_null: 0 },
    ] },
    Operations { name: "tcp_congestion_ops", promotes: &[("sock", "tcp_sock")], members: &[
        Member { name: "ssthresh", plain: true, sleepable: true, maybe_null: 0 },
        Member { name: "cong_avoid", plain: true, sleepable: true, maybe_null: 0 },
        Member { name: "set_state", plain: true, sleepable: true, maybe_null: 0 },
        Member { name: "cwnd_event", plain: true, sleepable: true, maybe_null: 0 },
        Member { name: "in_ack_event", plain: true, sleepable: true, maybe_null: 0 },
        Member { name: "pkts_acked", plain: true, sleepable: true, maybe_null: 0 },
        Member { name: "min_tso_segs", plain: true, sleepable: true, maybe_null: 0 },
        Member { name: "cong_control", plain: true, sleepable: true, maybe_null: 0 },
        Member { name: "undo_cwnd", plain: true, sleepable: true, maybe_null: 0 },
        Member { name: "sndbuf_expand", plain: true, sleepable: true, maybe_null: 0 },
        Member { name: "get_info", plain: false, sleepable: false, maybe_null: 0 },
        Member { name: "init", plain: true, sleepable: true, maybe_null: 0 },
        Member { name: "release", plain: true, sleepable: true, maybe_null: 0 },
    ] },
];

/// What programs of a table of operations, or of a type, may write of an object: a member, and whether a write may begin anywhere
/// in it or at its start alone.
#[rustfmt::skip]
pub(super) const WRITABLE: &[Writable] = &[
    Writable { table: "tcp_congestion_ops", object: "tcp_sock", members: &[("inet_conn.icsk_inet.sk.sk_pacing_status", false), ("inet_conn.icsk_inet.sk.sk_pacing_rate", false), ("inet_conn.icsk_ack.pending", false), ("inet_conn.icsk_ca_priv", true), ("snd_cwnd", false), ("snd_ssthresh", false), ("ecn_flags", false), ("app_limited", false), ("snd_cwnd_cnt", false), ("snd_cwnd_stamp", false)] },
    Writable { table: "bpf_dummy_ops", object: "bpf_dummy_ops_state", members: &[("val", true)] },
    Writable { table: "sched_cls", object: "nf_conn", members: &[("mark", false)] },
    Writable { table: "sched_cls", object: "nf_conn___init", members: &[("mark", false)] },
    Writable { table: "xdp", object: "nf_conn", members: &[("mark", false)] },
    Writable { table: "xdp", object: "nf_conn___init", members: &[("mark", false)] },
];
