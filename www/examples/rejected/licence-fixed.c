/* Some helpers are for programs under a GPL-compatible licence alone. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("raw_tracepoint/sys_enter")
int hello(void *ctx)
{
	bpf_printk("a system call");
	return 0;
}

char _license[] SEC("license") = "GPL";
