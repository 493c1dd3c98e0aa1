/* Room in a ring buffer is reserved, and on one path nobody gives it back. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} lengths SEC(".maps");

SEC("xdp")
int tell(struct xdp_md *ctx)
{
	__u32 length = ctx->data_end - ctx->data;
	__u32 *record = bpf_ringbuf_reserve(&lengths, sizeof(*record), 0);

	if (!record)
		return XDP_PASS;
	if (length < 64)
		return XDP_DROP;
	*record = length;
	bpf_ringbuf_submit(record, 0);
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
