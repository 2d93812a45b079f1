/** What the table of units claims, tried: with the properties that it names, and without them. */
import { describe, expect, it } from 'vitest';
import type { Gpa } from '../../../src/core/address.ts';
import { CommandError } from '../../../src/core/errors.ts';
import type { GuestMode } from '../../../src/guest/guest-driver.ts';
import { type Availability, type FeatureName, FEATURES } from '../../../src/iommu/features.ts';
import { RegionNotifier, type RegionEventType } from '../../../src/memory/iommu-region.ts';
import { PciDevice } from '../../../src/pci/device.ts';
import { PLATFORMS, type Platform, propertiesOf } from './platforms.ts';
import { LARGE, PAGE, UnitRig } from './rig.ts';

const TARGET = 0x200_0000n;
const PASID = 5;
/** Where a page table for a PASID lies: it maps nothing. */
const PAGE_TABLE = 0x60_0000n;

/** Units translate in the mode that shows the feature; only in scalable mode Intel's have PASIDs. */
function modeOf({ mode }: Platform, properties: string): GuestMode {
  return propertiesOf(properties)['scalable-mode'] === 'on' ? 'scalable' : mode;
}

/** A machine whose guest has enabled the unit, if it can be. */
function enabled(platform: Platform, properties: string, agent: Readonly<Record<string, string>> = {}): UnitRig {
  const rig = new UnitRig(platform, properties, agent);
  rig.label(TARGET, LARGE);
  rig.enable(modeOf(platform, properties));
  return rig;
}

function mapped(platform: Platform, properties: string, size = PAGE): UnitRig {
  const rig = enabled(platform, properties);
  rig.map('agent0', platform.base, TARGET, size);
  return rig;
}

/** Whether a notifier of such events is taken, and not as one that can never be told of anything. */
function takesNotifier(rig: UnitRig, event: RegionEventType): boolean {
  const [region] = rig.space('agent0').regions;
  const last = region!.size - 1n;
  const options = { name: 'test', device: 'agent0', kind: 'vhost', events: [event], start: 0n, last } as const;
  const answer = rig.do(() => region!.registerNotifier(new RegionNotifier({ ...options, notify: () => {} })));
  return answer === '{}' && !rig.violations().includes('dead-notifier');
}

