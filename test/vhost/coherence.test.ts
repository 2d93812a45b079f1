/** What vhost reaches is what the guest's tables map, behind every unit, as long as the guest flushes. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VhostAgent } from '../../src/devices/vhost-agent.ts';
import type { GuestMode } from '../../src/guest/guest-driver.ts';
import type { MachineConfig } from '../../src/machine/create.ts';
import { MachineRig } from '../machine/support.ts';

const MEMORY = 64n << 20n;
const PAGE = 0x1000n;
const RINGS = 0x30_0000n;
const FRAMES = 0x100_0000n;
const SLOTS = 6;

interface Setup {
  readonly config: MachineConfig;
  readonly mode: GuestMode;
  readonly base: bigint;
}

const iommu = (values: Record<string, string>): MachineConfig => ({ devices: [{ values }] });
const SETUPS: Readonly<Record<string, Setup>> = {
  'intel-iommu, legacy mode': {
    config: iommu({ driver: 'intel-iommu', 'caching-mode': 'on' }),
    mode: 'legacy',
    base: 0x4000_0000n,
  },
  'intel-iommu, first stage': {
    config: iommu({ driver: 'intel-iommu', 'scalable-mode': 'on', fsts: 'on' }),
    mode: 'scalable',
    base: 0x4000_0000n,
  },
  'amd-iommu': { config: iommu({ driver: 'amd-iommu', 'dma-remap': 'on' }), mode: 'other', base: 0x4000_0000n },
  'virtio-iommu-pci': { config: iommu({ driver: 'virtio-iommu-pci' }), mode: 'other', base: 0x4000_0000n },
  'spapr-tce': { config: { type: 'pseries' }, mode: 'other', base: 0x1000_0000n },
  's390-pci-iommu': { config: { type: 's390-ccw-virtio' }, mode: 'other', base: 0x1_4000_0000n },
};

/** Slot by slot: which frame the guest maps there. */
const programs = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant('map' as const), slot: fc.nat(SLOTS - 1), frame: fc.nat(15) }),
    fc.record({ kind: fc.constant('unmap' as const), slot: fc.nat(SLOTS - 1) }),
    fc.record({ kind: fc.constant('touch' as const), slot: fc.nat(SLOTS - 1), write: fc.boolean() }),
  ),
  { minLength: 5, maxLength: 40 },
);

function started({ config, mode, base }: Setup): { rig: MachineRig; agent: VhostAgent } {
  const card = { driver: 'vhost-agent', id: 'vhost0', iommu_platform: 'on', 'iotlb-size': '5' };
  const rig = new MachineRig({ ...config, memory: MEMORY, devices: [...(config.devices ?? []), { values: card }] });
  const { machine } = rig;
  const agent = machine.findDevice('vhost0');
  if (!(agent instanceof VhostAgent)) throw new Error('vhost0 is something else');
  const space = machine.spaceOf(agent)!;
  const driver = machine.guests.driverOf(space.unit);
  const sourceId = space.guestId ?? agent.requesterId();
  expect(rig.command(() => driver.enable(mode))).toBe('{}');
  const rings = { sourceId, iova: base, address: RINGS, size: 0x6000n, permissions: ['read', 'write'] as const };
  expect(rig.command(() => driver.map(rings))).toBe('{}');
  const start = { address: RINGS, iova: base, ats: false };
  expect(rig.command(() => machine.guests.cards.driverOf(agent).start(start))).toBe('{}');
  return { rig, agent };
}

describe.each(Object.entries(SETUPS))('vhost behind %s', (name, setup) => {
  it('reaches what is mapped, and nothing else', () => {
    fc.assert(
      fc.property(programs, (program) => {
        const { rig, agent } = started(setup);
        const { machine } = rig;
        const space = machine.spaceOf(agent)!;
        const driver = machine.guests.driverOf(space.unit);
        const sourceId = space.guestId ?? agent.requesterId();
        const mapped = new Map<number, number>();
        const iovaOf = (slot: number): bigint => setup.base + 0x10_0000n + 2n * PAGE * BigInt(slot);
        for (const step of program) {
          const iova = iovaOf(step.slot);
          const frame = mapped.get(step.slot);
          if (step.kind === 'map' && frame === undefined) {
            const address = FRAMES + PAGE * BigInt(step.frame);
            const mapping = { sourceId, iova, address, size: PAGE, permissions: ['read', 'write'] as const };
            expect(rig.command(() => driver.map(mapping))).toBe('{}');
            mapped.set(step.slot, step.frame);
          } else if (step.kind === 'unmap' && frame !== undefined) {
            expect(rig.command(() => driver.unmap({ sourceId, iova, size: PAGE, flush: true }))).toBe('{}');
            mapped.delete(step.slot);
          } else if (step.kind === 'touch' && (frame !== undefined || name !== 's390-pci-iommu')) {
            // A fault would put a function of s390 in error, and end the game.
            const bytes = new Uint8Array([step.slot + 1]);
            const result = machine.operations.run(() =>
              agent.dmaPath.move({ address: iova, write: step.write, bytes }),
            );
            expect(result.kind).toBe(frame === undefined ? 'fault' : 'moved');
            const there = new Uint8Array(1);
            if (frame !== undefined) machine.memory.read(FRAMES + PAGE * BigInt(frame), there);
            if (frame !== undefined) expect(bytes).toEqual(there);
          }
          expect(agent.vhost.describe().ranges.filter(({ stale }) => stale)).toEqual([]);
        }
        const failed = machine.trace.checks.list().filter(({ violations }) => violations > 0);
        expect(failed.map(({ name: check }) => check)).toEqual([]);
      }),
      { numRuns: 15 },
    );
  });
});
