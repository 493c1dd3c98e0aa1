/* Counts packets by size class in a hash map; shorter than an Ethernet header, they are dropped. */
#include "../../examples/include/context.h"
#include "../../examples/include/net.h"

struct {
	uint_field(type, MAP_HASH);
	type_field(key, u32);
	type_field(value, u64);
	uint_field(max_entries, 64);
} sizes SEC(".maps");

SEC("xdp")
int count_sizes(struct xdp *xdp)
{
	void *data = (void *)(long)xdp->data;
	void *end = (void *)(long)xdp->data_end;

	if (data + sizeof(struct ethernet) > end)
		return XDP_DROP;

	u32 class = (end - data) & 0xff;
	u64 *count = bpf_map_lookup_elem(&sizes, &class);
	if (count) {
		__sync_fetch_and_add(count, 1);
	} else {
		u64 one = 1;
		bpf_map_update_elem(&sizes, &class, &one, 0);
	}
	return XDP_PASS;
}

SEC("xdp")
int drop_small(struct xdp *xdp)
{
	void *data = (void *)(long)xdp->data;
	void *end = (void *)(long)xdp->data_end;

	return data + 60 > end ? XDP_DROP : XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
