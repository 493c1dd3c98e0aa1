/* Tells of every TCP SYN through a ring buffer: room is reserved, filled, and given over. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct event {
	__u64 time;
	__be32 source;
	__be32 destination;
	__u16 source_port;
	__u16 destination_port;
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} events SEC(".maps");

SEC("xdp")
int tell(struct xdp_md *ctx)
{
	void *end = (void *)(long)ctx->data_end;
	struct ethhdr *ethernet = (void *)(long)ctx->data;
	struct iphdr *ip = (void *)(ethernet + 1);
	struct tcphdr *tcp = (void *)(ip + 1);

	if ((void *)(tcp + 1) > end)
		return XDP_PASS;
	if (ethernet->h_proto != bpf_htons(ETH_P_IP) || ip->protocol != IPPROTO_TCP || ip->ihl != 5)
		return XDP_PASS;
	if (!tcp->syn || tcp->ack)
		return XDP_PASS;

	struct event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (!event)
		return XDP_PASS;
	event->time = bpf_ktime_get_ns();
	event->source = ip->saddr;
	event->destination = ip->daddr;
	event->source_port = bpf_ntohs(tcp->source);
	event->destination_port = bpf_ntohs(tcp->dest);
	bpf_ringbuf_submit(event, 0);
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
