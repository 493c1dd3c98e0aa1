/* Of the context only some members can be written, and its length is none of them. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int mark(struct __sk_buff *skb)
{
	skb->len = 64;
	return 0;
}

char _license[] SEC("license") = "GPL";
