/* Waits for a byte of the packet to change: nothing in the loop itself ever ends it. */
#include "include/context.h"

SEC("xdp")
int wait_for_byte(struct xdp *xdp)
{
	volatile u8 *byte = (void *)(long)xdp->data;
	u8 *end = (void *)(long)xdp->data_end;

	if ((u8 *)byte + 1 > end)
		return XDP_PASS;
	while (*byte == 0)
		;
	return XDP_DROP;
}

char LICENSE[] SEC("license") = "GPL";
