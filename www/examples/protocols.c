/* Counts packets by their IP protocol: the program that eBPF was shown with in 2014. */
#include "include/context.h"

struct {
	uint_field(type, MAP_ARRAY);
	type_field(key, u32);
	type_field(value, u64);
	uint_field(max_entries, 256);
} counts SEC(".maps");

SEC("socket")
int count_protocols(struct skb *skb)
{
	u8 protocol = 0;

	if (bpf_skb_load_bytes_relative(skb, 9, &protocol, 1, HEADER_NETWORK) < 0)
		return 0;

	u32 key = protocol;
	u64 *count = bpf_map_lookup_elem(&counts, &key);
	if (count)
		__sync_fetch_and_add(count, 1);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
