/** `query-pci` and `info pci` of whole machines against QEMU's answers. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { describePci, type PciInfo } from '../../src/pci/query.ts';
import { pciText } from '../../src/pci/text.ts';
import { MachineRig } from '../machine/support.ts';

interface Step {
  readonly send?: string;
  readonly recv?: readonly { readonly return?: unknown }[];
}

function recorded(recording: string, line: string): unknown {
  const file = new URL(`../conformance/transcripts/${recording}.json`, import.meta.url);
  const { steps } = JSON.parse(readFileSync(file, 'utf8')) as { steps: readonly Step[] };
  const step = steps.find(({ send }) => send?.includes(line));
  if (step === undefined) throw new Error(`${line} is not in ${recording}`);
  return step.recv?.at(-1)?.return;
}

/** As JSON shows it. */
function plain(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (_, member: unknown) => (typeof member === 'bigint' ? Number(member) : member)),
  );
}

function q35(...devices: Record<string, string>[]): PciInfo[] {
  const rig = new MachineRig({ type: 'q35', memory: 64n << 20n, devices: devices.map((values) => ({ values })) });
  return describePci(rig.machine.rootBus!);
}

const UNIT = { driver: 'intel-iommu', intremap: 'off', 'caching-mode': 'on' };
const EDU = { driver: 'edu', id: 'edu0', addr: '04.0' };
const TESTDEV = { driver: 'pci-testdev', id: 'td0', addr: '05.0' };

describe('as QEMU 7.2.22 was recorded', () => {
  it('info pci', () => {
    const port = { driver: 'pcie-root-port', id: 'rp1', chassis: '1', addr: '03.0', multifunction: 'on' };
    const buses = q35(
      UNIT,
      port,
      { ...port, id: 'rp2', chassis: '2', addr: '03.1', multifunction: 'off' },
      EDU,
      TESTDEV,
    );
    expect(pciText(buses).replaceAll('\n', '\r\n')).toBe(recorded('hmp', '"info pci"'));
  });

  it('query-pci', () => {
    const answer = recorded('queries', '"query-pci"') as { bus: number; devices: { qdev_id: string }[] }[];
    // virtio-net-pci is not modelled.
    const devices = answer[0]!.devices.filter(({ qdev_id }) => qdev_id !== 'vn0');
    expect(plain(q35(UNIT, EDU, TESTDEV))).toEqual([{ bus: 0, devices }]);
  });

  it('query-pci of a port', () => {
    expect(plain(q35({ driver: 'pcie-root-port', id: 'rp1', chassis: '1' }))).toEqual(
      recorded('device-add-no-iommu', '"query-pci"'),
    );
  });
});

describe('info pci', () => {
  it('shows what is behind a bridge, prefetchable memory and addresses that are set', () => {
    const rig = new MachineRig();
    rig.add({ driver: 'pci-testdev', id: 'td', bus: 'rp0', membar: 65536 });
    const text = pciText(describePci(rig.machine.rootBus!));
    const from = text.indexOf('  Bus  1, device   0, function 0:');
    expect(text.slice(from, text.indexOf('"td"', from))).toMatch(
      /BAR0: 32 bit memory at 0xc[0-9a-f]{7} \[0xc[0-9a-f]{7}\]\.\n {6}BAR1: I\/O at 0xffffffffffffffff \[0x00fe\]\.\n {6}BAR2: 64 bit prefetchable memory at 0xc/,
    );
  });
});
