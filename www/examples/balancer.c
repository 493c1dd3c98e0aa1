/* Sends each flow to one of some machines: addresses are rewritten, and the header's checksum follows. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define MACHINES 4

struct machine {
	__be32 address;
	__u8 hardware[ETH_ALEN];
	__u16 unused;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MACHINES);
	__type(key, __u32);
	__type(value, struct machine);
} machines SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, MACHINES);
	__type(key, __u32);
	__type(value, __u64);
} sent SEC(".maps");

/* One's complement arithmetic, as RFC 1624 has it: what leaves the sum, and what comes into it. */
static __always_inline __sum16 replaced(__sum16 check, __be32 old, __be32 new)
{
	__u64 sum = (__u16)~check;

	sum += (__u16)~old + (__u32)(__u16)~(old >> 16);
	sum += (__u16)new + (new >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

SEC("xdp")
int balance(struct xdp_md *ctx)
{
	void *end = (void *)(long)ctx->data_end;
	struct ethhdr *ethernet = (void *)(long)ctx->data;
	struct iphdr *ip = (void *)(ethernet + 1);
	struct udphdr *udp = (void *)(ip + 1);

	if ((void *)(udp + 1) > end)
		return XDP_PASS;
	if (ethernet->h_proto != bpf_htons(ETH_P_IP) || ip->protocol != IPPROTO_UDP || ip->ihl != 5)
		return XDP_PASS;

	__u32 hash = (ip->saddr ^ (__u32)udp->source << 16 ^ udp->dest) * 0x9e3779b1;
	__u32 chosen = hash >> 30;
	struct machine *machine = bpf_map_lookup_elem(&machines, &chosen);
	if (!machine || !machine->address)
		return XDP_PASS;

	ip->check = replaced(ip->check, ip->daddr, machine->address);
	ip->daddr = machine->address;
	/* UDP over IPv4 may do without a checksum. */
	udp->check = 0;
	__builtin_memcpy(ethernet->h_source, ethernet->h_dest, ETH_ALEN);
	__builtin_memcpy(ethernet->h_dest, machine->hardware, ETH_ALEN);

	__u64 *count = bpf_map_lookup_elem(&sent, &chosen);
	if (count)
		++*count;
	return XDP_TX;
}

char _license[] SEC("license") = "GPL";
