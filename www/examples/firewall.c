/* Lets through what its rules allow: a hash of protocol and port, for tc. */
#include "include/context.h"
#include "include/net.h"

struct rule {
	u16 port;
	u8 protocol;
	u8 unused;
};

struct {
	uint_field(type, MAP_HASH);
	type_field(key, struct rule);
	type_field(value, u64);
	uint_field(max_entries, 256);
} allowed SEC(".maps");

SEC("tc")
int firewall(struct skb *skb)
{
	void *data = (void *)(long)skb->data;
	void *end = (void *)(long)skb->data_end;
	struct ethernet *eth = data;
	struct ipv4 *ip = (void *)(eth + 1);

	if ((void *)(ip + 1) > end || eth->type != htons(ETH_IP))
		return TC_ACT_OK;
	if (ip->protocol != IP_TCP && ip->protocol != IP_UDP)
		return TC_ACT_OK;

	/* The header's length is in the packet, so the verifier has to be shown that it is within bounds. */
	u32 length = (ip->version_and_length & 15) * 4;
	if (length < sizeof(*ip))
		return TC_ACT_SHOT;
	struct ports *ports = (void *)ip + length;
	if ((void *)(ports + 1) > end)
		return TC_ACT_SHOT;

	struct rule rule = { .port = ntohs(ports->to), .protocol = ip->protocol };
	u64 *passed = bpf_map_lookup_elem(&allowed, &rule);
	if (!passed)
		return TC_ACT_SHOT;
	__sync_fetch_and_add(passed, 1);
	return TC_ACT_OK;
}

char LICENSE[] SEC("license") = "GPL";
