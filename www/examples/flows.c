/* Reads a packet header by header, and counts by flow: who talks to whom, by which protocol and ports. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_vlan.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct flow {
	__be32 source;
	__be32 destination;
	__be16 source_port;
	__be16 destination_port;
	__u32 protocol;
};

struct traffic {
	__u64 packets;
	__u64 bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct flow);
	__type(value, struct traffic);
} flows SEC(".maps");

/* Where reading has come to, and where the packet ends. */
struct cursor {
	void *at;
	void *end;
};

/* The next bytes of the packet, or null where it ends before. */
#define take(cursor, type)                                                       \
	({                                                                       \
		type *taken = (cursor)->at;                                      \
		(void *)(taken + 1) > (cursor)->end ? (type *)0 : ((cursor)->at = taken + 1, taken); \
	})

SEC("tc")
int count_flows(struct __sk_buff *skb)
{
	struct cursor cursor = { (void *)(long)skb->data, (void *)(long)skb->data_end };
	struct flow flow = {};

	struct ethhdr *ethernet = take(&cursor, struct ethhdr);
	if (!ethernet)
		return TC_ACT_OK;
	__be16 type = ethernet->h_proto;

	if (type == bpf_htons(ETH_P_8021Q)) {
		struct vlan_hdr *tag = take(&cursor, struct vlan_hdr);
		if (!tag)
			return TC_ACT_OK;
		type = tag->h_vlan_encapsulated_proto;
	}
	if (type != bpf_htons(ETH_P_IP))
		return TC_ACT_OK;

	struct iphdr *ip = take(&cursor, struct iphdr);
	if (!ip || ip->ihl != 5)
		return TC_ACT_OK;
	flow.source = ip->saddr;
	flow.destination = ip->daddr;
	flow.protocol = ip->protocol;

	if (ip->protocol == IPPROTO_TCP || ip->protocol == IPPROTO_UDP) {
		/* Both begin with the two ports. */
		__be16 *ports = (__be16 *)take(&cursor, __be32);
		if (!ports)
			return TC_ACT_OK;
		flow.source_port = ports[0];
		flow.destination_port = ports[1];
	}

	struct traffic first = { 1, skb->len };
	struct traffic *seen = bpf_map_lookup_elem(&flows, &flow);
	if (seen) {
		__sync_fetch_and_add(&seen->packets, 1);
		__sync_fetch_and_add(&seen->bytes, skb->len);
	} else {
		bpf_map_update_elem(&flows, &flow, &first, BPF_NOEXIST);
	}
	return TC_ACT_OK;
}

char _license[] SEC("license") = "GPL";
