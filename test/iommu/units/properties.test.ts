/**
 * One suite for all units: whatever a guest does, an address leads where a naive walk of its tables leads, and whoever
 * shadows a region (a notifier of maps and unmaps; VFIO and its container) has what the tables have.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GuestPlay, SLOTS, type Step } from './guest-play.ts';
import { PLATFORMS, type Platform } from './platforms.ts';
import type { DeviceName } from './rig.ts';

/** What the unit is made with so that devices are translated and regions can be shadowed. */
const PROPERTIES: Readonly<Record<string, string>> = {
  'intel-iommu': 'caching-mode=on',
  'amd-iommu': 'dma-remap=on',
};

const SCALABLE: Platform = { ...PLATFORMS[0]!, mode: 'scalable' };
const SETUPS = [
  ...PLATFORMS.map((platform) => ({ name: platform.kind, platform, properties: PROPERTIES[platform.kind] ?? '' })),
  {
    name: 'intel-iommu, scalable mode',
    platform: SCALABLE,
    properties: 'caching-mode=on,scalable-mode=on,pasid-bits=20',
  },
];

const device = fc.constantFrom<DeviceName>('agent0', 'nic0');
const slot = fc.nat(SLOTS.length - 1);
const steps: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ kind: fc.constant('map'), device, slot, target: fc.nat(40), writable: fc.boolean() }),
  },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('unmap'), device, slot, flush: fc.constant(true) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('unmap'), device, slot, flush: fc.constant(false) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('bypass', 'auto'), device }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('replay', 'reset', 'load') }) },
);

describe.each(SETUPS)('$name', ({ platform, properties }) => {
  it('leads where a naive walk leads, and all that shadow it have the same, after any steps of a guest', () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(fc.array(steps, { minLength: 5, maxLength: 30 }), (program) => {
        const play = new GuestPlay(platform, properties);
        for (const step of program) {
          play.play(step);
          seen.add(step.kind);
        }
        play.settle();
        play.verify();
      }),
      { numRuns: 12, seed: 6 },
    );
    expect(seen.size).toBe(7);
  }, 60_000);
});
