/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * The header of IPv4 (RFC 791). Bit fields in the order of a little-endian machine, as eBPF's is here. */
#pragma once

#include <linux/types.h>

struct iphdr {
	__u8 ihl : 4, version : 4;
	__u8 tos;
	__be16 tot_len;
	__be16 id;
	__be16 frag_off;
	__u8 ttl;
	__u8 protocol;
	__sum16 check;
	__be32 saddr;
	__be32 daddr;
};
