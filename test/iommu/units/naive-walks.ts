/** Where a device's address leads by the tables that the guest has built, found from the unit's roots by plain reading. */
import { Hypercall } from '../../../src/iommu/spapr/hypercalls.ts';
import { SpaprTceUnit } from '../../../src/iommu/spapr/unit.ts';
import { VirtioIommuUnit } from '../../../src/iommu/virtio/unit.ts';
import { naiveAmd } from '../walk/naive/amd.ts';
import { naiveSecondStage } from '../walk/naive/second-stage.ts';
import { naiveTce } from '../walk/naive/tce.ts';
import type { Way, Words } from '../walk/naive/words.ts';
import { naiveZpci } from '../walk/naive/zpci.ts';
import type { DeviceName, UnitRig } from './rig.ts';

type Walk = (rig: UnitRig, name: DeviceName, iova: bigint) => Way | null;

const mapped = (way: Way | { code: number } | null): Way | null => (way === null || 'code' in way ? null : way);

/** Second stage of either mode: root entry, context entry, in scalable mode directory and PASID entry 0. */
const intel: Walk = (rig, name, iova) => {
  const words: Words = (address) => rig.word(address);
  const at = (address: bigint): bigint => rig.word(address & ~7n);
  const id = BigInt(rig.sourceId(name));
  const [bus, devfn] = [id >> 8n, id & 0xffn];
  const rootAddress = rig.word(0xfed9_0020n);
  const options = { addressWidth: 48, snoopControl: false, transientMapping: false };
  const scalable = ((rootAddress >> 10n) & 3n) === 1n;
  const root = at((rootAddress & ~0xfffn) + 16n * bus + (scalable && devfn >= 128n ? 8n : 0n));
  if ((root & 1n) === 0n) return null;
  const context = (root & ~0xfffn) + (scalable ? 32n * (devfn & 127n) : 16n * devfn);
  if ((at(context) & 1n) === 0n) return null;
  const pointer = at(context) & ~0xfffn;
  if (!scalable) {
    const levels = Number(at(context + 8n) & 7n) + 2;
    return mapped(naiveSecondStage(words, pointer, levels, iova, 'none', options));
  }
  const directory = at(pointer);
  if ((directory & 1n) === 0n) return null;
  const entry = at(directory & ~0xfffn);
  if ((entry & 1n) === 0n || ((entry >> 6n) & 7n) !== 2n) return null;
  const levels = Number((entry >> 2n) & 7n) + 2;
  return mapped(naiveSecondStage(words, entry & ~0xfffn, levels, iova, 'none', options));
};

const amd: Walk = (rig, name, iova) => {
  const table = rig.word(0xfed8_0000n) & 0x000f_ffff_ffff_f000n;
  const entry = rig.word(table + 32n * BigInt(rig.sourceId(name)));
  if ((entry & 3n) !== 3n) return null;
  const mode = Number((entry >> 9n) & 7n);
  return naiveAmd((address) => rig.word(address), entry & 0x000f_ffff_ffff_f000n, mode, entry & (3n << 61n), iova);
};

const zpci: Walk = (rig, name, iova) => {
  const { registers } = rig.unit.describe().capabilities;
  const anchor = registers.find((one) => one.name === `IOTA:${name}`)?.value;
  if (anchor === undefined) return null;
  return mapped(naiveZpci((address) => rig.word(address, false), anchor, iova));
};

/** There are no tables in memory: the hypervisor is asked. */
const tce: Walk = (rig, name, iova) => {
  if (!(rig.unit instanceof SpaprTceUnit)) return null;
  const { unit } = rig;
  const { status, values } = rig.must(() => unit.hypercalls.call(Hypercall.getTce, [BigInt(rig.sourceId(name)), iova]));
  return status === 0 ? naiveTce(values[0] ?? 0n, 12n, iova) : null;
};

export const NAIVE_WALKS: Readonly<Record<string, Walk>> = {
  'intel-iommu': intel,
  'amd-iommu': amd,
  'spapr-tce': tce,
  's390-pci-iommu': zpci,
};

/** A virtio-iommu has no tables that anybody could read: what requests have mapped is all. */
export function hasTables({ unit }: UnitRig): boolean {
  return !(unit instanceof VirtioIommuUnit);
}
