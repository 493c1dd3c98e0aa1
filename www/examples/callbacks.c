/* Adds the bytes of a packet with bpf_loop: the verifier walks the callback a few times, not once a round. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

struct sum {
	struct __sk_buff *skb;
	__u64 bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} last SEC(".maps");

static long add(__u32 index, struct sum *sum)
{
	__u8 byte;

	/* A callback's answer: 0 goes on, 1 ends the loop. */
	if (bpf_skb_load_bytes(sum->skb, index, &byte, 1))
		return 1;
	sum->bytes += byte;
	return 0;
}

SEC("tc")
int sum_of_bytes(struct __sk_buff *skb)
{
	struct sum sum = { skb, 0 };
	__u32 key = 0;

	bpf_loop(skb->len, add, &sum, 0);
	bpf_map_update_elem(&last, &key, &sum.bytes, BPF_ANY);
	return TC_ACT_OK;
}

char _license[] SEC("license") = "GPL";
