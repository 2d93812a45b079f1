/**
 * What `info` tells of things that the model does not have: QEMU's answers where there is none of them. Names, usages
 * and helps are QEMU's.
 */
export const absentTopics: readonly { name: string; usage?: string; help: string; text: string }[] = [
  { name: 'balloon', help: 'show balloon information', text: 'Error: No balloon device has been activated\n' },
  {
    name: 'block',
    usage: '[-n] [-v] [device]',
    help: 'show info of one block device or all block devices (-n: show named nodes; -v: show details)',
    text: '',
  },
  { name: 'block-jobs', help: 'show progress of ongoing block device operations', text: 'No active jobs\n' },
  { name: 'blockstats', help: 'show block device statistics', text: '' },
  { name: 'capture', help: 'show capture information', text: '' },
  { name: 'cpus', help: 'show infos for each CPU', text: '' },
  { name: 'dump', help: 'Display the latest dump status', text: 'Status: none\n' },
  { name: 'history', help: 'show the command line history', text: '' },
  {
    name: 'hotpluggable-cpus',
    help: 'Show information about hotpluggable CPUs',
    text: "Error: The feature 'query-hotpluggable-cpus' is not enabled\n",
  },
  { name: 'irq', help: 'show the interrupts statistics (if available)', text: '' },
  { name: 'kvm', help: 'show KVM information', text: 'kvm support: disabled\n' },
  {
    name: 'lapic',
    usage: '[apic-id]',
    help: 'show local apic state (apic-id: local apic to read, default is which of current CPU)',
    text: 'No CPU available\n',
  },
  { name: 'mem', help: 'show the active virtual memory mappings', text: 'No CPU available\n' },
  { name: 'memory-devices', help: 'show memory devices', text: '' },
  { name: 'mice', help: 'show which guest mouse is receiving events', text: 'No mouse devices connected\n' },
  { name: 'network', help: 'show the network state', text: '' },
  { name: 'numa', help: 'show NUMA information', text: '0 nodes\n' },
  { name: 'pic', help: 'show PIC state', text: '' },
  { name: 'rdma', help: 'show RDMA state', text: '' },
  {
    name: 'registers',
    usage: '[-a|vcpu]',
    help:
      'show the cpu registers (-a: show register info for all cpus; vcpu: specific vCPU to query; ' +
      "show the current CPU's registers if no argument is specified)",
    text: 'No CPU available\n',
  },
  { name: 'replay', help: 'show record/replay information', text: 'Record/replay is not active\n' },
  { name: 'roms', help: 'show roms', text: '' },
  { name: 'sev', help: 'show SEV information', text: 'SEV is not enabled\n' },
  {
    name: 'snapshots',
    help: 'show the currently saved VM snapshots',
    text: 'no block device can store vmstate for snapshot\n',
  },
  { name: 'spice', help: 'show the spice server status', text: 'Server: disabled\n' },
  { name: 'tlb', help: 'show virtual to physical memory mappings', text: 'No CPU available\n' },
  { name: 'tpm', help: 'show the TPM device', text: '' },
  { name: 'usb', help: 'show guest USB devices', text: 'Error: USB support not enabled\n' },
  { name: 'usernet', help: 'show user network stack connection states', text: '' },
  { name: 'virtio', help: 'List all available virtio devices', text: 'No VirtIO devices\n' },
  {
    name: 'vm-generation-id',
    help: 'Show Virtual Machine Generation ID',
    text: 'Error: VM Generation ID device not found\n',
  },
  { name: 'vnc', help: 'show the vnc server status', text: 'None\n' },
];
