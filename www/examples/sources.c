/* Counts what each IPv4 source sends, and drops what comes from a source that sent too much. */
#include "include/context.h"
#include "include/net.h"

enum { LIMIT = 3 };

struct {
	uint_field(type, MAP_HASH);
	type_field(key, u32);
	type_field(value, u64);
	uint_field(max_entries, 1024);
} sources SEC(".maps");

SEC("xdp")
int limit_sources(struct xdp *xdp)
{
	void *data = (void *)(long)xdp->data;
	void *end = (void *)(long)xdp->data_end;
	struct ethernet *eth = data;
	struct ipv4 *ip = (void *)(eth + 1);

	/* What lies past the end must not be read: this comparison is what tells the verifier. */
	if ((void *)(ip + 1) > end)
		return XDP_PASS;
	if (eth->type != htons(ETH_IP))
		return XDP_PASS;

	u32 source = ip->from;
	u64 one = 1;
	u64 *seen = bpf_map_lookup_elem(&sources, &source);
	if (!seen) {
		bpf_map_update_elem(&sources, &source, &one, UPDATE_NOEXIST);
		return XDP_PASS;
	}
	__sync_fetch_and_add(seen, 1);
	return *seen > LIMIT ? XDP_DROP : XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
