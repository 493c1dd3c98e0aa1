/* Reads the Ethernet type after asking whether the packet is that long. */
#include "../include/context.h"
#include "../include/net.h"

SEC("xdp")
int only_ip(struct xdp *xdp)
{
	struct ethernet *eth = (void *)(long)xdp->data;

	if ((void *)(eth + 1) > (void *)(long)xdp->data_end)
		return XDP_DROP;
	return eth->type == htons(ETH_IP) ? XDP_PASS : XDP_DROP;
}

char LICENSE[] SEC("license") = "GPL";
