import type { Machine } from '../machine/machine.ts';

const gibibyte = 1024n ** 3n;

/** The block that a daemon without options prints: what runs, how to talk to it, how to stop it. */
export function banner(machine: Machine, socketPath: string, version: string): string {
  const memory = machine.memorySize;
  const size = memory % gibibyte === 0n ? `${memory / gibibyte} GiB` : `${memory >> 20n} MiB`;
  const units = machine.units.map((unit) => unit.kind).join(', ') || 'no vIOMMU';
  return [
    `viommud ${version}: machine ${machine.type.name}, ${size} of memory, ${units}`,
    '',
    `  socket   ${socketPath}`,
    '  talk     paste these lines into another terminal:',
    '',
    `    socat - UNIX-CONNECT:${socketPath}`,
    '    {"execute": "qmp_capabilities"}',
    '    {"execute": "device_add", "arguments": {"driver": "vfio-pci", "id": "nic0", "host": "0000:3b:00.0"}}',
    '    {"execute": "query-iommu-notifiers"}',
    '',
    '  stop     Ctrl-C, or {"execute": "quit"}',
    '',
  ].join('\n');
}
