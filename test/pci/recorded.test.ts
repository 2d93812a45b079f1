import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { describePci } from '../../src/pci/query.ts';
import { numberBuses } from '../../src/pci/topology.ts';
import { deviceListProperties, qomListProperties, qomListTypes } from '../../src/qom/commands.ts';
import { createPciWorld } from './support.ts';

interface Step {
  readonly op?: string;
  readonly send?: string;
  readonly recv?: readonly { readonly return?: unknown }[];
}

interface Request {
  readonly execute: string;
  readonly arguments?: { readonly typename?: string };
}

/** What QEMU 7.2.22 answered to a command in a recording. */
function answer(recording: string, command: string, typename?: string): unknown {
  const file = new URL(`../conformance/transcripts/${recording}.json`, import.meta.url);
  const { steps } = JSON.parse(readFileSync(file, 'utf8')) as { steps: readonly Step[] };
  for (const { send, recv } of steps) {
    if (send === undefined || !send.startsWith('{')) continue;
    const request = JSON.parse(send) as Request;
    if (request.execute === command && request.arguments?.typename === typename) return recv?.at(-1)?.return;
  }
  throw new Error(`${command} is not in ${recording}`);
}

/** As JSON shows it: no absent members, 64-bit numbers as the recording's reader rounds them. */
function plain(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (_, member: unknown) => (typeof member === 'bigint' ? Number(member) : member)),
  );
}

describe('as QEMU 7.2.22 was recorded', () => {
  it('root ports have the same properties with the same defaults', () => {
    const { types } = createPciWorld();
    const ours = plain(deviceListProperties(types, 'pcie-root-port'));
    expect(ours).toEqual(answer('qom', 'device-list-properties', 'pcie-root-port'));
  });

  it('a PCI device has the same properties in the same order', () => {
    const { types } = createPciWorld();
    const recorded = answer('qom', 'qom-list-properties', 'edu') as { name: string }[];
    expect(plain(qomListProperties(types, 'card'))).toEqual(recorded.filter(({ name }) => name !== 'dma_mask'));
  });

  it('a port is described alike by query-pci', () => {
    const { cold, bus } = createPciWorld();
    cold('pcie-root-port', { id: 'rp1', chassis: 1, addr: '1' });
    const recorded = answer('device-add-no-iommu', 'query-pci') as { devices: { qdev_id: string }[] }[];
    const port = recorded[0]!.devices.find(({ qdev_id }) => qdev_id === 'rp1');
    expect(plain(describePci(bus))).toEqual([{ bus: 0, devices: [port] }]);
  });

  it('a function is described alike by query-pci', () => {
    const { cold, bus } = createPciWorld();
    cold('card', { id: 'edu0', addr: '4' });
    const recorded = answer('queries', 'query-pci') as { devices: { qdev_id: string; regions: object[] }[] }[];
    const edu = recorded[0]!.devices.find(({ qdev_id }) => qdev_id === 'edu0')!;
    const io = { bar: 1, size: 256, address: -1, type: 'io' };
    const wide = { prefetch: true, mem_type_64: true, bar: 4, size: 16384, address: -1, type: 'memory' };
    expect(plain(describePci(bus))).toEqual([{ bus: 0, devices: [{ ...edu, regions: [...edu.regions, io, wide] }] }]);
  });
});

describe('beyond the recordings', () => {
  it('query-pci shows what is behind a bridge that has its numbers', () => {
    const { cold, bus } = createPciWorld();
    cold('pcie-root-port', { id: 'rp1', chassis: 1, addr: '1' });
    cold('card', { bus: 'rp1', id: 'c' });
    expect(describePci(bus)[0]!.devices[0]!.pci_bridge!.devices).toBeUndefined();
    numberBuses(bus);
    const bridge = describePci(bus)[0]!.devices[0]!.pci_bridge!;
    expect(bridge.bus).toMatchObject({ number: 0, secondary: 1, subordinate: 1 });
    expect(bridge.devices).toMatchObject([{ bus: 1, slot: 0, qdev_id: 'c' }]);
  });

  it('types have the parents and interfaces that scripts look for', () => {
    const { types } = createPciWorld();
    const names = (base: string): string[] => qomListTypes(types, { implements: base }).map(({ name }) => name);
    expect(names('pci-device')).toEqual(['pcie-root-port', 'pcie-pci-bridge', 'card']);
    expect(names('hotplug-handler')).toEqual(['pcie-root-port', 'pcie-pci-bridge']);
    expect(names('PCI')).toEqual(['PCI', 'PCIE']);
    expect(types.require('pcie-root-port').parent?.name).toBe('pcie-root-port-base');
  });
});
