import type { IommuRegion } from '../memory/iommu-region.ts';
import {
  BypassableSpace,
  type BypassableRegions,
  type BypassableSpaceParts,
  type BypassableSpaceState,
} from './bypassable-space.ts';
import type { Place } from './place.ts';

/** The regions of one device's view of memory, where one IOMMU region is all that is translated. */
export interface SwitchedRegions extends BypassableRegions {
  readonly translated: IommuRegion;
}

export type SwitchedSpaceState = BypassableSpaceState;

/** A device's address space behind a unit that has one IOMMU region for all of it. */
export abstract class SwitchedSpace<SpacePlace extends Place = Place> extends BypassableSpace<SpacePlace> {
  readonly region: IommuRegion;

  constructor(options: BypassableSpaceParts<SpacePlace> & { readonly regions: SwitchedRegions }) {
    super(options);
    this.region = options.regions.translated;
  }

  get regions(): readonly IommuRegion[] {
    return [this.region];
  }
}
