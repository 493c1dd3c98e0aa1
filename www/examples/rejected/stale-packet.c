/* A helper that may move the packet makes every pointer into it worthless. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int pull(struct __sk_buff *skb)
{
	void *end = (void *)(long)skb->data_end;
	struct ethhdr *ethernet = (void *)(long)skb->data;

	if ((void *)(ethernet + 1) > end)
		return TC_ACT_OK;
	if (bpf_skb_pull_data(skb, 64))
		return TC_ACT_OK;
	return ethernet->h_proto ? TC_ACT_OK : TC_ACT_SHOT;
}

char _license[] SEC("license") = "GPL";
