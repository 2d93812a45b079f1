import type { GuestCapabilities, HostCapabilities } from '../memory/host-device.ts';

const GIB = 1n << 30n;

/**
 * What a vIOMMU promises its guest beyond what the host's IOMMU can do for an assigned device: one sentence each, with
 * both figures and the nearest value that would do. Address widths are for the vIOMMU itself to refuse.
 */
export function exceedingCapabilities(guest: GuestCapabilities, host: HostCapabilities): string[] {
  const found: string[] = [];
  if (guest.pasidBits > host.pasidBits) {
    found.push(
      `PASID bits size ${guest.pasidBits} > host IOMMU PASID bits size ${host.pasidBits}: ` +
        `give the vIOMMU pasid-bits=${host.pasidBits}`,
    );
  }
  if (guest.firstStage && !host.nesting) {
    found.push('The vIOMMU has fsts=on, and the host IOMMU nesting=off: give the vIOMMU fsts=off');
  }
  if (guest.firstStage && guest.firstStage1G && !host.pageSizes.includes(GIB)) {
    const largest = host.pageSizes.at(-1)!;
    found.push(
      'First stage 1GB large page is unsupported by host IOMMU, ' +
        `whose largest page has ${largest >> 10n} KiB: give the vIOMMU fs1gp=off`,
    );
  }
  for (const [promised, property, has, option] of [
    [guest.pageRequests, 'svm', host.pageRequests, 'page-requests'],
    [guest.deviceIotlb, 'device-iotlb', host.ats, 'ats'],
    [guest.snoopControl, 'snoop-control', host.coherency, 'coherency'],
  ] as const) {
    if (promised && !has) {
      found.push(`The vIOMMU has ${property}=on, and the host IOMMU ${option}=off: give the vIOMMU ${property}=off`);
    }
  }
  return found;
}
