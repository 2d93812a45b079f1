import type { Gpa } from '../../core/address.ts';
import { PAGE_SHIFT } from '../../core/address.ts';
import { Permission } from '../../memory/access.ts';
import type { PasidTable } from '../../memory/iommu-object.ts';
import { NO_PASID } from '../iotlb.ts';
import type { Confirm, Reach, ReverseSearch } from '../reverse-search.ts';
import { FirstStageWalker } from '../walk/first-stage.ts';
import { pasidTableOf } from './context-lookup.ts';
import { firstStageTables } from '../first-stage-tables.ts';
import { secondStageTables } from './listed-tables.ts';
import { presentPasids } from './present-pasids.ts';
import type { Remapping, TranslatedSpace } from './remapping.ts';
import { PASIDS_PER_DIRECTORY_ENTRY, TranslationType } from './tables.ts';
import { PasidEntryReader } from './walk.ts';

const MAXIMUM_PASIDS = 2 ** 20;

/**
 * By which addresses a device reaches a guest-physical page, by the tables as they are, whatever is cached: those of
 * its requests without PASID, then those of every PASID that a bound table or the device's context entry leads to.
 */
export class ReverseLookUp {
  readonly #remapping: Remapping;
  /** A bound table is nested by the host: any first-stage table of the specification. */
  readonly #pasids = new PasidEntryReader({
    types: [TranslationType.firstStage, TranslationType.passThrough],
    fiveLevels: true,
  });
  readonly #walker = new FirstStageWalker({ addressWidth: 52 });

  constructor(remapping: Remapping) {
    this.#remapping = remapping;
  }

  search(target: TranslatedSpace, search: ReverseSearch): Reach[] {
    const { binding } = target.space.iommuObject;
    const found = this.#untagged(target, search);
    if (binding !== null) {
      for (const pasid of presentPasids(this.#remapping.look.memory, binding, search.mayRead)) {
        if (!search.mayFollow()) break;
        found.push(...this.#bound(binding, pasid, search));
      }
      return found;
    }
    const table = this.#tableOf(target);
    if (table === null) return found;
    for (const pasid of presentPasids(this.#remapping.look.memory, table, search.mayRead)) {
      if (!search.mayFollow()) break;
      found.push(...this.#registered(target, pasid, search));
    }
    return found;
  }

  #untagged(target: TranslatedSpace, search: ReverseSearch): Reach[] {
    if (!this.#remapping.enabled || target.space.bypass) return identity(search, undefined);
    return this.#registered(target, undefined, search);
  }

  /** By what the unit's registers lead to. */
  #registered({ space }: TranslatedSpace, pasid: number | undefined, search: ReverseSearch): Reach[] {
    const { look, properties, root } = this.#remapping;
    if (!look.resolve(root, space.sourceId, pasid ?? NO_PASID, null)) return [];
    if (look.passThrough) return identity(search, pasid);
    const tables =
      look.stage === 'first'
        ? firstStageTables(look.memory, look.pasids.firstStage, look.first, properties.strictSpec)
        : secondStageTables(look.memory, look.secondStage, look.second, properties.awBits);
    return search.through(tables, (page) => (look.walk(page, 'none') ? look : null), pasid);
  }

  #bound(table: PasidTable, pasid: number, search: ReverseSearch): Reach[] {
    const { memory } = this.#remapping.look;
    const pasids = this.#pasids;
    const walker = this.#walker;
    if (!pasids.read(memory, table, pasid)) return [];
    if (pasids.type === TranslationType.passThrough) return identity(search, pasid);
    const { firstStage } = pasids;
    const confirm: Confirm = (page) => (walker.walk(memory, firstStage, page, 'none') ? walker : null);
    return search.through(firstStageTables(memory, firstStage, walker, true), confirm, pasid);
  }

  /** The table that the context entry leads to; null without a valid one. QEMU takes each directory for a full one. */
  #tableOf({ space }: TranslatedSpace): Pick<PasidTable, 'address' | 'size' | 'format'> | null {
    const { enabled, look, properties, root } = this.#remapping;
    if (!enabled || root.mode !== 'scalable') return null;
    if (!look.contexts.read(look.memory, root, space.sourceId)) return null;
    const found = pasidTableOf(look.contexts);
    if (found === null) return null;
    const { address, format } = found;
    const size = properties.strictSpec ? found.size : (8 * MAXIMUM_PASIDS) / PASIDS_PER_DIRECTORY_ENTRY;
    return { address: BigInt(address) as Gpa, size: BigInt(size), format };
  }
}

/** Nothing is translated. */
function identity(search: ReverseSearch, pasid: number | undefined): Reach[] {
  return search.direct(search.page, PAGE_SHIFT, Permission.readWrite, pasid);
}
