import type { IommuUnit } from '../iommu/unit.ts';
import type { Checks } from '../trace/checks.ts';
import type { Vfio } from '../vfio/vfio.ts';

export interface LayoutParts {
  readonly units: readonly IommuUnit[];
  readonly vfio: Vfio;
  readonly checks: Checks;
}

/**
 * Behind a reset or a load each device must see what its vIOMMU's registers say, and the host must have that mapped
 * (check `layout-after-reset`). A reset turns translation off: an IOMMU region that still shows would let nothing
 * through.
 */
export function checkLayout({ units, vfio, checks }: LayoutParts, occasion: 'reset' | 'load'): void {
  for (const unit of units) {
    if (unit.mode !== 'off') continue;
    for (const { bypass, forced, iommuObject, regions } of unit.deviceSpaces()) {
      // A platform may show nothing at all until software has said what.
      if (bypass || forced || !regions.some(({ enabled }) => enabled)) continue;
      const { device } = iommuObject;
      const desc = `After a ${occasion}, '${device}' sees the IOMMU region of a unit that translates nothing`;
      checks.fail('layout-after-reset', { device, desc });
    }
  }
  vfio.checkLayout(occasion);
}