/** Each says whether a machine whose unit has these properties does what the feature promises. */
const TRIALS: Readonly<Record<FeatureName, (platform: Platform, properties: string) => boolean>> = {
  translation: (platform, properties) => {
    const rig = mapped(platform, properties);
    return rig.read('agent0', platform.base) === TARGET;
  },
  'large-pages': (platform, properties) => {
    const answer = mapped(platform, properties, LARGE).translate('agent0', platform.base + 5n * PAGE);
    return answer.result === 'translated' && answer.address === TARGET + 5n * PAGE && answer.size === LARGE;
  },
  'tables-in-memory': (platform, properties) => {
    const rig = mapped(platform, properties);
    const leaf = rig.translate('agent0', platform.base).steps?.at(-1);
    const { mappings } = rig.unit.mappings(rig.space('agent0'), { limit: 10 });
    if (leaf === undefined || leaf.raw.length === 0 || mappings.length === 0) return false;
    // Behind the page there is nothing, until the entry beside the page's is written.
    expect(mappings).toMatchObject([{ size: PAGE }]);
    rig.do(() => {
      const word = new Uint8Array(8);
      rig.machine.memory.read(leaf.address, word);
      rig.machine.memory.write(leaf.address + 8n, word);
    });
    return rig.unit.mappings(rig.space('agent0'), { limit: 10 }).mappings.length === 2;
  },
  'deferred-invalidation': (platform, properties) => {
    const rig = mapped(platform, properties);
    if (rig.read('agent0', platform.base) !== TARGET) return false;
    expect(rig.unmap('agent0', platform.base, PAGE, false)).toBe('{}');
    return rig.read('agent0', platform.base) === TARGET;
  },
  'translation-cache': (platform, properties) => {
    const rig = mapped(platform, properties);
    rig.read('agent0', platform.base);
    const { caches } = rig.unit.describe();
    const listed = rig.unit.iotlbEntries().filter(({ device, iova }) => device === 'agent0' && iova === platform.base);
    expect(listed.length > 0).toBe(caches.some(({ entries, name }) => entries > 0 && name !== 'context'));
    return listed.length === 1;
  },
  'map-notifiers': (platform, properties) => takesNotifier(enabled(platform, properties), 'map'),
  'device-iotlb-notifiers': (platform, properties) => takesNotifier(enabled(platform, properties), 'deviotlb-unmap'),
  'pasid-requests': (platform, properties) => {
    const rig = enabled(platform, properties);
    const answer = rig.map('agent0', platform.base, TARGET, PAGE, true, PASID);
    if (answer !== '{}') expect(answer).toMatch(/PASID|modes? /);
    return platform.agent['driver'] === 'dma-agent' && rig.read('agent0', platform.base, PASID) === TARGET;
  },
  'pasid-table-binding': (platform, properties) => {
    const rig = new UnitRig(platform, properties);
    const format = platform.kind === 'amd-iommu' ? 'amd-gcr3' : 'vtd-scalable';
    const table = { address: PAGE_TABLE as Gpa, size: 0x1000n, format } as const;
    const answer = rig.do(() => rig.space('nic0').iommuObject.bind(table, 'command'));
    if (answer !== '{}') expect(answer).toContain('PASID');
    return answer === '{}';
  },
  'guest-pasid-binding': (platform, properties) => {
    const rig = enabled(platform, properties);
    const binding = { pasid: PASID, pageTable: PAGE_TABLE };
    const answer = rig.do(() => rig.driver.bindPageTable({ sourceId: rig.sourceId('nic0'), ...binding }));
    if (answer !== '{}') expect(answer).toMatch(/PASID|mode/);
    return rig.space('nic0').iommuObject.binding?.origin === 'guest';
  },
  'page-requests': (platform, properties) => {
    const rig = enabled(platform, properties, platform.kind === 'spapr-tce' ? {} : { ats: 'on', pri: 'on' });
    const binding = { pasid: PASID, pageTable: PAGE_TABLE };
    rig.do(() => rig.driver.bindPageTable({ sourceId: rig.sourceId('agent0'), ...binding }));
    rig.read('agent0', platform.base, PASID);
    const asked = rig.all.model.some(({ name }) => name === 'IOMMU_PAGE_REQUEST');
    expect(rig.unit.describe().capabilities['page-requests']).toBe(asked);
    return asked;
  },
  'beyond-pci': (platform, properties) => {
    const { machine, unit } = mapped(platform, properties);
    return machine.dmaDevices().some((one) => !(one instanceof PciDevice) && machine.spaceOf(one)?.unit === unit);
  },
};

/** VFIO takes an Intel unit only with caching mode, so that one has to be there whatever else is tried. */
const outset = ({ kind }: Platform): string => (kind === 'intel-iommu' ? 'caching-mode=on' : '');

const joined = (...properties: string[]): string => properties.filter((one) => one !== '').join(',');

describe.each(PLATFORMS)('$kind', (platform) => {
  it('is described by the table that the documents show', () => {
    const { unit } = new UnitRig(platform, outset(platform));
    expect([unit.kind, unit.features]).toEqual([platform.kind, platform.features]);
  });

  it.each(Object.keys(FEATURES) as FeatureName[])('has %s exactly as claimed', (name) => {
    const claimed: Availability = platform.features[name];
    const works = (properties: string): boolean => TRIALS[name](platform, properties);
    if (claimed === true) {
      expect(works(outset(platform))).toBe(true);
    } else if (claimed === false) {
      expect(refusedOr(() => works(outset(platform)))).toBe(false);
    } else {
      expect(works(joined(claimed.includes('caching-mode') ? '' : outset(platform), claimed))).toBe(true);
      // Each of the properties is needed.
      const all = claimed.split(',');
      for (const left of all) {
        const others = all.filter((one) => one !== left).join(',');
        const base = left.startsWith('caching-mode') ? '' : outset(platform);
        expect(refusedOr(() => works(joined(base, others)))).toBe(false);
      }
    }
  });
});

/** False where a machine with such a unit cannot be made, or not with an assigned device. */
function refusedOr(trial: () => boolean): boolean {
  try {
    return trial();
  } catch (error) {
    if (error instanceof CommandError) return false;
    throw error;
  }
}
