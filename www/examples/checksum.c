/* Sums an IPv4 header in a loop whose length comes from the packet, at most 15 words of 4 bytes. */
#include "include/context.h"
#include "include/net.h"

struct {
	uint_field(type, MAP_ARRAY);
	type_field(key, u32);
	type_field(value, u64);
	uint_field(max_entries, 2);
} results SEC(".maps");

SEC("xdp")
int check_sum(struct xdp *xdp)
{
	void *end = (void *)(long)xdp->data_end;
	struct ethernet *eth = (void *)(long)xdp->data;
	struct ipv4 *ip = (void *)(eth + 1);

	if ((void *)(ip + 1) > end || eth->type != htons(ETH_IP))
		return XDP_PASS;

	u16 *half = (void *)ip;
	u32 halves = (ip->version_and_length & 15) * 2;
	u32 sum = 0;
#pragma clang loop unroll(disable)
	for (u32 i = 0; i < halves; i++) {
		/* Keeps clang from moving the comparison away from the read that it guards. */
		asm volatile("" : "+r"(half));
		if ((void *)(half + 1) > end)
			return XDP_DROP;
		sum += *half++;
	}
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);

	u32 good = sum == 0xffff;
	u64 *count = bpf_map_lookup_elem(&results, &good);
	if (count)
		__sync_fetch_and_add(count, 1);
	return good ? XDP_PASS : XDP_DROP;
}

char LICENSE[] SEC("license") = "GPL";
